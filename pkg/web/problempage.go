package web

import (
	"net/http"
	"strings"
)

// ProblemPage shows a problem to a person who opened the address in a browser.
type ProblemPage func(http.ResponseWriter, *http.Request, *Problem)

// Navigates reports whether a browser will show the response as a page.
func Navigates(r *http.Request) bool {
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" {
		return mode == "navigate"
	}
	return strings.Contains(r.Header.Get("Accept"), "text/html")
}

// showProblems replaces the problems of requests that navigate by pages. Everything else passes through untouched.
func (show ProblemPage) showProblems(next http.Handler) http.Handler {
	if show == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !Navigates(r) {
			next.ServeHTTP(w, r)
			return
		}
		held := &problemHolder{ResponseWriter: w}
		next.ServeHTTP(held, r)
		if held.status == 0 {
			return
		}
		w.Header().Del("Content-Length")
		p := visitOf(r.Context()).problem
		if p == nil {
			p = &Problem{Title: http.StatusText(held.status), Status: held.status, Detail: http.StatusText(held.status)}
		}
		show(w, r, p)
	})
}

// problemHolder withholds a problem and passes every other response through.
type problemHolder struct {
	http.ResponseWriter
	status int // of the problem; 0: there was none
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
		return len(b), nil
	}
	return h.ResponseWriter.Write(b)
}
