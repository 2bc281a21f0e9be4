package httpapi

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/session"
	"github.com/leadctl/leadctl/pkg/tenant"
)

// Cookies of a signed-in browser: names as existing clients know them.
type Cookies struct {
	Access  string // the ID token, until it expires
	Refresh string // a handle to the session
	Secure  bool
}

// login is the cookie from /auth/login to /auth/callback. Its name is nobody else's business, so over https it has the prefix
// by which browsers keep other hosts from planting one. The names of the other two are existing clients'.
func (c Cookies) login() string {
	if c.Secure {
		return "__Host-leadctl_login"
	}
	return "leadctl_login"
}

// cookie is HttpOnly, Lax and for the whole site: pages never read it, and foreign pages cannot post with it.
func (c Cookies) cookie(name, value string, age time.Duration) http.Cookie {
	seconds := max(int(age.Seconds()), 1) // 0 would leave the end to the browser
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
		Cookies: []http.Cookie{s.cfg.Cookies.cookie(s.cfg.Cookies.login(), browser, session.LoginWithin)}}, nil
}

type callbackIn struct {
	cookiesIn
	State       string `query:"state"`
	Code        string `query:"code"`
	Error       string `query:"error"`
	Description string `query:"error_description"`
}

// getCallback ends a sign-in with both cookies set.
func (s *Server) getCallback(ctx context.Context, in *callbackIn) (*redirectOut, error) {
	if err := s.signsIn(); err != nil {
		return nil, err
	}
	c := s.cfg.Cookies
	tokens, to, err := s.sessions.Finish(ctx, in.value(c.login()), in.value(c.Refresh), url.Values{"state": {in.State}, "code": {in.Code}, "error": {in.Error}, "error_description": {in.Description}})
	if err != nil {
		return nil, err
	}
	return &redirectOut{Status: http.StatusFound, Location: to, Cache: "no-store",
		Cookies: append(s.signedIn(tokens), c.cookie(c.login(), "", 0))}, nil
}

// signedIn sets the access cookie, and the refresh cookie where the browser has a new handle.
func (s *Server) signedIn(t session.Tokens) []http.Cookie {
	set := []http.Cookie{s.cfg.Cookies.cookie(s.cfg.Cookies.Access, t.ID, t.Expires.Sub(s.now()))}
	if t.Handle != "" {
		set = append(set, s.cfg.Cookies.cookie(s.cfg.Cookies.Refresh, t.Handle, session.Lifetime))
	}
	return set
}

// cookiesIn reads the cookies, whose names are configured, off the request itself. Its query is a strict one.
type cookiesIn struct{ request *http.Request }

// Resolve implements huma.Resolver.
func (c *cookiesIn) Resolve(hc huma.Context) []error {
	c.request, _ = humago.Unwrap(hc)
	return strictQuery{}.Resolve(hc)
}

// value is "" for a cookie that is not there, and for two different ones of that name: which of them is ours cannot be told.
func (c *cookiesIn) value(name string) string {
	value, err := cookieToken(c.request, name)
	if err != nil {
		return ""
	}
	return value
}

func (s *Server) postRefresh(ctx context.Context, in *cookiesIn) (*sessionOut, error) {
	if err := s.signsIn(); err != nil {
		return nil, err
	}
	handle := in.value(s.cfg.Cookies.Refresh)
	if err := s.holder(handle); err != nil {
		return nil, err
	}
	tokens, err := s.sessions.Refresh(ctx, handle)
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
	if err := s.holder(in.Body.IDToken); err != nil {
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

type logoutIn struct {
	cookiesIn
	Everywhere bool `query:"everywhere" doc:"End every session of the caller, on whatever machine"`
}

type logoutOut struct {
	Status    int
	Cookies   []http.Cookie `header:"Set-Cookie"`
	ClearSite string        `header:"Clear-Site-Data"`
	EndURL    string        `header:"X-End-Session-Url" doc:"The provider's page that ends the single sign-on too"`
}

// postLogout ends the session here at once, whatever the provider does, and names the page that ends it there.
func (s *Server) postLogout(ctx context.Context, in *logoutIn) (*logoutOut, error) {
	if err := s.signsIn(); err != nil {
		return nil, err
	}
	c := s.cfg.Cookies
	leave := s.sessions.End
	if in.Everywhere {
		leave = func(ctx context.Context, handle, token string) (string, error) {
			return s.sessions.EndAll(ctx, handle, token, tenant.By{RequestID: requestIDOf(ctx)})
		}
	}
	end, err := leave(ctx, in.value(c.Refresh), in.value(c.Access))
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
