package httpapi

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/logging"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/session"
	"github.com/leadctl/leadctl/pkg/sso"
	"github.com/leadctl/leadctl/pkg/tenant"
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

// byOf is the caller of an Identity or Member route, for the audit log.
func byOf(ctx context.Context) tenant.By {
	return tenant.By{Actor: identityOf(ctx).Subject, RequestID: requestIDOf(ctx)}
}

// guard runs before the route's handler and, for a refused request, instead of it.
func (s *Server) guard(api huma.API, route Route) func(huma.Context, func(huma.Context)) {
	return func(hc huma.Context, next func(huma.Context)) {
		visitOf(hc.Context()).route = route.Method + " " + route.Path
		r, w := humago.Unwrap(hc)
		if route.Guard == Open {
			if route.Body {
				if err := requireJSON(r); err != nil {
					problemOf(hc.Context(), err).write(w)
					return
				}
			}
			next(hc)
			return
		}
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
	raw, err := credentials(r, s.cfg.Cookies.Access)
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
	visitOf(ctx).subject = who.Subject
	ctx = logging.With(context.WithValue(ctx, identityKey{}, who), slog.String("subject", who.Subject))
	// An ID token is a browser's, in whatever header it comes; an access token in a header is its holder's own affair.
	browsers := len(r.Header.Values("Authorization")) == 0 || who.Kind == sso.KindID
	if route.Guard == Identity && !browsers {
		return ctx, nil
	}
	p, err := s.resolve(ctx, "resolve tenant", func(ctx context.Context, tx postgres.SystemTx) (tenant.Principal, error) {
		if browsers {
			if err := stillSignedIn(ctx, tx, raw, who); err != nil {
				return tenant.Principal{}, err
			}
		}
		if route.Guard == Identity {
			return tenant.Principal{Identity: who}, nil
		}
		return tenant.Resolve(ctx, tx, who)
	})
	if err != nil || route.Guard == Identity {
		return ctx, err
	}
	return admit(ctx, p, route)
}

// resolve asks the control plane for the caller's tenant, and not for longer than the caller may be kept.
func (s *Server) resolve(ctx context.Context, reason string, find func(context.Context, postgres.SystemTx) (tenant.Principal, error)) (p tenant.Principal, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var refusal error
	err = s.db.InSystem(ctx, reason, func(ctx context.Context, tx postgres.SystemTx) (err error) {
		if p, err = find(ctx, tx); !tenant.ClaimRefused(p.Identity, err) {
			return err
		}
		refusal = err // committed with its line in the audit log
		return tenant.RecordRefusal(ctx, tx, p, refusal, tenant.By{Actor: p.Identity.Subject, RequestID: requestIDOf(ctx)})
	})
	return p, cmp.Or(err, refusal)
}

func admit(ctx context.Context, p tenant.Principal, route Route) (context.Context, error) {
	visitOf(ctx).tenant, visitOf(ctx).subject = p.Tenant.ID.String(), p.Identity.Subject
	if route.Guard == Member && !p.Has(route.Role) {
		return nil, fault.New(fault.Denied, "role %s or higher is needed", route.Role).WithCode("INSUFFICIENT_ROLE").
			WithHint("ask an admin of your tenant")
	}
	return logging.With(context.WithValue(ctx, principalKey{}, p), slog.String("tenant_id", p.Tenant.ID.String())), nil
}

// credentials finds the one token of a request: in the Authorization header or in the access cookie. The query, the body
// and other headers are never looked at.
func credentials(r *http.Request, cookie string) (string, error) {
	headers := r.Header.Values("Authorization")
	fromCookie, err := cookieToken(r, cookie)
	switch {
	case err != nil:
		return "", err
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

// cookieToken is the value of the one cookie of that name, "" without one. Two different ones are as ambiguous as two headers:
// a sibling domain can plant a cookie beside ours.
func cookieToken(r *http.Request, name string) (token string, err error) {
	if name == "" {
		return "", nil
	}
	for _, c := range r.CookiesNamed(name) {
		if token != "" && c.Value != token {
			return "", ambiguous("two cookies " + name)
		}
		token = c.Value
	}
	return token, nil
}

// stillSignedIn refuses a token whose session has ended.
func stillSignedIn(ctx context.Context, tx postgres.SystemTx, token string, who sso.Identity) error {
	gone, err := session.Revoked(ctx, tx, token, who)
	if err == nil && gone {
		return fault.New(fault.Unauthenticated, "session: signed out")
	}
	return err
}
