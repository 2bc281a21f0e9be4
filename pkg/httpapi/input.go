package httpapi

import (
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/leadctl/leadctl/pkg/fault"
)

// strictQuery is embedded in inputs with query parameters: one given twice, or one with control characters, is refused
// or is empty where a number belongs, is refused rather than read in one of several possible ways.
type strictQuery struct{}

// Resolve implements huma.Resolver.
func (strictQuery) Resolve(hc huma.Context) (errs []error) {
	u := hc.URL()
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil { // url.Query would leave out what it cannot read, and the rest would mean something else
		return []error{&huma.ErrorDetail{Location: "query", Message: "malformed"}}
	}
	if query.Has("limit") && query.Get("limit") == "" {
		errs = append(errs, &huma.ErrorDetail{Location: "query.limit", Message: "empty"})
	}
	for name, values := range query {
		if len(values) > 1 {
			errs = append(errs, &huma.ErrorDetail{Location: "query." + name, Message: "given more than once"})
		}
		for _, v := range values {
			if !utf8.ValidString(v) || strings.ContainsFunc(v, func(r rune) bool { return r < ' ' || r == 0x7f }) {
				errs = append(errs, &huma.ErrorDetail{Location: "query." + name,
					Message: "control characters or invalid UTF-8"})
			}
		}
	}
	return errs
}

// requireJSON lets a body pass only under its own name, so that no form of a foreign page can post one.
func requireJSON(r *http.Request) error {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" {
		return fault.New(fault.Unsupported, "Content-Type: application/json is the only one accepted")
	}
	return nil
}

func parseID(name, s string) (int32, error) {
	if s == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return 0, fault.New(fault.Invalid, "%s: not a number", name)
	}
	return int32(n), nil
}

func parseScore(name, s string) (*float64, error) {
	if s == "" {
		return nil, nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return nil, fault.New(fault.Invalid, "%s: not a number", name)
	}
	return &f, nil
}

func parseTime(name, s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}, fault.New(fault.Invalid, "%s: not an RFC 3339 time", name)
	}
	return t, nil
}
