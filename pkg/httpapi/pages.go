package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/logging"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/sso"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// developerCookie holds the tenant that a developer without a token acts for. It counts where X-Tenant-ID would.
const developerCookie = "leadctl_dev_tenant"

// Mount puts pages for people, by mux pattern, behind everything that stands before the routes: request id, log, metrics,
// limits and cross-origin protection. They ask Caller who is there. To be called before Handler.
func (s *Server) Mount(pages map[string]http.Handler) { s.pages = pages }

func (s *Server) registerPages(mux *http.ServeMux) {
	for pattern, page := range s.pages {
		mux.Handle(pattern, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			visitOf(r.Context()).route = pattern
			page.ServeHTTP(w, r)
		}))
	}
}

// Caller tells who sends a page's request: by the session's cookies alone, since no bearer token opens a page. A session
// whose token has run out is refreshed on the way. Faults are those of the guarded routes; with one of kind Denied the
// identity is known all the same. The context carries the caller for the log.
func (s *Server) Caller(w http.ResponseWriter, r *http.Request) (context.Context, tenant.Principal, error) {
	ctx := r.Context()
	raw, err := cookieToken(r, s.cfg.Cookies.Access)
	if err != nil {
		return ctx, tenant.Principal{}, err
	}
	p := tenant.Principal{}
	if p.Identity, err = s.verifier.Verify(ctx, raw); fault.Is(err, fault.Unauthenticated) {
		raw, p.Identity, err = s.refreshed(w, r, err)
	}
	if fault.Is(err, fault.Unauthenticated) && s.cfg.DevBypass {
		return s.developing(ctx, r, err)
	}
	if err != nil {
		return ctx, p, err
	}
	who := p.Identity
	visitOf(ctx).subject = who.Subject
	p, err = s.resolve(ctx, "resolve tenant", func(ctx context.Context, tx postgres.SystemTx) (tenant.Principal, error) {
		if err := stillSignedIn(ctx, tx, raw, who); err != nil {
			return tenant.Principal{}, err
		}
		return tenant.Resolve(ctx, tx, who)
	})
	p.Identity = who
	return callerContext(ctx, p), p, err
}

// refreshed gets the browser a new token by its handle. Where there is none, cause stays the answer.
func (s *Server) refreshed(w http.ResponseWriter, r *http.Request, cause error) (raw string, who sso.Identity, err error) {
	handle, err := cookieToken(r, s.cfg.Cookies.Refresh)
	if err != nil || handle == "" || s.sessions == nil {
		return "", who, cause
	}
	if err := s.paces.renewals.take(s.source(r), s.now()); err != nil {
		return "", who, err
	}
	tokens, err := s.sessions.Refresh(r.Context(), handle)
	if err != nil {
		return "", who, err
	}
	for _, c := range s.signedIn(tokens) {
		http.SetCookie(w, &c)
	}
	return tokens.ID, tokens.Identity, nil
}

// developing is the bypass of a page: only for who has chosen a tenant on the sign-in page.
func (s *Server) developing(ctx context.Context, r *http.Request, cause error) (context.Context, tenant.Principal, error) {
	id := developerTenant(r)
	if !id.Valid() || !direct(r) {
		return ctx, tenant.Principal{}, cause
	}
	p, err := s.resolve(ctx, "development bypass", func(ctx context.Context, tx postgres.SystemTx) (tenant.Principal, error) {
		return developer(ctx, tx, id)
	})
	return callerContext(ctx, p), p, err
}

func developerTenant(r *http.Request) (id tenantid.ID) {
	if c, err := r.Cookie(developerCookie); err == nil {
		id, _ = tenantid.Parse(c.Value)
	}
	return id
}

func callerContext(ctx context.Context, p tenant.Principal) context.Context {
	visitOf(ctx).subject = p.Identity.Subject
	ctx = logging.With(ctx, slog.String("subject", p.Identity.Subject))
	if !p.Tenant.ID.Valid() {
		return ctx
	}
	visitOf(ctx).tenant = p.Tenant.ID.String()
	return logging.With(ctx, slog.String("tenant_id", p.Tenant.ID.String()))
}

// ActAs lets a developer's browser act for tenant id from now on. NotFound where the bypass is off.
func (s *Server) ActAs(w http.ResponseWriter, r *http.Request, id tenantid.ID) error {
	if !s.cfg.DevBypass || !direct(r) {
		return fault.New(fault.NotFound, "no such route")
	}
	c := s.cfg.Cookies.cookie(developerCookie, id.String(), 12*time.Hour)
	http.SetCookie(w, &c)
	return nil
}

// SignOut ends the browser's session here at once and names the provider's page that ends it there, "" without one.
func (s *Server) SignOut(w http.ResponseWriter, r *http.Request) (string, error) {
	end := ""
	if s.sessions != nil {
		access, _ := cookieToken(r, s.cfg.Cookies.Access)
		handle, _ := cookieToken(r, s.cfg.Cookies.Refresh)
		var err error
		if end, err = s.sessions.End(r.Context(), handle, access); err != nil {
			return "", err
		}
		if access == "" && handle == "" {
			end = ""
		}
	}
	for _, name := range []string{s.cfg.Cookies.Access, s.cfg.Cookies.Refresh, developerCookie} {
		c := s.cfg.Cookies.cookie(name, "", 0)
		http.SetCookie(w, &c)
	}
	w.Header().Set("Clear-Site-Data", `"cache"`)
	return end, nil
}
