package web

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/logging"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/sso"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// developerCookie holds the tenant that a developer without a token acts for, as X-Tenant-ID does in other requests.
const developerCookie = "leadctl_dev_tenant"

// Caller returns who sends a page's request. It reads only the session's cookies: no bearer token opens a page. It
// refreshes a session whose ID token has expired. Faults are those of the guarded routes; with Denied it returns the
// identity too. The context carries the caller for the log.
func (d *Door) Caller(w http.ResponseWriter, r *http.Request) (context.Context, tenant.Principal, error) {
	ctx := r.Context()
	raw, err := CookieValue(r, d.cfg.Cookies.Access)
	if err != nil {
		return ctx, tenant.Principal{}, err
	}
	p := tenant.Principal{}
	if p.Identity, err = d.verifyToken(ctx, raw, true); fault.Is(err, fault.Unauthenticated) {
		p.Identity, err = d.refreshCookies(w, r, err)
	}
	if fault.Is(err, fault.Unauthenticated) && d.cfg.DevBypass && !d.hasSessionCookie(r) {
		return d.bypassPage(ctx, r, err)
	}
	if err != nil {
		return ctx, p, err
	}
	who := p.Identity
	visitOf(ctx).subject = who.Subject
	find := func(ctx context.Context, tx postgres.SystemTx) (tenant.Principal, error) {
		if err := d.requireSignedIn(ctx, tx, r, who, true); err != nil {
			return tenant.Principal{}, err
		}
		return tenant.Resolve(ctx, tx, who, d.cfg.Membership)
	}
	p, err = d.resolvePrincipal(ctx, "resolve tenant", find)
	p.Identity = who
	ctx = context.WithValue(ctx, admissionKey{}, admission{d, r, true, true, sso.Viewer})
	return withCaller(ctx, p), p, err
}

// refreshCookies gives the browser a new token for its handle. Without a handle it returns cause.
func (d *Door) refreshCookies(w http.ResponseWriter, r *http.Request, cause error) (sso.Identity, error) {
	handle := d.HandleOf(r)
	if handle == "" || d.sessions == nil {
		return sso.Identity{}, cause
	}
	if err := d.Renewals.Take(d.SourceOf(r), d.now()); err != nil {
		return sso.Identity{}, err
	}
	tokens, err := d.sessions.Refresh(r.Context(), handle)
	if err != nil {
		return sso.Identity{}, err
	}
	for _, c := range d.SignedIn(tokens) {
		http.SetCookie(w, &c)
	}
	return tokens.Identity, nil
}

// hasSessionCookie reports whether the browser sent a cookie of a session, valid or not.
func (d *Door) hasSessionCookie(r *http.Request) bool {
	return slices.ContainsFunc(d.cfg.Cookies.names(), func(name string) bool { return len(r.CookiesNamed(name)) > 0 })
}

// bypassPage is the development bypass of a page, for a developer who chose a tenant on the sign-in page.
func (d *Door) bypassPage(ctx context.Context, r *http.Request, cause error) (context.Context, tenant.Principal,
	error) {
	id := developerTenantOf(r)
	if !id.Valid() || !isDirect(r) {
		return ctx, tenant.Principal{}, cause
	}
	p, err := d.resolvePrincipal(ctx, "development bypass",
		func(ctx context.Context, tx postgres.SystemTx) (tenant.Principal, error) {
			return developerOf(ctx, tx, id)
		})
	return withCaller(ctx, p), p, err
}

func developerTenantOf(r *http.Request) (id tenantid.ID) {
	if c, err := r.Cookie(developerCookie); err == nil {
		id, _ = tenantid.Parse(c.Value)
	}
	return id
}

func withCaller(ctx context.Context, p tenant.Principal) context.Context {
	visitOf(ctx).subject = p.Identity.Subject
	ctx = context.WithValue(ctx, identityKey{}, p.Identity)
	ctx = logging.With(ctx, slog.String("subject", p.Identity.Subject))
	if !p.Tenant.ID.Valid() {
		return ctx
	}
	visitOf(ctx).tenant = p.Tenant.ID.String()
	return logging.With(context.WithValue(ctx, principalKey{}, p), slog.String("tenant_id", p.Tenant.ID.String()))
}

// ActAs lets a developer's browser act for tenant id from now on. NotFound if the bypass is off.
func (d *Door) ActAs(w http.ResponseWriter, r *http.Request, id tenantid.ID) error {
	if !d.cfg.DevBypass || !isDirect(r) {
		return fault.New(fault.NotFound, "no such route")
	}
	// The bypass is for browsers without a session.
	for _, c := range append(d.cfg.Cookies.Ended(), d.cfg.Cookies.New(developerCookie, id.String(), 12*time.Hour)) {
		http.SetCookie(w, &c)
	}
	return nil
}

// SignOut ends the browser's session at once. It returns the provider's page that ends the session there, "" without
// one.
func (d *Door) SignOut(w http.ResponseWriter, r *http.Request) (string, error) {
	end := ""
	if d.sessions != nil {
		access, _ := CookieValue(r, d.cfg.Cookies.Access)
		handle := d.HandleOf(r)
		var err error
		if end, err = d.sessions.End(r.Context(), handle, access); err != nil {
			return "", err
		}
		if access == "" && handle == "" {
			end = ""
		}
	}
	for _, c := range append(d.cfg.Cookies.Ended(), d.cfg.Cookies.New(developerCookie, "", 0)) {
		http.SetCookie(w, &c)
	}
	w.Header().Set("Clear-Site-Data", `"cache"`)
	return end, nil
}
