package web

import (
	"context"
	"net/http"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
)

// admission is how a caller of a Member route was admitted, for Recheck.
type admission struct {
	request    *http.Request
	browser    bool // the token belongs to a session, which may end
	fromCookie bool
	need       Need
}

type admissionKey struct{}

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
		if a.browser {
			if err := d.requireSignedIn(ctx, tx, a.request, before.Identity, a.fromCookie); err != nil {
				return err
			}
		}
		p, err := tenant.Resolve(ctx, tx, before.Identity, d.cfg.Membership)
		switch {
		case err != nil:
			return err
		case p.Tenant.ID != before.Tenant.ID:
			return fault.New(fault.Denied, "user of another tenant now").WithCode("TENANT_INVALID")
		case !p.Has(a.need.Role):
			return RoleNeeded(a.need.Role)
		}
		return nil
	})
}
