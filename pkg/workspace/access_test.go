package workspace_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/jobs"
	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/tenantid"
	"github.com/leadctl/leadctl/pkg/workspace"
)

// activePeople returns the logins of people who can use the tenant's workspace.
func (r *rig) activePeople(t *testing.T, id tenantid.ID) []string {
	t.Helper()
	found, err := r.session(t, id).SearchRead(t.Context(), "res.users", odoo.Query{Fields: []string{"login"},
		Domain: odoo.Domain{odoo.Where("share", "=", false),
			odoo.Where("login", "like", "@acme.example")}})
	require.NoError(t, err)
	var logins []string
	for _, u := range found {
		logins = append(logins, u.Text("login"))
	}
	slices.Sort(logins)
	return logins
}

// TestAccessFollowsMembersAndStatus: removing a member and suspending a tenant end access to Odoo, adding and resuming
// give it back, and a user whom the tenant archived stays archived.
func TestAccessFollowsMembersAndStatus(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, w := r.tenant(t, "Acme")
	change := func(work func(context.Context, postgres.SystemTx) error) {
		t.Helper()
		r.inSystem(t, work)
	}
	var people []tenant.Member
	for _, email := range []string{"alice@acme.example", "bob@acme.example", "carol@acme.example"} {
		change(func(ctx context.Context, tx postgres.SystemTx) error {
			return tenant.AddMember(ctx, tx, id, email, []string{"ops"}, tester)
		})
		people = append(people, tenant.Member{TenantID: id, UserID: email})
	}
	_, err := r.EnsureUsers(t.Context(), w, people)
	require.NoError(t, err)
	s := r.session(t, id)
	carol, err := s.SearchRead(t.Context(), "res.users", odoo.Query{Fields: []string{"login"},
		Domain: odoo.Domain{odoo.Where("login", "=", "carol@acme.example")}})
	require.NoError(t, err)
	require.NoError(t, s.Write(t.Context(), "res.users", odoo.IDsOf(carol), odoo.Record{"active": false}, nil))

	sync := func(email string) {
		t.Helper()
		require.NoError(t, r.SyncAccess(t.Context(), id, email))
		require.NoError(t, r.SyncAccess(t.Context(), id, email), "repeated")
	}
	remove := func(ctx context.Context, tx postgres.SystemTx) error {
		_, err := tenant.RemoveMember(ctx, tx, id, "bob@acme.example", tester)
		return err
	}
	setStatus := func(status string) {
		t.Helper()
		change(func(ctx context.Context, tx postgres.SystemTx) error {
			_, err := tenant.SetStatus(ctx, tx, id, status, tester)
			return err
		})
	}
	require.Equal(t, []string{"alice@acme.example", "bob@acme.example"}, r.activePeople(t, id))
	change(remove)
	sync("Bob@acme.example ")
	require.Equal(t, []string{"alice@acme.example"}, r.activePeople(t, id))

	setStatus(tenant.Suspended)
	sync("")
	require.Empty(t, r.activePeople(t, id))
	setStatus(tenant.Active)
	sync("")
	require.Equal(t, []string{"alice@acme.example"}, r.activePeople(t, id), "bob is removed, carol archived by hand")

	change(func(ctx context.Context, tx postgres.SystemTx) error {
		return tenant.AddMember(ctx, tx, id, "bob@acme.example", []string{"ops"}, tester)
	})
	setStatus(tenant.Suspended)
	sync("bob@acme.example")
	require.NotContains(t, r.activePeople(t, id), "bob@acme.example")
	sync("")
	require.Empty(t, r.activePeople(t, id), "bob is a member of a suspended tenant")
	setStatus(tenant.Active)
	sync("")
	require.Equal(t, []string{"alice@acme.example", "bob@acme.example"}, r.activePeople(t, id))
}

// TestResumeMakesMissingAccounts: a member whose account was to be made when the tenant was suspended gets it when the
// tenant is resumed, and none before.
func TestResumeMakesMissingAccounts(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, _ := r.tenant(t, "Acme")
	setStatus := func(status string) {
		t.Helper()
		r.inSystem(t, func(ctx context.Context, tx postgres.SystemTx) error {
			_, err := tenant.SetStatus(ctx, tx, id, status, tester)
			return err
		})
	}
	r.inSystem(t, func(ctx context.Context, tx postgres.SystemTx) error {
		return tenant.AddMember(ctx, tx, id, "dan@acme.example", []string{"ops"}, tester)
	})
	setStatus(tenant.Suspended)
	job := &river.Job[workspace.UsersArgs]{JobRow: &rivertype.JobRow{ID: 1},
		Args: workspace.UsersArgs{Tenant: id, Subject: "dan"}}
	err := (&workspace.UsersWorker{Workspaces: r.Service}).Work(t.Context(), job)
	require.ErrorContains(t, err, "is suspended")
	require.NoError(t, r.SyncAccess(t.Context(), id, ""))
	require.Empty(t, r.activePeople(t, id))
	setStatus(tenant.Active)
	require.NoError(t, r.SyncAccess(t.Context(), id, ""))
	require.Equal(t, []string{"dan@acme.example"}, r.activePeople(t, id))
}

// TestAccessJob: the job is added only for a tenant with a workspace, and ends the access.
func TestAccessJob(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, w := r.tenant(t, "Acme")
	r.exec(t, `INSERT INTO tenants (name) VALUES ('No workspace')`)
	_, err := r.EnsureUsers(t.Context(), w, []tenant.Member{{TenantID: id, UserID: "bob@acme.example"}})
	require.NoError(t, err)
	workers := river.NewWorkers()
	river.AddWorker(workers, &workspace.AccessWorker{Workspaces: r.Service})
	client, err := jobs.New(t.Context(), r.DB, jobs.Options{Workers: workers})
	require.NoError(t, err)
	r.inSystem(t, func(ctx context.Context, tx postgres.SystemTx) error {
		for _, tenant := range []tenantid.ID{id, 2} {
			args := workspace.AccessArgs{Tenant: tenant, Email: "bob@acme.example"}
			if _, err := workspace.EnqueueAccess(ctx, tx, client, args); err != nil {
				return err
			}
		}
		return nil
	})
	require.Equal(t, 1, one[int](t, r, `SELECT count(*) FROM river.river_job`))
	require.NoError(t, client.Start(t.Context()))
	defer func() { require.NoError(t, client.Stop(context.WithoutCancel(t.Context()))) }()
	require.Eventually(t, func() bool { return len(r.activePeople(t, id)) == 0 }, 30*time.Second, 50*time.Millisecond)
}
