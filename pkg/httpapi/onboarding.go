package httpapi

import (
	"context"
	"net/http"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/onboarding"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenantid"
	"github.com/leadctl/leadctl/pkg/web"
	"github.com/leadctl/leadctl/pkg/workspace"
)

type firstLoginOut struct {
	Status int
	Body   struct {
		Status string      `json:"status" enum:"provisioning,syncing,ready,error"`
		Tenant tenantid.ID `json:"tenant_id"`
		Error  *string     `json:"error"`
	}
}

// postFirstLogin answers 202 while the workspace is being made, and 200 when it is ready.
func (s *Server) postFirstLogin(ctx context.Context, _ *empty) (*firstLoginOut, error) {
	st, err := s.onboarding.FirstLogin(ctx, web.IdentityOf(ctx), web.ByOf(ctx))
	if err != nil {
		return nil, err
	}
	out := &firstLoginOut{Status: http.StatusAccepted}
	if st.Status == onboarding.Ready {
		out.Status = http.StatusOK
	}
	out.Body.Status, out.Body.Tenant, out.Body.Error = st.Status, st.Tenant, st.Error
	return out, nil
}

type statusOut struct {
	Body struct {
		Tenant tenantid.ID `json:"tenant_id"`
		Status string      `json:"status" enum:"provisioning,syncing,ready,error"`
		Step   *string     `json:"step"`
		Error  *string     `json:"error"`
	}
}

func (s *Server) getOnboardingStatus(ctx context.Context, _ *empty) (*statusOut, error) {
	st, err := s.readStatus(ctx)
	if err != nil {
		return nil, err
	}
	out := &statusOut{}
	out.Body.Tenant, out.Body.Status, out.Body.Step, out.Body.Error = st.Tenant, st.Status, st.Step, st.Error
	return out, nil
}

func (s *Server) readStatus(ctx context.Context) (st onboarding.Status, err error) {
	err = s.db.ReadTenant(ctx, web.PrincipalOf(ctx).Tenant.ID, func(ctx context.Context, tx postgres.TenantTx) error {
		st, err = onboarding.ReadStatus(ctx, tx)
		return err
	})
	return st, err
}

type tenantIn struct {
	ID string `path:"id" maxLength:"64"`
}

// errNoTenant is the answer for every tenant number that is not the caller's, existing or not.
var errNoTenant = fault.New(fault.NotFound, "no such tenant")

// getTenant shows the caller's own tenant, and no other.
func (s *Server) getTenant(ctx context.Context, in *tenantIn) (*statusOut, error) {
	if in.ID != web.PrincipalOf(ctx).Tenant.ID.String() {
		return nil, errNoTenant
	}
	return s.getOnboardingStatus(ctx, nil)
}

type verifyOut struct {
	Body struct {
		Tenant tenantid.ID `json:"tenant_id"`
		Exists bool        `json:"exists"`
		Smoke  bool        `json:"smoke"`
		Ready  bool        `json:"ready"`
		Error  *string     `json:"error"`
	}
}

// getVerifyOdoo reports the stored result of provisioning. It does not call Odoo, because clients poll it often.
func (s *Server) getVerifyOdoo(ctx context.Context, _ *empty) (*verifyOut, error) {
	w, st, err := s.readWorkspace(ctx)
	if err != nil {
		return nil, err
	}
	out := &verifyOut{}
	out.Body.Tenant, out.Body.Exists, out.Body.Smoke = w.Tenant, w.Database != "", w.Active
	out.Body.Ready, out.Body.Error = w.Active && st.Status == onboarding.Ready, st.Error
	return out, nil
}

type odooInfoOut struct {
	Body struct {
		Email  string      `json:"email"`
		Tenant tenantid.ID `json:"tenant_id"`
		Odoo   struct {
			Database string  `json:"db_name"`
			BaseURL  string  `json:"base_url"`
			Ready    bool    `json:"ready"`
			Error    *string `json:"error"`
			LoginURL string  `json:"login_url"`
		} `json:"odoo"`
	}
}

// getOdooInfo waits while the workspace is being made.
func (s *Server) getOdooInfo(ctx context.Context, _ *empty) (*odooInfoOut, error) {
	w, st, err := s.waitForWorkspace(ctx)
	if err != nil {
		return nil, err
	}
	out := &odooInfoOut{}
	out.Body.Email, out.Body.Tenant = web.PrincipalOf(ctx).Identity.Email, w.Tenant
	out.Body.Odoo.Database, out.Body.Odoo.BaseURL, out.Body.Odoo.LoginURL = w.Database, w.BaseURL, w.LoginURL()
	out.Body.Odoo.Ready, out.Body.Odoo.Error = w.Active && st.Status == onboarding.Ready, st.Error
	return out, nil
}

func (s *Server) readWorkspace(ctx context.Context) (w workspace.View, st onboarding.Status, err error) {
	err = s.db.ReadTenant(ctx, web.PrincipalOf(ctx).Tenant.ID, func(ctx context.Context, tx postgres.TenantTx) error {
		st, err = onboarding.ReadStatus(ctx, tx)
		// without an onboarding, the workspace is not ready
		if err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
		w, err = workspace.ReadView(ctx, tx)
		return err
	})
	return w, st, err
}

type whoamiOut struct {
	Body struct {
		Subject string      `json:"sub"`
		Email   string      `json:"email"`
		Tenant  tenantid.ID `json:"tenant_id"`
		Roles   []string    `json:"roles"`
	}
}

func (s *Server) getWhoami(ctx context.Context, _ *empty) (*whoamiOut, error) {
	p, out := web.PrincipalOf(ctx), &whoamiOut{}
	out.Body.Subject, out.Body.Email, out.Body.Tenant = p.Identity.Subject, p.Identity.Email, p.Tenant.ID
	out.Body.Roles = make([]string, len(p.Roles))
	for i, r := range p.Roles {
		out.Body.Roles[i] = string(r)
	}
	return out, nil
}
