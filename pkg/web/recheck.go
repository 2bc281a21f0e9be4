package web

import (
	"context"
	"net/http"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/sso"
	"github.com/leadctl/leadctl/pkg/tenant"
)

// admission is how a caller of a Member route or page was admitted, for later looks.
type admission struct {
	door       *Door
	request    *http.Request
	browser    bool // the token belongs to a session, which may end
	fromCookie bool
	role       sso.Role // least role
}

type admissionKey struct{}

// NeedRole returns a context for Recheck and ByOf that needs at least role, for a page that checks the role itself.
func NeedRole(ctx context.Context, role sso.Role) context.Context {
	a, ok := ctx.Value(admissionKey{}).(admission)
	if !ok {
		return ctx
	}
	a.role = role
	return context.WithValue(ctx, admissionKey{}, a)
}

// ByOf returns the caller of an Identity or Member route, or of a page, as the audit log names it. Its May admits the
// caller of a Member route again.
func ByOf(ctx context.Context) tenant.By {
	by := tenant.By{Actor: IdentityOf(ctx).Subject, RequestID: RequestIDOf(ctx)}
	if a, ok := ctx.Value(admissionKey{}).(admission); ok {
		before := PrincipalOf(ctx)
		by.May = func(ctx context.Context, tx postgres.SystemTx) error { return a.check(ctx, tx, before) }
	}
	return by
}

// Recheck reports whether the caller of ctx would still be admitted to its route and tenant: long answers call it while
// they go on. Faults are those of Authenticate. It does not look at the token's expiry. A developer without a token is
// not looked at again.
func (d *Door) Recheck(ctx context.Context) error {
	a, ok := ctx.Value(admissionKey{}).(admission)
	if !ok {
		return nil
	}
	before := PrincipalOf(ctx)
	return d.db.InSystem(ctx, "admit again", func(ctx context.Context, tx postgres.SystemTx) error {
		return a.check(ctx, tx, before)
	})
}

// check returns the fault with which the caller would be refused now.
func (a admission) check(ctx context.Context, tx postgres.SystemTx, before tenant.Principal) error {
	if a.browser {
		if err := a.door.requireSignedIn(ctx, tx, a.request, before.Identity, a.fromCookie); err != nil {
			return err
		}
	}
	p, err := tenant.Resolve(ctx, tx, before.Identity, a.door.cfg.Membership)
	switch {
	case err != nil:
		return err
	case p.Tenant.ID != before.Tenant.ID:
		return fault.New(fault.Denied, "user of another tenant now").WithCode("TENANT_INVALID")
	case !p.Has(a.role):
		return RoleNeeded(a.role)
	}
	return nil
}
