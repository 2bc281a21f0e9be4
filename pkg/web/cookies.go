package web

import (
	"net/http"
	"time"

	"github.com/leadctl/leadctl/pkg/websession"
)

// Cookies names the cookies of a signed-in browser.
type Cookies struct {
	Access  string // the ID token, until it expires
	Refresh string // one half of the handle to the session; Own is the other
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

// Own returns the name of the cookie without which the access and the refresh cookie count for nothing. Clients fix
// those two names, so a sibling domain can plant such cookies in a browser; over https it cannot plant this one.
func (c Cookies) Own() string {
	if c.Secure {
		return "__Host-leadctl_session"
	}
	return "leadctl_session"
}

// names returns the names of all cookies of a signed-in browser.
func (c Cookies) names() []string { return []string{c.Access, c.Refresh, c.Own()} }

// Ended returns the cookies that delete those of a signed-in browser.
func (c Cookies) Ended() (deleted []http.Cookie) {
	for _, name := range c.names() {
		deleted = append(deleted, c.New(name, "", 0))
	}
	return deleted
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

// SignedIn returns the access cookie, and those of the handle if the browser gets a new one.
func (d *Door) SignedIn(t websession.Tokens) []http.Cookie {
	set := []http.Cookie{d.cfg.Cookies.New(d.cfg.Cookies.Access, t.ID, t.Expires.Sub(d.now()))}
	if t.Handle != "" {
		refresh, own := websession.SplitHandle(t.Handle)
		set = append(set, d.cfg.Cookies.New(d.cfg.Cookies.Refresh, refresh, websession.Lifetime),
			d.cfg.Cookies.New(d.cfg.Cookies.Own(), own, websession.Lifetime))
	}
	return set
}

// HandleOf returns the browser's handle to its session, "" unless each of its two cookies has one value.
func (d *Door) HandleOf(r *http.Request) string {
	refresh, err := CookieValue(r, d.cfg.Cookies.Refresh)
	if err != nil {
		return ""
	}
	return websession.JoinHandle(refresh, d.ownOf(r))
}

func (d *Door) ownOf(r *http.Request) string {
	own, err := CookieValue(r, d.cfg.Cookies.Own())
	if err != nil {
		return ""
	}
	return own
}
