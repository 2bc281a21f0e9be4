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
	denied   error // why a signed-in visitor has no usable tenant; nil for members
}

func (v visitor) signedIn() bool { return v.Identity.Subject != "" }
func (v visitor) isMember() bool { return v.Tenant.ID.Valid() && v.denied == nil }
func (v visitor) hasOps() bool   { return v.isMember() && v.Has(sso.Ops) }

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
	case route.Guard == Member && v.denied != nil:
		return ctx, v, v.denied
	case route.Guard == Member && !v.Has(route.Role):
		return ctx, v, web.RoleNeeded(route.Role)
	}
	if route.Guard == Member {
		ctx = web.NeedRole(ctx, route.Role)
	}
	return ctx, v, nil
}

// readVisitor returns the caller. A caller without a usable tenant, or without a role in it, is a visitor with
// denied set, not an error.
func (c *Console) readVisitor(w http.ResponseWriter, r *http.Request) (context.Context, visitor, error) {
	ctx, p, err := c.deps.Door.Caller(w, r)
	if fault.Is(err, fault.Denied) && p.Identity.Subject != "" {
		v := visitor{Principal: tenant.Principal{Identity: p.Identity}, denied: err}
		v.operator = c.isOperator(v)
		return ctx, v, nil
	}
	if err != nil {
		return ctx, visitor{}, err
	}
	v := visitor{Principal: p}
	if !p.Has(sso.Viewer) {
		v.denied = web.RoleNeeded(sso.Viewer)
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

// answerError responds to a failed request. It redirects callers without a session to the sign-in page and users
// without a tenant to the setup page. For any other error it shows the problem as a page.
func (c *Console) answerError(w http.ResponseWriter, r *http.Request, v visitor, err error) {
	switch {
	case errors.Is(err, errHidden):
		c.showNotFound(w, r)
		return
	case fault.Is(err, fault.Unauthenticated):
		c.setSecurityHeaders(w)
		c.goTo(w, r, "/signin"+returnQuery(r))
		return
	case errors.Is(err, tenant.ErrNoTenant) && v.signedIn():
		c.setSecurityHeaders(w)
		c.goTo(w, r, "/setup")
		return
	}
	c.setSecurityHeaders(w)
	c.renderProblem(w, r, v, newProblemView(r, err))
}

// goTo redirects the browser to another page. htmx would insert the target into the current page, so it gets
// HX-Redirect instead.
func (c *Console) goTo(w http.ResponseWriter, r *http.Request, to string) {
	if r.Header.Get("HX-Request") != "" {
		w.Header().Set("HX-Redirect", to)
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusSeeOther)
}

// returnQuery returns the query with which the sign-in returns to this page. It is "" for a POST request and for a part
// of a page.
func returnQuery(r *http.Request) string {
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
	c.renderProblem(w, r, visitor{}, newProblemView(r, fault.New(fault.Internal, "panic")))
}
