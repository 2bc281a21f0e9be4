package console

import (
	"context"
	"errors"
	"net/http"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/onboarding"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/workspace"
)

// refused is the page for a person whom Odoo refused. Odoo's sign-in page leads there.
type refused struct {
	Email     string
	Denied    *problemView // why leadctl refuses the person, too; nil for a user of a tenant
	Tenant    string
	Ready     bool // the tenant's workspace is ready
	Workspace workspace.View
}

// Heading returns the title of the page.
func (p refused) Heading() string {
	if p.Denied != nil {
		return p.Denied.Heading()
	}
	return "Odoo refused your sign-in"
}

// getRefused says why Odoo refused the visitor, as far as leadctl knows. Odoo does not name the workspace, so it may be
// that of another company.
func (c *Console) getRefused(w http.ResponseWriter, r *http.Request, v visitor) error {
	p, status := refused{Email: newHeaderUser(v).Email, Tenant: v.Tenant.Name}, http.StatusOK
	if v.denied != nil {
		status = http.StatusForbidden
	}
	switch {
	case errors.Is(v.denied, tenant.ErrNoTenant):
		view := newProblemView(r, fault.New(fault.Denied, "this account is not a user of a company in leadctl").
			WithCode("MEMBERSHIP_REQUIRED").WithHint("ask your administrator for an invitation to this address"))
		p.Denied = &view
	case v.denied != nil:
		view := newProblemView(r, v.denied)
		p.Denied = &view
	default:
		if err := c.readRefused(r.Context(), v, &p); err != nil {
			return err
		}
	}
	return c.renderPage(w, r, v, "refused", page{Title: p.Heading(), Status: status, Body: p})
}

func (c *Console) readRefused(ctx context.Context, v visitor, p *refused) error {
	return c.deps.DB.ReadTenant(ctx, v.Tenant.ID, func(ctx context.Context, tx postgres.TenantTx) error {
		st, err := onboarding.ReadStatus(ctx, tx)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
		p.Ready = st.Status == onboarding.Ready
		p.Workspace, err = workspace.ReadView(ctx, tx)
		return err
	})
}
