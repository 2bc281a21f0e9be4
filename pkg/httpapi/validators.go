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

// tagOf returns an entity tag of the parts, without quotes. The parts are the caller's own rows, so no attacker can
// gain from a collision. A cryptographic hash would take a tenth of the request's time.
func tagOf(parts ...[]byte) string {
	h := xxhash.New()
	for _, p := range parts {
		_, _ = h.Write(p) // never fails
	}
	return fmt.Sprintf("%016x", h.Sum64())
}

// validators identify the version of an answer.
type validators struct {
	tag      string
	modified time.Time
}

// writeHeaders sets the headers of v. It sends Last-Modified only after that second has ended, because a second change
// within it would have the same time.
func (v validators) writeHeaders(h http.Header, now time.Time) {
	h.Set("ETag", `"`+v.tag+`"`)
	if !v.modified.IsZero() && now.Sub(v.modified) > time.Second {
		h.Set("Last-Modified", v.modified.UTC().Format(http.TimeFormat))
	}
}

// matchesCopy reports whether the caller's copy is this version. Times must be equal: when the newest row is deleted,
// the time of the rows moves back.
func (v validators) matchesCopy(noneMatch, since string) bool {
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

// takesBrotli reports whether the Accept-Encoding names br. gzip is not supported, because proxies of existing clients
// corrupt it.
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

// newBrotli returns a writer at level 3, which takes about as long as reading the rows.
func newBrotli(w io.Writer) io.WriteCloser { return brotli.NewWriterLevel(w, 3) }
