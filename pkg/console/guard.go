package console

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/sso"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/web"
)

// visitor is the caller of a page. The zero visitor is not signed in.
type visitor struct {
	tenant.Principal
	operator bool
	trouble  error // why a signed-in visitor has no usable tenant; nil for members
}

func (v visitor) signedIn() bool { return v.Identity.Subject != "" }
func (v visitor) isMember() bool { return v.Tenant.ID.Valid() && v.trouble == nil }
func (v visitor) hasOps() bool   { return v.isMember() && v.Has(sso.Ops) }

// auditActor is the visitor, for the audit log.
func (v visitor) auditActor(r *http.Request) tenant.By {
	return tenant.By{Actor: v.Identity.Subject, RequestID: web.RequestIDOf(r.Context())}
}

var errHidden = fault.New(fault.NotFound, "no such route")

// guardRoute returns a handler that checks the route's guard, runs its action and answers every failure.
func (c *Console) guardRoute(route Route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer c.recoverPanic(w, r)
		ctx, v, err := c.checkGuard(w, r, route)
		r = r.WithContext(ctx)
		if err == nil {
			c.setSecurityHeaders(w)
			err = route.do(w, r, v)
		}
		if err != nil {
			c.answerError(w, r, v, err)
		}
	})
}

func (c *Console) checkGuard(w http.ResponseWriter, r *http.Request, route Route) (context.Context, visitor, error) {
	if route.Guard == Open || route.Guard == Developer {
		return r.Context(), visitor{}, nil
	}
	ctx, v, err := c.readVisitor(w, r)
	switch {
	case err != nil:
		return ctx, v, err
	case route.Guard == Operator && !v.operator:
		return ctx, visitor{}, errHidden
	case route.Guard == Member && v.trouble != nil:
		return ctx, v, v.trouble
	case route.Guard == Member && !v.Has(route.Role):
		return ctx, v, web.RoleNeeded(route.Role)
	}
	return ctx, v, nil
}

// readVisitor returns the caller. A caller without a usable tenant, or without a role in it, is a visitor with trouble,
// not an error.
func (c *Console) readVisitor(w http.ResponseWriter, r *http.Request) (context.Context, visitor, error) {
	ctx, p, err := c.deps.Door.Caller(w, r)
	if fault.Is(err, fault.Denied) && p.Identity.Subject != "" {
		v := visitor{Principal: tenant.Principal{Identity: p.Identity}, trouble: err}
		v.operator = c.isOperator(v)
		return ctx, v, nil
	}
	if err != nil {
		return ctx, visitor{}, err
	}
	v := visitor{Principal: p}
	if !p.Has(sso.Viewer) {
		v.trouble = web.RoleNeeded(sso.Viewer)
	}
	v.operator = c.isOperator(v)
	return ctx, v, nil
}

// isOperator reports whether the visitor may see the operations pages. By default no visitor may.
func (c *Console) isOperator(v visitor) bool {
	if c.cfg.OperatorRole != "" && (slices.Contains(v.Identity.OtherRoles, c.cfg.OperatorRole) ||
		slices.Contains(v.Identity.Roles, sso.Role(c.cfg.OperatorRole))) {
		return true
	}
	return c.cfg.OperatorTenant.Valid() && v.hasOps() && v.Tenant.ID == c.cfg.OperatorTenant
}

// answerError ends a request that cannot be answered: strangers go to the sign-in page, newcomers to the setup page,
// and everything else becomes a page that says what happened.
func (c *Console) answerError(w http.ResponseWriter, r *http.Request, v visitor, err error) {
	switch {
	case errors.Is(err, errHidden):
		c.showNotFound(w, r)
		return
	case fault.Is(err, fault.Unauthenticated):
		c.setSecurityHeaders(w)
		c.goTo(w, r, "/signin"+returnTo(r))
		return
	case errors.Is(err, tenant.ErrNoTenant) && v.signedIn():
		c.setSecurityHeaders(w)
		c.goTo(w, r, "/setup")
		return
	}
	c.setSecurityHeaders(w)
	c.showTrouble(w, r, v, troubleOf(r, err))
}

// goTo redirects; what htmx asked for would be swapped into the page, so it is told to leave the page instead.
func (c *Console) goTo(w http.ResponseWriter, r *http.Request, to string) {
	if r.Header.Get("HX-Request") != "" {
		w.Header().Set("HX-Redirect", to)
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusSeeOther)
}

// returnTo is the query that leads back here after signing in: to pages, not to what was posted to them or a part of
// one.
func returnTo(r *http.Request) string {
	if r.Method != http.MethodGet || r.URL.Path == "/" || r.Header.Get("HX-Request") != "" {
		return ""
	}
	return "?" + url.Values{"return_to": {r.URL.RequestURI()}}.Encode()
}

func (c *Console) recoverPanic(w http.ResponseWriter, r *http.Request) {
	v := recover()
	if v == nil {
		return
	}
	if v == http.ErrAbortHandler { //nolint:errorlint // compared as net/http itself does
		panic(v)
	}
	c.log.ErrorContext(r.Context(), "panic", "value", v, "stack", string(debug.Stack()))
	c.setSecurityHeaders(w)
	c.showTrouble(w, r, visitor{}, troubleOf(r, fault.New(fault.Internal, "panic")))
}
