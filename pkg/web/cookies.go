package web

import (
	"net/http"
	"time"

	"github.com/leadctl/leadctl/pkg/websession"
)

// Cookies names the cookies of a signed-in browser.
type Cookies struct {
	Access  string // the ID token, until it expires
	Refresh string // a handle to the session
	Secure  bool
}

// Login returns the name of the cookie from /auth/login to /auth/callback. No other client reads it, so over https it
// has the prefix __Host-, which keeps other hosts from planting it. Existing clients fix the names of the other two.
func (c Cookies) Login() string {
	if c.Secure {
		return "__Host-leadctl_login"
	}
	return "leadctl_login"
}

// New returns a cookie; an empty value deletes it. It is HttpOnly, Lax and for the whole site: scripts cannot read it,
// and pages of other sites cannot post with it.
func (c Cookies) New(name, value string, age time.Duration) http.Cookie {
	seconds := max(int(age.Seconds()), 1) // 0 would let the cookie live until the browser closes
	if value == "" {
		seconds = -1
	}
	return http.Cookie{Name: name, Value: value, Path: "/", MaxAge: seconds, HttpOnly: true, Secure: c.Secure,
		SameSite: http.SameSiteLaxMode}
}

// SignedIn returns the access cookie, and the refresh cookie if the browser gets a new handle.
func (d *Door) SignedIn(t websession.Tokens) []http.Cookie {
	set := []http.Cookie{d.cfg.Cookies.New(d.cfg.Cookies.Access, t.ID, t.Expires.Sub(d.now()))}
	if t.Handle != "" {
		set = append(set, d.cfg.Cookies.New(d.cfg.Cookies.Refresh, t.Handle, websession.Lifetime))
	}
	return set
}
