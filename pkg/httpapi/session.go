package httpapi

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/session"
)

// Cookies of a signed-in browser: names as existing clients know them.
type Cookies struct {
	Access  string // the ID token, until it expires
	Refresh string // a handle to the session
	Secure  bool
}

const loginCookie = "leadctl_login" // from /auth/login to /auth/callback

// cookie is HttpOnly, Lax and for the whole site: pages never read it, and foreign pages cannot post with it.
func (c Cookies) cookie(name, value string, age time.Duration) http.Cookie {
	seconds := int(age.Seconds())
	if value == "" {
		seconds = -1
	}
	return http.Cookie{Name: name, Value: value, Path: "/", MaxAge: seconds, HttpOnly: true, Secure: c.Secure, SameSite: http.SameSiteLaxMode}
}

type redirectOut struct {
	Status   int
	Location string        `header:"Location"`
	Cache    string        `header:"Cache-Control"`
	Cookies  []http.Cookie `header:"Set-Cookie"`
}

type sessionOut struct {
	Cookies []http.Cookie `header:"Set-Cookie"`
	Cache   string        `header:"Cache-Control"`
	Body    struct {
		OK bool `json:"ok"`
	}
}

type loginIn struct {
	strictQuery
	ReturnTo string `query:"return_to" doc:"A path of this server, or a page of a configured origin"`
}

// getLogin sends the browser to the identity provider.
func (s *Server) getLogin(ctx context.Context, in *loginIn) (*redirectOut, error) {
	if err := s.signsIn(); err != nil {
		return nil, err
	}
	location, browser, err := s.sessions.Begin(ctx, in.ReturnTo)
	if err != nil {
		return nil, err
	}
	return &redirectOut{Status: http.StatusFound, Location: location, Cache: "no-store",
		Cookies: []http.Cookie{s.cfg.Cookies.cookie(loginCookie, browser, session.LoginWithin)}}, nil
}

type callbackIn struct {
	strictQuery
	State       string      `query:"state"`
	Code        string      `query:"code"`
	Error       string      `query:"error"`
	Description string      `query:"error_description"`
	Browser     http.Cookie `cookie:"leadctl_login"`
}

// getCallback ends a sign-in with both cookies set.
func (s *Server) getCallback(ctx context.Context, in *callbackIn) (*redirectOut, error) {
	if err := s.signsIn(); err != nil {
		return nil, err
	}
	tokens, to, err := s.sessions.Finish(ctx, in.Browser.Value, url.Values{"state": {in.State}, "code": {in.Code}, "error": {in.Error}, "error_description": {in.Description}})
	if err != nil {
		return nil, err
	}
	return &redirectOut{Status: http.StatusFound, Location: to, Cache: "no-store",
		Cookies: append(s.signedIn(tokens), s.cfg.Cookies.cookie(loginCookie, "", 0))}, nil
}

// signedIn sets the access cookie, and the refresh cookie where the browser has a new handle.
func (s *Server) signedIn(t session.Tokens) []http.Cookie {
	set := []http.Cookie{s.cfg.Cookies.cookie(s.cfg.Cookies.Access, t.ID, t.Expires.Sub(s.now()))}
	if t.Handle != "" {
		set = append(set, s.cfg.Cookies.cookie(s.cfg.Cookies.Refresh, t.Handle, session.Lifetime))
	}
	return set
}

// cookiesIn reads the cookies, whose names are configured, off the request itself.
type cookiesIn struct{ request huma.Context }

// Resolve implements huma.Resolver.
func (c *cookiesIn) Resolve(hc huma.Context) []error {
	c.request = hc
	return nil
}

func (c *cookiesIn) value(name string) string {
	found, err := huma.ReadCookie(c.request, name)
	if err != nil {
		return ""
	}
	return found.Value
}

func (s *Server) postRefresh(ctx context.Context, in *cookiesIn) (*sessionOut, error) {
	if err := s.signsIn(); err != nil {
		return nil, err
	}
	tokens, err := s.sessions.Refresh(ctx, in.value(s.cfg.Cookies.Refresh))
	if err != nil {
		return nil, err
	}
	return newSession(s.signedIn(tokens)), nil
}

type exchangeIn struct {
	Body struct {
		IDToken string `json:"id_token" maxLength:"16384"`
	}
}

func (s *Server) postExchange(ctx context.Context, in *exchangeIn) (*sessionOut, error) {
	if err := s.signsIn(); err != nil {
		return nil, err
	}
	tokens, err := s.sessions.Exchange(ctx, in.Body.IDToken)
	if err != nil {
		return nil, err
	}
	return newSession(s.signedIn(tokens)), nil
}

func newSession(cookies []http.Cookie) *sessionOut {
	out := &sessionOut{Cookies: cookies, Cache: "no-store"}
	out.Body.OK = true
	return out
}

type logoutOut struct {
	Status    int
	Cookies   []http.Cookie `header:"Set-Cookie"`
	ClearSite string        `header:"Clear-Site-Data"`
	EndURL    string        `header:"X-End-Session-Url" doc:"The provider's page that ends the single sign-on too"`
}

// postLogout ends the session here at once, whatever the provider does, and names the page that ends it there.
func (s *Server) postLogout(ctx context.Context, in *cookiesIn) (*logoutOut, error) {
	if err := s.signsIn(); err != nil {
		return nil, err
	}
	c := s.cfg.Cookies
	end, err := s.sessions.End(ctx, in.value(c.Refresh), in.value(c.Access))
	if err != nil {
		return nil, err
	}
	return &logoutOut{Status: http.StatusNoContent, EndURL: end, ClearSite: `"cache"`,
		Cookies: []http.Cookie{c.cookie(c.Access, "", 0), c.cookie(c.Refresh, "", 0)}}, nil
}

func (s *Server) signsIn() error {
	if s.sessions != nil {
		return nil
	}
	return fault.New(fault.NotFound, "browser sign-in is not configured").WithHint("set NEXIUS_CLIENT_ID and LEADCTL_API_PUBLIC_URL")
}
