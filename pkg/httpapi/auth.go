package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/logging"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/sso"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

var errNoCredentials = errors.New("no credentials")

type identityKey struct{}
type principalKey struct{}

// identityOf is the verified caller of an Identity or Member route.
func identityOf(ctx context.Context) sso.Identity {
	id, _ := ctx.Value(identityKey{}).(sso.Identity)
	return id
}

// principalOf is the caller of a Member route, with tenant and roles.
func principalOf(ctx context.Context) tenant.Principal {
	p, _ := ctx.Value(principalKey{}).(tenant.Principal)
	return p
}

// guard runs before the route's handler and, for a refused request, instead of it.
func (s *Server) guard(api huma.API, route Route) func(huma.Context, func(huma.Context)) {
	return func(hc huma.Context, next func(huma.Context)) {
		if route.Guard == Open {
			next(hc)
			return
		}
		r, w := humago.Unwrap(hc)
		w.Header().Set("Cache-Control", "no-store")
		ctx, err := s.authenticate(w, r, route)
		if err == nil && route.Body {
			err = requireJSON(r)
		}
		if err != nil {
			problemOf(hc.Context(), err).write(w)
			return
		}
		next(huma.WithContext(hc, ctx))
	}
}

// authenticate puts who is calling into the context. The order is fixed: credentials, token, tenant, role.
func (s *Server) authenticate(w http.ResponseWriter, r *http.Request, route Route) (context.Context, error) {
	ctx := r.Context()
	raw, err := credentials(r, s.cfg.Cookie)
	if errors.Is(err, errNoCredentials) && s.cfg.DevBypass {
		return s.bypass(ctx, w, r, route)
	}
	if err != nil {
		return nil, err
	}
	who, err := s.verifier.Verify(ctx, raw)
	if err != nil {
		return nil, err
	}
	note(ctx, "", who.Subject)
	ctx = logging.With(context.WithValue(ctx, identityKey{}, who), slog.String("subject", who.Subject))
	if route.Guard == Identity {
		return ctx, nil
	}
	var p tenant.Principal
	err = s.db.InSystem(ctx, "resolve tenant", func(ctx context.Context, tx postgres.SystemTx) (err error) {
		p, err = tenant.Resolve(ctx, tx, who)
		return err
	})
	if err != nil {
		return nil, err
	}
	return admit(ctx, p, route)
}

func admit(ctx context.Context, p tenant.Principal, route Route) (context.Context, error) {
	note(ctx, p.Tenant.ID.String(), p.Identity.Subject)
	if !p.Has(route.Role) {
		return nil, fault.New(fault.Denied, "role %s or higher is needed", route.Role).WithCode("INSUFFICIENT_ROLE").
			WithHint("ask an admin of your tenant")
	}
	return logging.With(context.WithValue(ctx, principalKey{}, p), slog.String("tenant_id", p.Tenant.ID.String())), nil
}

// credentials finds the one token of a request: in the Authorization header or in the access cookie. The query, the body
// and other headers are never looked at.
func credentials(r *http.Request, cookie string) (string, error) {
	headers := r.Header.Values("Authorization")
	fromCookie := cookieToken(r, cookie)
	switch {
	case len(headers) > 1:
		return "", ambiguous("two Authorization headers")
	case len(headers) == 0 && fromCookie == "":
		return "", fault.New(fault.Unauthenticated, "no token: %w", errNoCredentials)
	case len(headers) == 0:
		return fromCookie, nil
	}
	scheme, token, ok := strings.Cut(headers[0], " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") || token == "" || strings.ContainsAny(token, " \t,") {
		return "", fault.New(fault.Unauthenticated, "Authorization header: not a bearer token")
	}
	if fromCookie != "" && fromCookie != token {
		return "", ambiguous("a bearer token and another one in the cookie")
	}
	return token, nil
}

func ambiguous(what string) error {
	return fault.New(fault.Invalid, "ambiguous credentials: %s", what).WithCode("invalid_request")
}

func cookieToken(r *http.Request, name string) string {
	if name == "" {
		return ""
	}
	c, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	return c.Value
}

// bypass is for development only; config refuses it everywhere else before the port opens. It believes X-Tenant-ID from a
// loopback peer that no proxy stands in front of, and says so in the answer.
func (s *Server) bypass(ctx context.Context, w http.ResponseWriter, r *http.Request, route Route) (context.Context, error) {
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() || r.Header.Get("X-Forwarded-For") != "" || r.Header.Get("Forwarded") != "" {
		return nil, fault.New(fault.Unauthenticated, "development bypass: not a direct loopback request")
	}
	id := s.cfg.DevTenant
	if asked := r.Header.Get("X-Tenant-ID"); asked != "" {
		id, _ = tenantid.Parse(asked)
	}
	if !id.Valid() {
		return nil, fault.New(fault.Unauthenticated, "development bypass: X-Tenant-ID names no tenant: %w", errNoCredentials)
	}
	w.Header().Set("X-Dev-Bypass", "1")
	p := tenant.Principal{Identity: sso.Identity{Subject: "dev-bypass", Email: "developer@localhost", EmailVerified: true}, Roles: []sso.Role{sso.Admin}}
	err := s.db.InSystem(ctx, "development bypass", func(ctx context.Context, tx postgres.SystemTx) (err error) {
		if p.Tenant, err = tenant.Find(ctx, tx, id.String()); fault.Is(err, fault.NotFound) {
			return fault.New(fault.Denied, "X-Tenant-ID names no tenant").WithCode("TENANT_INVALID")
		}
		return errors.Join(err, p.Tenant.Usable())
	})
	if err != nil {
		return nil, err
	}
	return admit(context.WithValue(ctx, identityKey{}, p.Identity), p, route)
}

// note tells the request's log line, which is written further out, who called.
func note(ctx context.Context, tenantID, subject string) {
	if c, ok := ctx.Value(callerKey{}).(*caller); ok {
		c.tenant, c.subject = tenantID, subject
	}
}
