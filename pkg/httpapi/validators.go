package httpapi

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/cespare/xxhash/v2"
)

// tagOf is an entity tag, without quotes, of what is given. It comes from the caller's own rows alone, and has to tell
// their versions apart, not to stand against somebody who wants two to look the same: hence no cryptography, which
// would take a tenth of a request.
func tagOf(parts ...[]byte) string {
	h := xxhash.New()
	for _, p := range parts {
		_, _ = h.Write(p) // a hash takes everything
	}
	return fmt.Sprintf("%016x", h.Sum64())
}

// validators say which version of something an answer holds.
type validators struct {
	tag      string
	modified time.Time
}

// set puts v on an answer. A time is only told once its second is over: another change in it would look like the same
// one.
func (v validators) set(h http.Header, now time.Time) {
	h.Set("ETag", `"`+v.tag+`"`)
	if !v.modified.IsZero() && now.Sub(v.modified) > time.Second {
		h.Set("Last-Modified", v.modified.UTC().Format(http.TimeFormat))
	}
}

// match reports whether the caller's copy is this version. Times must be equal: an earlier one can be that of other
// rows, of which the newest went away.
func (v validators) match(noneMatch, since string) bool {
	if noneMatch == "" {
		return since != "" && !v.modified.IsZero() && since == v.modified.UTC().Format(http.TimeFormat)
	}
	for tag := range strings.SplitSeq(noneMatch, ",") {
		if tag = strings.TrimSpace(tag); tag == "*" || strings.TrimPrefix(tag, "W/") == `"`+v.tag+`"` {
			return true
		}
	}
	return false
}

// takesBrotli reports whether an Accept-Encoding names br. Nothing else is compressed with: proxies on the way to
// existing clients corrupt gzip.
func takesBrotli(accept string) bool {
	for coding := range strings.SplitSeq(accept, ",") {
		name, quality, weighed := strings.Cut(coding, ";")
		if !strings.EqualFold(strings.TrimSpace(name), "br") {
			continue
		}
		q, err := strconv.ParseFloat(strings.TrimPrefix(strings.ReplaceAll(quality, " ", ""), "q="), 64)
		return !weighed || err == nil && q > 0
	}
	return false
}

// newBrotli compresses as fast as rows come: level 3 takes about as long as reading them.
func newBrotli(w io.Writer) io.WriteCloser { return brotli.NewWriterLevel(w, 3) }
