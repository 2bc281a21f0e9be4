package workspace_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/odoo/odootest"
	"github.com/leadctl/leadctl/pkg/odoo/provision"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/workspace"
)

// Smoke stores the result of a passed and of a failed test, without text from Odoo. A workspace that fails stays
// active.
func TestSmokeStoresItsResult(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, w := r.tenant(t, "Acme")
	latest := func() (found *workspace.Smoke) {
		r.inSystem(t, func(ctx context.Context, tx postgres.SystemTx) (err error) {
			found, err = workspace.LatestSmoke(ctx, tx, id)
			return err
		})
		return found
	}
	require.Nil(t, latest(), "never tested")

	checks, err := r.Smoke(t.Context(), w)
	require.NoError(t, err)
	first := latest()
	require.True(t, first.Passed)
	require.Len(t, first.Checks, len(checks))
	require.Positive(t, first.Checks[0].Millis)

	r.stand.Inject(odootest.Fault{Op: "res.partner.unlink", Do: odootest.Refuse, Code: 2,
		Text: "CANARY of an upstream"})
	_, err = r.Smoke(t.Context(), w)
	require.Error(t, err)
	r.stand.Heal()
	failed := latest()
	require.False(t, failed.Passed)
	require.True(t, failed.At.After(first.At))
	last := failed.Checks[len(failed.Checks)-1]
	require.Equal(t, "delete", last.Check)
	require.NotEmpty(t, last.Error)
	require.NotContains(t, last.Error, "CANARY")
	require.True(t, one[bool](t, r, `SELECT active FROM odoo_connections WHERE tenant_id = $1`, id))

	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = r.Smoke(gone, w)
	require.Error(t, err)
	require.True(t, latest().At.After(failed.At), "stored although the caller was cancelled")
}

// auth_type is "password" where Odoo makes the database, and "api_key" where leadctl makes it in PostgreSQL.
func TestAuthType(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, _ := r.tenant(t, "Acme")
	require.Equal(t, "password", one[string](t, r, `SELECT auth_type FROM odoo_connections WHERE tenant_id = $1`, id))
	with, err := provision.NewProvisioner(r.server, provision.Provisioning{Installation: "test",
		Template: "template", ClusterDSN: "postgres://user@localhost:1/none"})
	require.NoError(t, err)
	require.Equal(t, "api_key", with.AuthType())
}
