package console

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"time"
)

// asset is one embedded file. Its address changes with its content, so browsers can cache it permanently.
type asset struct {
	path, kind, digest string
	content            []byte
}

// readAssets returns the files that pages load: htmx 2.0.11 (0BSD, see LICENSE.htmx) and leadctl's style sheet, script
// and logo.
func readAssets() map[string]asset {
	kinds := map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
		".svg": "image/svg+xml"}
	files, _ := fs.Glob(webFiles, "web/*.*")
	assets := map[string]asset{}
	for _, file := range files {
		kind, ok := kinds[path.Ext(file)]
		if !ok {
			continue
		}
		content, err := webFiles.ReadFile(file)
		if err != nil {
			panic(err) // cannot happen: the file was just listed
		}
		sum := sha256.Sum256(content)
		at := "/console/" + path.Base(file)
		assets[at] = asset{at, kind, hex.EncodeToString(sum[:6]), content}
	}
	return assets
}

// ServeHTTP implements http.Handler.
func (a asset) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", a.kind)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; frame-ancestors 'none'")
	h.Set("Cache-Control", "no-cache")
	if r.URL.Query().Get("v") == a.digest {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.content))
}
