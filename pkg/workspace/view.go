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

// View is what a tenant may know about its Odoo workspace: no secret is in it, and the tenant's role cannot read one.
// The zero value, but for Tenant, is a workspace that does not exist yet.
type View struct {
	Tenant   tenantid.ID
	BaseURL  string
	Database string
	Active   bool // it passed its smoke test
}

// LoginURL is where a user opens the workspace, "" before it exists.
func (w View) LoginURL() string {
	if w.BaseURL == "" || w.Database == "" {
		return ""
	}
	return strings.TrimSuffix(w.BaseURL, "/") + "/web/login?db=" + url.QueryEscape(w.Database)
}

// ReadView is the tenant's own view of its workspace.
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
