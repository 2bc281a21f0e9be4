package workspace_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/workspace"
)

func (r *rig) exists(t *testing.T, database string) bool {
	t.Helper()
	there, err := r.server.Databases("master").Exists(t.Context(), database)
	require.NoError(t, err)
	return there
}

func TestCloseKeepsArchivesOrDrops(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	kept, w := r.tenant(t, "Kept")
	_, err := r.Close(t.Context(), kept, workspace.Keep, tester)
	require.NoError(t, err)
	require.True(t, r.exists(t, w.Database))

	archived, w := r.tenant(t, "Archived")
	done, err := r.Close(t.Context(), archived, workspace.Archive, tester)
	require.NoError(t, err)
	require.Regexp(t, `^`+w.Database+`__\d{8}$`, done.ArchivedAs)
	require.False(t, r.exists(t, w.Database))
	require.True(t, r.exists(t, done.ArchivedAs))
	again, err := r.Close(t.Context(), archived, workspace.Archive, tester)
	require.NoError(t, err)
	require.Empty(t, again.ArchivedAs, "already archived")

	dropped, w := r.tenant(t, "Dropped")
	for _, want := range []bool{true, false} {
		done, err := r.Close(t.Context(), dropped, workspace.Drop, tester)
		require.NoError(t, err)
		require.Equal(t, want, done.Dropped)
		require.False(t, r.exists(t, w.Database))
	}
	_, err = r.Close(t.Context(), dropped, "burn", tester)
	require.True(t, fault.Is(err, fault.Invalid))
	require.Equal(t, 3, one[int](t, r, `SELECT count(*) FROM tenants WHERE status = 'deleted'`))
	require.Equal(t, 3, one[int](t, r, `SELECT count(*) FROM audit_log WHERE action = 'tenant.deleted'`),
		"each tenant is closed once")
}

// Close neither archives nor drops a database that has the workspace's name but not leadctl's marker.
func TestCloseKeepsADatabaseWithoutMarker(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, w := r.tenant(t, "Acme")
	_, other := r.tenant(t, "Other")
	_, err := r.Odoo.DropDatabase(t.Context(), w)
	require.NoError(t, err)
	require.NoError(t, r.server.Databases("master").Duplicate(t.Context(), other.Database, w.Database))
	for _, fate := range []workspace.Fate{workspace.Archive, workspace.Drop} {
		_, err := r.Close(t.Context(), id, fate, tester)
		require.Equal(t, odoo.CodeForeign, fault.Code(err), "%s: %v", fate, err)
		require.True(t, r.exists(t, w.Database))
	}
	require.Equal(t, "deleted", one[string](t, r, `SELECT status FROM tenants WHERE tenant_id = $1`, id),
		"the tenant is closed nevertheless")
}
