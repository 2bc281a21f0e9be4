package web

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/logging"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/sso"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/websession"
)

var errNoCredentials = errors.New("no credentials")

type identityKey struct{}
type principalKey struct{}

// IdentityOf returns the verified caller of an Identity or Member route.
func IdentityOf(ctx context.Context) sso.Identity {
	id, _ := ctx.Value(identityKey{}).(sso.Identity)
	return id
}

// PrincipalOf returns the caller of a Member route, with tenant and roles.
func PrincipalOf(ctx context.Context) tenant.Principal {
	p, _ := ctx.Value(principalKey{}).(tenant.Principal)
	return p
}

// Authenticate puts the caller into the context. The order is fixed: credentials, token, tenant, role.
func (d *Door) Authenticate(w http.ResponseWriter, r *http.Request, need Need) (context.Context, error) {
	ctx := r.Context()
	raw, err := bearerOrCookie(r, d.cfg.Cookies.Access)
	if errors.Is(err, errNoCredentials) && d.cfg.DevBypass {
		return d.bypassToken(ctx, w, r, need)
	}
	if err != nil {
		return nil, err
	}
	fromCookie := len(r.Header.Values("Authorization")) == 0
	who, err := d.verifyToken(ctx, raw, fromCookie)
	if err != nil {
		return nil, err
	}
	visitOf(ctx).subject = who.Subject
	ctx = logging.With(context.WithValue(ctx, identityKey{}, who), slog.String("subject", who.Subject))
	// Only a token that says so is an access token, which has no session. Every other one can be a session's, even in a
	// header: some refreshed ID tokens do not state their kind.
	browsers := fromCookie || who.Kind != sso.KindAccess
	if need.Guard == Identity && !browsers {
		return ctx, nil
	}
	find := func(ctx context.Context, tx postgres.SystemTx) (tenant.Principal, error) {
		if browsers {
			if err := d.requireSignedIn(ctx, tx, r, who, fromCookie); err != nil {
				return tenant.Principal{}, err
			}
		}
		if need.Guard == Identity {
			return tenant.Principal{Identity: who}, nil
		}
		return tenant.Resolve(ctx, tx, who, d.cfg.Membership)
	}
	p, err := d.resolvePrincipal(ctx, "resolve tenant", find)
	if err != nil || need.Guard == Identity {
		return ctx, err
	}
	ctx = context.WithValue(ctx, admissionKey{}, admission{d, r, browsers, fromCookie, need.Role})
	return checkNeed(ctx, p, need)
}

// resolvePrincipal returns the caller and the caller's tenant, as find reads them, within Patience.
func (d *Door) resolvePrincipal(ctx context.Context, reason string,
	find func(context.Context, postgres.SystemTx) (tenant.Principal, error)) (p tenant.Principal, err error) {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	var refusal error
	err = d.db.InSystem(ctx, reason, func(ctx context.Context, tx postgres.SystemTx) (err error) {
		if p, err = find(ctx, tx); !tenant.ClaimRefused(p.Identity, err) {
			return err
		}
		refusal = err // the transaction commits the refusal's line in the audit log
		return tenant.RecordRefusal(ctx, tx, p, refusal,
			tenant.By{Actor: p.Identity.Subject, RequestID: RequestIDOf(ctx)})
	})
	return p, cmp.Or(err, refusal)
}

// RoleNeeded returns the refusal of a caller whose role is too low.
func RoleNeeded(role sso.Role) error {
	return fault.New(fault.Denied, "role %s or higher is needed", role).WithCode("INSUFFICIENT_ROLE").
		WithHint("ask an admin of your tenant")
}

func checkNeed(ctx context.Context, p tenant.Principal, need Need) (context.Context, error) {
	visitOf(ctx).tenant, visitOf(ctx).subject = p.Tenant.ID.String(), p.Identity.Subject
	if need.Guard == Member && !p.Has(need.Role) {
		return nil, RoleNeeded(need.Role)
	}
	return logging.With(context.WithValue(ctx, principalKey{}, p), slog.String("tenant_id", p.Tenant.ID.String())), nil
}

// bearerOrCookie returns the one token of a request, from the Authorization header or the access cookie. It never reads
// the query, the body or other headers.
func bearerOrCookie(r *http.Request, cookie string) (string, error) {
	headers := r.Header.Values("Authorization")
	fromCookie, err := CookieValue(r, cookie)
	switch {
	case err != nil:
		return "", err
	case len(headers) > 1:
		return "", ambiguousCredentials("two Authorization headers")
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
		return "", ambiguousCredentials("a bearer token and another one in the cookie")
	}
	return token, nil
}

func ambiguousCredentials(what string) error {
	return fault.New(fault.Invalid, "ambiguous credentials: %s", what).WithCode("invalid_request")
}

// CookieValue returns the value of the cookie with that name, "" without one. Two different values are Invalid, as two
// headers are: a sibling domain can plant a second cookie.
func CookieValue(r *http.Request, name string) (token string, err error) {
	if name == "" {
		return "", nil
	}
	for _, c := range r.CookiesNamed(name) {
		if token != "" && c.Value != token {
			return "", ambiguousCredentials("two cookies " + name)
		}
		token = c.Value
	}
	return token, nil
}

// verifyToken verifies a request's token. A cookie's token can count longer than its exp.
func (d *Door) verifyToken(ctx context.Context, raw string, fromCookie bool) (sso.Identity, error) {
	who, err := d.verifier.Verify(ctx, raw)
	if fromCookie && d.sessions != nil && fault.Is(err, fault.Unauthenticated) {
		return d.sessions.VerifyExtended(ctx, raw, err)
	}
	return who, err
}

// requireSignedIn refuses a token that a sign-out revoked, and a cookie's token without the session's own cookie: a
// sibling domain may have planted it. Where browsers cannot sign in, no browser has that cookie.
func (d *Door) requireSignedIn(ctx context.Context, tx postgres.SystemTx, r *http.Request, who sso.Identity,
	fromCookie bool) error {
	revoked, owned, err := websession.StandingOf(ctx, tx, who, d.ownOf(r))
	switch {
	case err != nil:
		return err
	case revoked:
		return fault.New(fault.Unauthenticated, "session: signed out")
	case fromCookie && !owned && d.sessions != nil:
		return fault.New(fault.Unauthenticated, "session: cookie %s does not belong to cookie %s", d.cfg.Cookies.Own(),
			d.cfg.Cookies.Access)
	}
	return nil
}
