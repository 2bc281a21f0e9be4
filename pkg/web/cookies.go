package web

import (
	"net/http"
	"time"

	"github.com/leadctl/leadctl/pkg/websession"
)

// Cookies of a signed-in browser: names as existing clients know them.
type Cookies struct {
	Access  string // the ID token, until it expires
	Refresh string // a handle to the session
	Secure  bool
}

// Login is the name of the cookie from /auth/login to /auth/callback. Its name is nobody else's business, so over https
// it has the prefix by which browsers keep other hosts from planting one. The names of the other two are existing
// clients'.
func (c Cookies) Login() string {
	if c.Secure {
		return "__Host-leadctl_login"
	}
	return "leadctl_login"
}

// New makes a cookie; an empty value deletes it. It is HttpOnly, Lax and for the whole site: pages never read it, and
// foreign pages cannot post with it.
func (c Cookies) New(name, value string, age time.Duration) http.Cookie {
	seconds := max(int(age.Seconds()), 1) // 0 would leave the end to the browser
	if value == "" {
		seconds = -1
	}
	return http.Cookie{Name: name, Value: value, Path: "/", MaxAge: seconds, HttpOnly: true, Secure: c.Secure,
		SameSite: http.SameSiteLaxMode}
}

// SignedIn sets the access cookie, and the refresh cookie where the browser has a new handle.
func (d *Door) SignedIn(t websession.Tokens) []http.Cookie {
	set := []http.Cookie{d.cfg.Cookies.New(d.cfg.Cookies.Access, t.ID, t.Expires.Sub(d.now()))}
	if t.Handle != "" {
		set = append(set, d.cfg.Cookies.New(d.cfg.Cookies.Refresh, t.Handle, websession.Lifetime))
	}
	return set
}
