package workspace_test

import (
	"context"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/logging"
	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/odoo/odootest"
	"github.com/leadctl/leadctl/pkg/odoo/provision"
	"github.com/leadctl/leadctl/pkg/pgtest"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/secret"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/tenantid"
	"github.com/leadctl/leadctl/pkg/workspace"
)

// rig is one installation: a database, a fake Odoo server with a ledger, and the service under test.
type rig struct {
	*workspace.Service
	db     *pgtest.DB
	stand  *odootest.Server
	server *odoo.Server
}

var tester = tenant.By{Actor: "test", RequestID: "req-1"}

func newRig(t *testing.T) *rig {
	t.Helper()
	stand := odootest.New(odootest.Options{Master: "master"})
	web := httptest.NewServer(stand)
	t.Cleanup(web.Close)
	server, err := odoo.New(odoo.Options{BaseURL: web.URL, Timeout: 5 * time.Second})
	require.NoError(t, err)
	_, err = provision.PrepareTemplate(t.Context(), server,
		provision.Template{Name: "template", Master: "master", Secret: "template-admin"})
	require.NoError(t, err)
	keyset, err := secret.Generate()
	require.NoError(t, err)
	keys, err := secret.Parse(keyset)
	require.NoError(t, err)
	r := &rig{db: pgtest.New(t), stand: stand, server: server}
	r.Service = &workspace.Service{DB: r.db.App, Keys: keys, Odoo: r.provisioner(t), BaseURL: web.URL, Prefix: "t",
		Log: logging.Discard()}
	return r
}

// provisioner returns a provisioner without state, as in a new process.
func (r *rig) provisioner(t *testing.T) *provision.Provisioner {
	t.Helper()
	p, err := provision.NewProvisioner(r.server, provision.Provisioning{Installation: "test", Template: "template",
		Master: "master", TemplateSecret: "template-admin"})
	require.NoError(t, err)
	return p
}

// restarted returns the service of a new process.
func (r *rig) restarted(t *testing.T) *workspace.Service {
	t.Helper()
	again := *r.Service
	again.Odoo = r.provisioner(t)
	return &again
}

func (r *rig) inSystem(t *testing.T, fn func(context.Context, postgres.SystemTx) error) {
	t.Helper()
	require.NoError(t, r.DB.InSystem(t.Context(), "test", fn))
}

// tenant makes a tenant with an active workspace.
func (r *rig) tenant(t *testing.T, name string) (id tenantid.ID, w provision.Workspace) {
	t.Helper()
	r.inSystem(t, func(ctx context.Context, tx postgres.SystemTx) error {
		made, err := tenant.Create(ctx, tx, name, "", tenant.By{Actor: "rig"})
		id = made.ID
		return err
	})
	w, err := r.Prepare(t.Context(), id, tester)
	require.NoError(t, err)
	_, err = r.Odoo.EnsureDatabase(t.Context(), w)
	require.NoError(t, err)
	_, err = r.Odoo.EnsureServiceAccount(t.Context(), w)
	require.NoError(t, err)
	require.NoError(t, r.Activate(t.Context(), w))
	return id, w
}

func (r *rig) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	_, err := r.db.Owner.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
}

func one[T any](t *testing.T, r *rig, sql string, args ...any) (v T) {
	t.Helper()
	require.NoError(t, r.db.Owner.QueryRow(t.Context(), sql, args...).Scan(&v))
	return v
}

// opens reports whether Odoo accepts the secret for leadctl's account.
func (r *rig) opens(t *testing.T, database string, s odoo.Secret) bool {
	t.Helper()
	_, ok, err := r.server.Authenticate(t.Context(), database, odoo.ServiceLogin, s)
	require.NoError(t, err)
	return ok
}
