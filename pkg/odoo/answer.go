package odoo

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
)

// answer is a complete HTTP answer.
type answer struct {
	status int
	header http.Header
	body   []byte
}

var errTooBig = errors.New("answer larger than allowed")

// countsAsFailure reports whether the answer shows trouble of the server or of a proxy before it. A 5xx in JSON is
// Odoo's own answer to the call and does not count.
func (a answer) countsAsFailure() bool {
	return a.status == http.StatusTooManyRequests ||
		a.status >= 500 && !strings.HasPrefix(a.header.Get("Content-Type"), "application/json")
}

// noDatabaseSelected reports whether Odoo does not know for which of its databases the call was.
func (a answer) noDatabaseSelected() bool {
	return a.status == http.StatusNotFound && bytes.Contains(a.body, []byte("X-Odoo-Database"))
}

func (a answer) cookieValue(name string) string {
	for _, c := range (&http.Response{Header: a.header}).Cookies() {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}
