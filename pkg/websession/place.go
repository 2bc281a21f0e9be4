package websession

import (
	"context"
	"net/url"
	"slices"
	"strings"
)

// SafeReturn returns the address to which a browser may go after signing in: to, if it is a path of this server or a
// page of a configured origin. It returns "/" for any other address, and for one that browsers could read in two ways.
func (m *Manager) SafeReturn(to string) string {
	const home = "/"
	isUnsafe := func(r rune) bool { return r <= ' ' || r == '\\' || r > 0x7e }
	if len(to) > 2048 || strings.ContainsFunc(to, isUnsafe) {
		return home
	}
	u, err := url.Parse(to)
	if err != nil || u.User != nil || u.Opaque != "" {
		return home
	}
	if u.Scheme == "" && u.Host == "" {
		if !isPlainPath(to, u) {
			return home
		}
		return to
	}
	if slices.Contains(m.cfg.Origins, u.Scheme+"://"+u.Host) {
		return to
	}
	return home
}

// isPlainPath reports whether to begins with one slash and contains nothing that a browser could read as a host: in
// plain form, escaped, or escaped more than once.
func isPlainPath(to string, u *url.URL) bool {
	decoded, err := url.PathUnescape(u.EscapedPath())
	return err == nil && strings.HasPrefix(to, "/") && !strings.HasPrefix(to, "//") &&
		!strings.HasPrefix(decoded, "//") &&
		!strings.ContainsAny(decoded, "\\\t\r\n%") && !strings.Contains(decoded, "..")
}

// Home returns the address of this server for browsers. Cookies and callbacks belong to its host.
func (m *Manager) Home() *url.URL {
	u, err := url.Parse(m.cfg.HomeURL)
	if err != nil {
		return &url.URL{Path: "/"}
	}
	return u
}

// endSessionURL returns the provider's sign-out page, "" if it has none. The hint is an ID token of the session to end;
// without one the provider asks the user to confirm.
func (m *Manager) endSessionURL(ctx context.Context, hint string) string {
	d, err := m.readProvider(ctx)
	if err != nil || d.EndSessionURL == "" {
		return ""
	}
	u, err := url.Parse(d.EndSessionURL)
	if err != nil {
		return ""
	}
	q := u.Query()
	q.Set("client_id", m.cfg.ClientID)
	q.Set("post_logout_redirect_uri", m.cfg.HomeURL)
	if hint != "" {
		q.Set("id_token_hint", hint)
	}
	u.RawQuery = q.Encode()
	return u.String()
}
