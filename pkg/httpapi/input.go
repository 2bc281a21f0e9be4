package httpapi

import (
	"bytes"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/leadctl/leadctl/pkg/fault"
)

// strictQuery is embedded in inputs with query parameters. It rejects a parameter that is given twice, that contains
// control characters, or that is empty where a number is required.
type strictQuery struct{}

// Resolve implements huma.Resolver.
func (strictQuery) Resolve(hc huma.Context) (errs []error) {
	u := hc.URL()
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil { // url.Query would drop the malformed parameters without an error
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

// requireJSON rejects a body of another media type. A form on a foreign page cannot send application/json.
func requireJSON(r *http.Request) error {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" {
		return fault.New(fault.Unsupported, "Content-Type: must be application/json")
	}
	return nil
}

// requireStrictJSON rejects a body that is not exactly one JSON value: with a duplicate name at any depth, invalid
// UTF-8, a lone surrogate, trailing data, or null for a member. Parsers read such bodies in different ways. It leaves
// an empty body and a body that cannot be read to huma, and replaces r.Body by what it has read.
func requireStrictJSON(r *http.Request) error {
	if err := requireJSON(r); err != nil {
		return err
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), failingReader{err}))
		return nil
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if len(body) == 0 {
		return nil
	}
	if !jsontext.Value(body).IsValid() {
		return fault.New(fault.Invalid, "request body: must be one JSON value without duplicate names, in valid UTF-8")
	}
	var members map[string]jsontext.Value
	if json.Unmarshal(body, &members) != nil {
		return nil // huma says which type it wants
	}
	for name, value := range members {
		if value.Kind() == 'n' { // huma reads null as an absent member
			return fault.New(fault.Invalid, "request body: member %q must not be null", name)
		}
	}
	return nil
}

// failingReader returns an error that was met before.
type failingReader struct{ err error }

// Read implements io.Reader.
func (f failingReader) Read([]byte) (int, error) { return 0, f.err }

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
