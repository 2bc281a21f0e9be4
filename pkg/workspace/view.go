package workspace

import (
	"context"
	"errors"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// View is what a tenant may know about its Odoo workspace. It has no secret: the tenant's database role cannot read
// one. A View with Tenant alone is a workspace that does not exist yet.
type View struct {
	Tenant   tenantid.ID
	BaseURL  string
	Database string
	Active   bool // the workspace passed its smoke test
}

// LoginURL returns the URL where a user signs in to the workspace, "" before it exists.
func (w View) LoginURL() string {
	if w.BaseURL == "" || w.Database == "" {
		return ""
	}
	return strings.TrimSuffix(w.BaseURL, "/") + "/web/login?db=" + url.QueryEscape(w.Database)
}

// ReadView reads the tenant's own view of its workspace.
func ReadView(ctx context.Context, tx postgres.TenantTx) (View, error) {
	w := View{Tenant: tx.Tenant()}
	err := tx.QueryRow(ctx,
		`SELECT coalesce(base_url, ''), coalesce(db_name, ''), active FROM odoo_connections WHERE tenant_id = $1`,
		tx.Tenant()).
		Scan(&w.BaseURL, &w.Database, &w.Active)
	if errors.Is(err, pgx.ErrNoRows) {
		return w, nil
	}
	return w, err
}

// OpenURL returns the URL that leads a person into the CRM's pipeline, "" before the workspace exists. Odoo's sign-in
// page leads on to the identity provider at once where leadctl has extended it (provision.EnsureProvider). The way
// leads through that page, because a browser must know its database before Odoo accepts the provider's answer.
func (w View) OpenURL() string {
	login := w.LoginURL()
	if login == "" {
		return ""
	}
	return login + "&leadctl=open&redirect=" + url.QueryEscape("/web#action=crm.crm_lead_action_pipeline")
}
