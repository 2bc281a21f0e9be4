package httpapi

import (
	"cmp"
	"context"
	"net/http"
	"net/url"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/sso"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/web"
	"github.com/leadctl/leadctl/pkg/websession"
)

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
	cookiesIn
	ReturnTo string `query:"return_to" doc:"Page of the console, or URL of a configured origin"`
	Moved    bool   `query:"moved" doc:"Set by the redirect to the public address"`
}

// getLogin sends the browser to the identity provider.
func (s *Server) getLogin(ctx context.Context, in *loginIn) (*redirectOut, error) {
	if err := s.requireSignIn(); err != nil {
		return nil, err
	}
	if home := s.sessions.Home(); !in.Moved && isOtherLoopback(in.request.Host, home.Host) {
		query := in.request.URL.Query()
		query.Set("moved", "true")
		to := url.URL{Scheme: home.Scheme, Host: home.Host, Path: in.request.URL.Path, RawQuery: query.Encode()}
		return &redirectOut{Status: http.StatusFound, Location: to.String(), Cache: "no-store"}, nil
	}
	location, browser, err := s.sessions.Begin(ctx, s.pageToReturnTo(in.ReturnTo))
	if err != nil {
		return nil, err
	}
	return &redirectOut{Status: http.StatusFound, Location: location, Cache: "no-store",
		Cookies: []http.Cookie{s.door.Cookies().New(s.door.Cookies().Login(), browser, websession.LoginWithin)}}, nil
}

// isOtherLoopback reports whether the hosts are two names of this machine, such as 127.0.0.1 and localhost. A cookie of
// one does not reach the other, so a sign-in that began under the wrong name would not end. A proxy may change the
// name, so a browser is sent to the public one only once.
func isOtherLoopback(asked, public string) bool {
	a, b := (&url.URL{Host: asked}).Hostname(), (&url.URL{Host: public}).Hostname()
	return a != b && sso.IsLoopback(a) && sso.IsLoopback(b)
}

// postLogin answers clients that send a password, as the older backend wanted it.
func (s *Server) postLogin(ctx context.Context, _ *empty) (*huma.StreamResponse, error) {
	if err := s.requireSignIn(); err != nil {
		return nil, err
	}
	p := web.ProblemOf(ctx, fault.New(fault.Invalid, "passwords are not accepted here: open %s in a browser",
		s.sessions.Home().JoinPath("/auth/login")))
	p.WithStatus(http.StatusMethodNotAllowed, "method_not_allowed").GetHeaders().Set("Allow", "GET, HEAD")
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		_, w := humago.Unwrap(hc)
		p.Write(w)
	}}, nil
}

type callbackIn struct {
	cookiesIn
	Issuer      string `query:"iss"`
	State       string `query:"state"`
	Code        string `query:"code"`
	Error       string `query:"error"`
	Description string `query:"error_description"`
}

// getCallback completes a sign-in and sets both cookies.
func (s *Server) getCallback(ctx context.Context, in *callbackIn) (*redirectOut, error) {
	if err := s.requireSignIn(); err != nil {
		return nil, err
	}
	c := s.door.Cookies()
	tokens, to, err := s.sessions.Finish(ctx, in.cookieValue(c.Login()), s.door.HandleOf(in.request),
		in.request.URL.Query())
	if err != nil {
		return nil, err
	}
	return &redirectOut{Status: http.StatusFound, Location: to, Cache: "no-store",
		Cookies: append(s.door.SignedIn(tokens), c.New(c.Login(), "", 0))}, nil
}

// cookiesIn reads cookies from the request, because their names are configured. Its query is strict.
type cookiesIn struct{ request *http.Request }

// Resolve implements huma.Resolver.
func (c *cookiesIn) Resolve(hc huma.Context) []error {
	c.request, _ = humago.Unwrap(hc)
	return strictQuery{}.Resolve(hc)
}

// cookieValue returns "" for a missing cookie, and for two cookies of that name with different values: the server
// cannot know which one it set.
func (c *cookiesIn) cookieValue(name string) string {
	value, err := web.CookieValue(c.request, name)
	if err != nil {
		return ""
	}
	return value
}

func (s *Server) postRefresh(ctx context.Context, in *cookiesIn) (*sessionOut, error) {
	if err := s.requireSignIn(); err != nil {
		return nil, err
	}
	handle := s.door.HandleOf(in.request)
	if err := s.door.LimitByCredential(handle); err != nil {
		return nil, err
	}
	tokens, err := s.sessions.Refresh(ctx, handle)
	if err != nil {
		return nil, err
	}
	return newSession(s.door.SignedIn(tokens)), nil
}

type exchangeIn struct {
	Body struct {
		IDToken string `json:"id_token" maxLength:"16384"`
	}
}

func (s *Server) postExchange(ctx context.Context, in *exchangeIn) (*sessionOut, error) {
	if err := s.requireSignIn(); err != nil {
		return nil, err
	}
	if err := s.door.LimitByCredential(in.Body.IDToken); err != nil {
		return nil, err
	}
	tokens, err := s.sessions.Exchange(ctx, in.Body.IDToken)
	if err != nil {
		return nil, err
	}
	return newSession(s.door.SignedIn(tokens)), nil
}

func newSession(cookies []http.Cookie) *sessionOut {
	out := &sessionOut{Cookies: cookies, Cache: "no-store"}
	out.Body.OK = true
	return out
}

type logoutIn struct {
	cookiesIn
	Everywhere bool `query:"everywhere" doc:"End every session of the caller, on all devices"`
}

type logoutOut struct {
	Status    int
	Cookies   []http.Cookie `header:"Set-Cookie"`
	ClearSite string        `header:"Clear-Site-Data"`
	EndURL    string        `header:"X-End-Session-Url" doc:"Page of the provider that ends the single sign-on session"`
}

// postLogout ends the session in leadctl and returns the address of the provider's page that ends the session there.
func (s *Server) postLogout(ctx context.Context, in *logoutIn) (*logoutOut, error) {
	if err := s.requireSignIn(); err != nil {
		return nil, err
	}
	c := s.door.Cookies()
	leave := s.sessions.End
	if in.Everywhere {
		leave = func(ctx context.Context, handle, token string) (string, error) {
			return s.sessions.EndAll(ctx, handle, token, tenant.By{RequestID: web.RequestIDOf(ctx)})
		}
	}
	end, err := leave(ctx, s.door.HandleOf(in.request), in.cookieValue(c.Access))
	if err != nil {
		return nil, err
	}
	return &logoutOut{Status: http.StatusNoContent, EndURL: end, ClearSite: `"cache"`,
		Cookies: c.Ended()}, nil
}

// getLogout is postLogout for clients that send the browser to the sign-out page of their provider, which they take
// this server for. It leads on to the real one.
func (s *Server) getLogout(ctx context.Context, in *cookiesIn) (*redirectOut, error) {
	out, err := s.postLogout(ctx, &logoutIn{cookiesIn: *in})
	if err != nil {
		return nil, err
	}
	return &redirectOut{Status: http.StatusFound, Location: cmp.Or(out.EndURL, "/"), Cache: "no-store",
		Cookies: out.Cookies}, nil
}

func (s *Server) requireSignIn() error {
	if s.sessions != nil {
		return nil
	}
	return fault.New(fault.NotFound, "browser sign-in is not configured").WithHint(
		"set NEXIUS_CLIENT_ID and LEADCTL_API_PUBLIC_URL")
}
