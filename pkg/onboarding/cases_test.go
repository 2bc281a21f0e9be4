package onboarding_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/odoo/odootest"
	"github.com/leadctl/leadctl/pkg/onboarding"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/tenantid"
	"github.com/leadctl/leadctl/pkg/workspace"
)

// In each of these cases watched also checks D-014.
func TestCasesOfFailingOdoo(t *testing.T) {
	t.Parallel()
	t.Run("D-007", odooDownThenBack)
	t.Run("D-008", oneTenantsOdooHangs)
	t.Run("D-011", answersLostAnywhere)
	t.Run("D-013", refusedAtAnyStep)
	t.Run("D-014", polledThroughout)
	t.Run("B-057", connectionDeletedMidJob)
	t.Run("B-061", deletedAndMadeAgain)
}

// watched polls a tenant's status until the caller calls end: D-014. It checks that reading never fails, that the
// status only goes forward (or to error, and from there to provisioning), and that a ready tenant has all steps done.
func (r *rig) watched(t *testing.T, id tenantid.ID) (end func()) {
	t.Helper()
	stop, done, last, polls := make(chan struct{}), make(chan struct{}), "", 0
	order := []string{onboarding.Provisioning, onboarding.Syncing, onboarding.Ready}
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
			err := r.DB.ReadTenant(context.Background(), id, func(ctx context.Context, tx postgres.TenantTx) error {
				snap, err := onboarding.ReadSnapshot(ctx, tx)
				if err != nil {
					return err
				}
				w, err := workspace.ReadView(ctx, tx)
				back := slices.Index(order, snap.Status) < slices.Index(order, last)
				assert.False(t, back && last != onboarding.Failed && snap.Status != onboarding.Failed,
					"from %s back to %s", last, snap.Status)
				if snap.Status == onboarding.Ready {
					assert.True(t, w.Active, "ready before the smoke test")
					assert.False(t, slices.ContainsFunc(snap.Steps,
						func(s onboarding.Step) bool { return s.State != onboarding.StepDone }),
						"ready before the last step: %+v", snap.Steps)
				}
				last = snap.Status
				r.seen.Store(id, last)
				return err
			})
			assert.NoError(t, err)
			polls++
		}
	}()
	return func() {
		close(stop)
		<-done
		assert.Positive(t, polls)
	}
}

// firstLogin signs the person name in and watches their tenant until the end of the test.
func (r *rig) firstLogin(t *testing.T, name string) tenantid.ID {
	t.Helper()
	st, err := r.FirstLogin(t.Context(), person(name, name+"@acme.example"), tester)
	require.NoError(t, err)
	t.Cleanup(r.watched(t, st.Tenant))
	return st.Tenant
}

// odooDownThenBack: a sign-in succeeds, the status has the error, and the job recovers without an operator.
func odooDownThenBack(t *testing.T) {
	t.Parallel()
	r := newRig(t, onboarding.Policy{Mode: onboarding.PolicyOpen})
	r.odoo.Inject(odootest.Fault{Op: "*", Do: odootest.Reset})
	r.start(t)
	id := r.firstLogin(t, "alice")
	r.awaitCount(t, 1, `SELECT count(*) FROM onboarding_status
		WHERE status = 'provisioning' AND error IS NOT NULL AND attempt >= 2`)
	st, _ := r.status(t, id)
	require.NotContains(t, *st.Error, "127.0.0.1", "the error has no address")
	r.odoo.Heal()
	done, _ := r.await(t, id, onboarding.Ready)
	require.Nil(t, done.Error)
	require.Equal(t, 1, r.workspaces())
}

// oneTenantsOdooHangs: the workspaces of other tenants are made meanwhile.
func oneTenantsOdooHangs(t *testing.T) {
	t.Parallel()
	r := newRig(t, onboarding.Policy{Mode: onboarding.PolicyOpen})
	r.odoo.Inject(odootest.Fault{Op: "res.users.create", Database: "t_t1", Times: 3, Do: odootest.Hang})
	r.start(t)
	slow := r.firstLogin(t, "slow")
	r.awaitCount(t, 1, `SELECT count(*) FROM onboarding_steps WHERE step = 'odoo_user' AND state = 'running'`)
	for _, name := range []string{"bob", "carol", "dave"} {
		r.await(t, r.firstLogin(t, name), onboarding.Ready)
	}
	st, _ := r.status(t, slow)
	require.Equal(t, onboarding.Provisioning, st.Status)
	r.await(t, slow, onboarding.Ready)
}

// answersLostAnywhere: each of many tenants loses the answer to a different call that Odoo carried out. All end ready,
// with everything made once.
func answersLostAnywhere(t *testing.T) {
	t.Parallel()
	r := newRig(t, onboarding.Policy{Mode: onboarding.PolicyOpen})
	const tenants = 24
	for k := range tenants {
		for _, database := range []string{fmt.Sprintf("t_t%d", k+1), fmt.Sprintf("t_t%d__new", k+1)} {
			r.odoo.Inject(odootest.Fault{Op: "*", Database: database, Skip: k, Times: 1, Do: odootest.Reset,
				Execute: true})
		}
	}
	r.start(t)
	var ids []tenantid.ID
	for k := range tenants {
		ids = append(ids, r.firstLogin(t, fmt.Sprint("user", k)))
	}
	for _, id := range ids {
		r.await(t, id, onboarding.Ready)
	}
	require.Positive(t, r.count(t, `SELECT count(*) FROM onboarding_status WHERE attempt > 1`),
		"no answer was lost")
	once := map[string]int{}
	for _, e := range r.odoo.Ledger() {
		if e.Do == "rename" || e.Do == "create" && e.Model == "res.users" && strings.Contains(e.Name, "@") {
			once[e.Do+" "+e.Database+" "+e.Name]++
		}
	}
	for effect, n := range once {
		require.Equal(t, 1, n, effect)
	}
}

// refusedAtAnyStep: when Odoo refuses a call, the onboarding fails without Odoo's text. The next one does not repeat
// the steps that were done.
func refusedAtAnyStep(t *testing.T) {
	t.Parallel()
	for _, op := range []string{"db.rename", "res.users.create", "res.partner.create", "res.company.write"} {
		t.Run(op, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, onboarding.Policy{Mode: onboarding.PolicyOpen})
			r.odoo.Inject(odootest.Fault{Op: op, Times: 1, Do: odootest.Refuse, Code: 2, Text: "CANARY of an upstream"})
			r.start(t)
			id := r.firstLogin(t, "alice")
			failed, _ := r.await(t, id, onboarding.Failed)
			require.NotContains(t, *failed.Error, "CANARY")
			before := len(r.odoo.Ledger())
			again, err := r.FirstLogin(t.Context(), person("alice", "alice@acme.example"), tester)
			require.NoError(t, err)
			require.Equal(t, id, again.Tenant)
			r.await(t, id, onboarding.Ready)
			require.Equal(t, 1, r.workspaces())
			for _, e := range r.odoo.Ledger()[before:] {
				require.NotEqual(t, "duplicate_database", e.Do, "an earlier step was repeated")
			}
		})
	}
}

// polledThroughout: Odoo is down, hangs, refuses and recovers, while the status is polled.
func polledThroughout(t *testing.T) {
	t.Parallel()
	r := newRig(t, onboarding.Policy{Mode: onboarding.PolicyOpen})
	r.odoo.Inject(odootest.Fault{Op: "web.authenticate", Database: "t_t1", Times: 1, Do: odootest.Reset})
	r.odoo.Inject(odootest.Fault{Op: "res.users.create", Database: "t_t1", Times: 1, Do: odootest.Hang})
	r.odoo.Inject(odootest.Fault{Op: "res.company.write", Database: "t_t1", Times: 1, Do: odootest.Refuse, Code: 2,
		Text: "CANARY"})
	r.start(t)
	id := r.firstLogin(t, "alice")
	st, _ := r.await(t, id, onboarding.Failed)
	require.Equal(t, "baseline", *st.Step)
	require.Greater(t, st.Attempt, 1)
	_, err := r.FirstLogin(t.Context(), person("alice", "alice@acme.example"), tester)
	require.NoError(t, err)
	r.await(t, id, onboarding.Ready)
}

// connectionDeletedMidJob: when the connection is deleted, the onboarding fails, and the job changes no other tenant's
// database.
func connectionDeletedMidJob(t *testing.T) {
	t.Parallel()
	r := newRig(t, onboarding.Policy{Mode: onboarding.PolicyOpen})
	r.start(t)
	other := r.firstLogin(t, "bob")
	r.await(t, other, onboarding.Ready)
	before := len(r.odoo.Ledger())
	r.odoo.Inject(odootest.Fault{Op: "res.users.create", Database: "t_t2", Times: 1, Do: odootest.Slow,
		Delay: time.Second})
	id := r.firstLogin(t, "alice")
	r.awaitCount(t, 1, `SELECT count(*) FROM onboarding_steps
		WHERE tenant_id = 2 AND step = 'odoo_user' AND state = 'running'`)
	_, err := r.db.Owner.Exec(t.Context(), `DELETE FROM odoo_connections WHERE tenant_id = $1`, id)
	require.NoError(t, err)
	r.await(t, id, onboarding.Failed)
	for _, e := range r.odoo.Ledger()[before:] {
		require.True(t, strings.HasPrefix(e.Database, "t_t2") || e.Do == "duplicate_database", "%+v", e)
	}
}

// deletedAndMadeAgain: a member of a closed tenant who signs in again gets a new tenant with a new workspace.
func deletedAndMadeAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t, onboarding.Policy{Mode: onboarding.PolicyOpen})
	r.start(t)
	first, err := r.FirstLogin(t.Context(), person("alice", "alice@acme.example"), tester)
	require.NoError(t, err)
	old := first.Tenant
	r.await(t, old, onboarding.Ready)
	closed, err := r.ws.Close(t.Context(), old, workspace.Drop, tenant.By{Actor: "test"})
	require.NoError(t, err)
	require.True(t, closed.Dropped)

	again, err := r.FirstLogin(t.Context(), person("alice", "alice@acme.example"), tester)
	require.NoError(t, err)
	require.Greater(t, again.Tenant, old)
	r.await(t, again.Tenant, onboarding.Ready)
	_, err = r.ws.Current(t.Context(), old)
	require.True(t, fault.Is(err, fault.NotFound))
	w, err := r.ws.Current(t.Context(), again.Tenant)
	require.NoError(t, err)
	require.Equal(t, fmt.Sprintf("t_t%d", again.Tenant), w.Database)
}

// A request between a job's last record and River's record of its end gets a job of its own.
func TestARequestWhileAJobEndsIsNotLost(t *testing.T) {
	t.Parallel()
	for _, last := range []string{onboarding.Failed, onboarding.Ready} {
		t.Run(last, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, onboarding.Policy{Mode: onboarding.PolicyOpen})
			st, err := r.FirstLogin(t.Context(), person("alice", "alice@acme.example"), tester)
			require.NoError(t, err)
			for _, sql := range []string{
				`UPDATE river.river_job
					SET state = 'running', attempt = 1, attempted_at = now(), attempted_by = '{ending}'`,
				`UPDATE onboarding_status SET status = '` + last + `'`,
			} {
				_, err := r.db.Owner.Exec(t.Context(), sql)
				require.NoError(t, err)
			}
			for range 3 {
				_, err := r.Provision(t.Context(), onboarding.Request{Tenant: st.Tenant.String()},
					tenant.By{Actor: "test"})
				require.NoError(t, err)
			}
			require.Equal(t, 1, r.count(t, `SELECT count(*) FROM river.river_job WHERE state = 'available'`),
				"exactly one more job")
			r.start(t)
			r.await(t, st.Tenant, onboarding.Ready)
		})
	}
}

// A member who joins a tenant with a ready workspace gets an account there, while the status stays ready.
func TestALateMemberGetsAnAccount(t *testing.T) {
	t.Parallel()
	r := newRig(t, onboarding.Policy{Mode: onboarding.PolicyInvite})
	acme, err := r.Provision(t.Context(), onboarding.Request{Name: "Acme"}, tenant.By{Actor: "test"})
	require.NoError(t, err)
	r.start(t)
	r.await(t, acme.ID, onboarding.Ready)
	t.Cleanup(r.watched(t, acme.ID))
	names := []string{"alice", "bob", "carol"}
	for _, name := range names {
		r.system(t, func(ctx context.Context, tx postgres.SystemTx) error {
			return tenant.AddMember(ctx, tx, acme.ID, name+"@acme.example", []string{"viewer"}, tester)
		})
	}
	var wg sync.WaitGroup
	for _, name := range names {
		wg.Go(func() {
			st, err := r.FirstLogin(t.Context(), person(name, name+"@acme.example"), tester)
			assert.NoError(t, err)
			assert.Equal(t, onboarding.Ready, st.Status)
		})
	}
	wg.Wait()
	r.awaitCount(t, len(names),
		`SELECT count(*) FROM river.river_job WHERE kind = 'odoo_users' AND state = 'completed'`)
	var made []string
	for _, e := range r.odoo.Ledger() {
		if e.Do == "create" && e.Model == "res.users" && strings.Contains(e.Name, "@") {
			made = append(made, strings.TrimSuffix(e.Name, "@acme.example"))
		}
	}
	require.ElementsMatch(t, names, made, "one account each")
}
