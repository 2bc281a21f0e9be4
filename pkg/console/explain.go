package console

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/leadctl/leadctl/pkg/fault"
)

// trouble is a failure as a page tells it.
type trouble struct {
	Title   string `json:"title"`
	Status  int    `json:"status"`
	Detail  string `json:"detail"`
	Code    string `json:"code"`
	Hint    string `json:"hint,omitempty"`
	Request string `json:"request_id"`
}

func troubleOf(w http.ResponseWriter, err error) trouble {
	t := trouble{Status: fault.HTTPStatus(err), Detail: fault.Text(err), Code: fault.Code(err), Hint: fault.Hint(err), Request: w.Header().Get("X-Request-Id")}
	t.Title = http.StatusText(t.Status)
	return t
}

// Heading says in a few words what the status means to a person.
func (t trouble) Heading() string {
	switch {
	case t.Code == "INSUFFICIENT_ROLE":
		return "Your role does not reach this far"
	case t.Code == "TENANT_SUSPENDED":
		return "This workspace is suspended"
	case t.Code == "EMAIL_NOT_VERIFIED":
		return "Your e-mail address is not verified"
	case t.Code == "ONBOARDING_CLOSED":
		return "No workspace is waiting for you yet"
	case t.Status == http.StatusForbidden:
		return "You may not do this"
	case t.Status == http.StatusNotFound:
		return "There is no such page"
	case t.Status == http.StatusServiceUnavailable:
		return "Something we need is not answering"
	case t.Status >= http.StatusInternalServerError:
		return "This is our mistake"
	}
	return "This did not work"
}

// navigates reports whether the answer will be shown as a page of its own, and not read by a program.
func navigates(r *http.Request) bool {
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" {
		return mode == "navigate"
	}
	return strings.Contains(r.Header.Get("Accept"), "text/html")
}

// hide answers as to a path that nothing is behind: with the API's words to a program, with the same page to a person.
func (c *Console) hide(w http.ResponseWriter, r *http.Request) {
	t := troubleOf(w, errHidden)
	if navigates(r) {
		c.secure(w)
		c.showTrouble(w, r, visitor{}, t)
		return
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(t.Status)
	_ = json.NewEncoder(w).Encode(struct {
		Type string `json:"type"`
		trouble
	}{"about:blank", t}) // the client is gone if this fails
}

// Explain shows the API's problems to people as pages: a failed sign-in on the sign-in page, all others on their own. What
// programs ask for passes through untouched.
func (c *Console) Explain(api http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !navigates(r) {
			api.ServeHTTP(w, r)
			return
		}
		held := &problemHolder{ResponseWriter: w}
		api.ServeHTTP(held, r)
		if held.status == 0 {
			return
		}
		t := trouble{Status: held.status}
		if err := json.Unmarshal(held.body.Bytes(), &t); err != nil {
			t.Detail = http.StatusText(held.status)
		}
		w.Header().Del("Content-Length")
		c.secure(w)
		if r.URL.Path == "/auth/login" || r.URL.Path == "/auth/callback" {
			c.showSignIn(w, r, &t)
			return
		}
		c.showTrouble(w, r, visitor{}, t)
	})
}

// problemHolder keeps a problem back and lets everything else through.
type problemHolder struct {
	http.ResponseWriter
	status int // of the problem; 0: there was none
	body   bytes.Buffer
}

// Unwrap implements what http.ResponseController asks for.
func (h *problemHolder) Unwrap() http.ResponseWriter { return h.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (h *problemHolder) WriteHeader(code int) {
	if code >= http.StatusBadRequest && h.Header().Get("Content-Type") == "application/problem+json" {
		h.status = code
		return
	}
	h.ResponseWriter.WriteHeader(code)
}

// Write implements http.ResponseWriter.
func (h *problemHolder) Write(b []byte) (int, error) {
	if h.status != 0 {
		return h.body.Write(b)
	}
	return h.ResponseWriter.Write(b)
}
