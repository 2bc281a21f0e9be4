package workspace_test

import (
	"context"
	"testing"

	"github.com/riverqueue/river"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/jobs"
	"github.com/leadctl/leadctl/pkg/odoo/crm"
	"github.com/leadctl/leadctl/pkg/odoo/provision"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/sso"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/workspace"
)

// requireRole checks that the person has exactly the groups of the role: a second change finds nothing to do.
func (r *rig) requireRole(t *testing.T, w provision.Workspace, email string, role crm.Role) {
	t.Helper()
	changed, err := r.Odoo.SetRole(t.Context(), w, email, role)
	require.NoError(t, err)
	require.False(t, changed, "%s has not the role %s", email, role)
}

// TestRightsInOdooFollowTheRole: an account gets the groups of the member's role, and follows `tenant user add` and the
// roles of a token. A token's roles come before the stored ones; one that names none is a viewer's.
func TestRightsInOdooFollowTheRole(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, w := r.tenant(t, "Acme")
	workers := river.NewWorkers()
	river.AddWorker(workers, &workspace.AccessWorker{Workspaces: r.Service})
	client, err := jobs.New(t.Context(), r.DB, jobs.Options{Workers: workers})
	require.NoError(t, err)
	const email = "bob@acme.example"
	who := sso.Identity{Issuer: "https://idp.example", Subject: "s-1", Email: email, EmailVerified: true}
	add := func(role string) {
		t.Helper()
		r.inSystem(t, func(ctx context.Context, tx postgres.SystemTx) error {
			return tenant.AddMember(ctx, tx, id, email, []string{role}, tester)
		})
	}
	signIn := func(roles []sso.Role, claimed bool) {
		t.Helper()
		who.Roles, who.RolesClaimPresent = roles, claimed
		r.inSystem(t, func(ctx context.Context, tx postgres.SystemTx) error {
			return workspace.NoteRoles(ctx, tx, client, id, who, tester)
		})
	}
	queued := func() int { return one[int](t, r, `SELECT count(*) FROM river.river_job WHERE kind = 'odoo_access'`) }

	add("ops")
	r.inSystem(t, func(ctx context.Context, tx postgres.SystemTx) error {
		return tenant.Join(ctx, tx, id, who, nil, tester)
	})
	_, err = r.EnsureUsers(t.Context(), w, []tenant.Member{{TenantID: id, UserID: email}})
	require.NoError(t, err)
	r.requireRole(t, w, email, crm.RoleOps)

	add("admin")
	require.NoError(t, r.SyncAccess(t.Context(), id, email))
	r.requireRole(t, w, email, crm.RoleAdmin)

	signIn(nil, false)
	require.Zero(t, queued(), "nothing changed")
	signIn([]sso.Role{sso.Viewer, sso.Ops}, true)
	require.Equal(t, 1, queued())
	signIn([]sso.Role{sso.Viewer, sso.Ops}, true)
	require.Equal(t, 1, queued(), "nothing changed")
	require.NoError(t, r.SyncAccess(t.Context(), id, email))
	r.requireRole(t, w, email, crm.RoleOps)
	require.Equal(t, 1, one[int](t, r, `SELECT count(*) FROM audit_log WHERE action = 'user.claimed_roles'`))

	signIn([]sso.Role{}, true)
	require.NoError(t, r.SyncAccess(t.Context(), id, email))
	r.requireRole(t, w, email, crm.RoleViewer)
	signIn(nil, false)
	require.NoError(t, r.SyncAccess(t.Context(), id, email))
	r.requireRole(t, w, email, crm.RoleAdmin)
}
