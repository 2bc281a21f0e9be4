package onboarding_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/jobs"
	"github.com/leadctl/leadctl/pkg/leads"
	"github.com/leadctl/leadctl/pkg/logging"
	"github.com/leadctl/leadctl/pkg/odoo/odootest"
	"github.com/leadctl/leadctl/pkg/onboarding"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/sso"
	"github.com/leadctl/leadctl/pkg/tenantid"
	"github.com/leadctl/leadctl/pkg/workspace"
)

func TestCasesOfManyAtOnce(t *testing.T) {
	t.Parallel()
	t.Run("D-004", wholeOrganisationAtOnce)
	t.Run("D-025", manyWaitForOdoo)
	t.Run("D-054", stoppedInAStep)
}

// atOnce signs all people in concurrently, over two replicas in turns, and returns their tenants.
func (r *rig) atOnce(t *testing.T, people []sso.Identity) []tenantid.ID {
	t.Helper()
	second := &onboarding.Service{DB: r.replica(t).db, Jobs: r.Jobs, Policy: r.Policy}
	tenants, failures, gate := make([]tenantid.ID, len(people)), make([]error, len(people)), make(chan struct{})
	var all sync.WaitGroup
	for i, who := range people {
		service := []*onboarding.Service{r.Service, second}[i%2]
		all.Go(func() {
			<-gate
			st, err := service.FirstLogin(t.Context(), who, tester)
			tenants[i], failures[i] = st.Tenant, err
		})
	}
	close(gate)
	all.Wait()
	for _, err := range failures {
		require.NoError(t, err)
	}
	return tenants
}

// replica is another process on the same database and Odoo.
type replica struct {
	db   *postgres.DB
	work *jobs.Client
}

func (r *rig) replica(t *testing.T) replica {
	t.Helper()
	db, err := postgres.Open(t.Context(), r.db.LoginDSN, postgres.Options{})
	require.NoError(t, err)
	t.Cleanup(db.Close)
	spaces := *r.ws
	spaces.DB = db
	workers := river.NewWorkers()
	river.AddWorker(workers, &onboarding.Worker{DB: db, Workspaces: &spaces, Log: logging.Discard()})
	river.AddWorker(workers, &workspace.UsersWorker{Workspaces: &spaces})
	river.AddWorker(workers, &leads.Worker{DB: db, Log: logging.Discard()}) // no worker takes jobs of its queue
	client, err := jobs.New(t.Context(), db, jobs.Options{Workers: workers})
	require.NoError(t, err)
	return replica{db, client}
}

// wholeOrganisationAtOnce: people whose tokens name one tenant become its members, with one workspace. People without a
// claim get a tenant each, although their addresses share a domain.
func wholeOrganisationAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, onboarding.Policy{Mode: onboarding.PolicyOpen})
	r.start(t)
	var people []sso.Identity
	for i := range 50 {
		who := person(fmt.Sprint("subject", i), fmt.Sprintf("user%d@acme.example", i))
		if i >= 4 {
			who.Tenant = sso.TenantClaim{Kind: sso.TenantExternalID, Value: "acme"}
		}
		people = append(people, who)
	}
	tenants := r.atOnce(t, people)
	for _, id := range tenants[4:] {
		require.Equal(t, tenants[4], id)
	}
	for _, id := range tenants[:5] {
		r.await(t, id, onboarding.Ready)
	}
	require.Equal(t, 5, r.count(t, `SELECT count(*) FROM tenants`))
	require.Equal(t, 46, r.count(t, `SELECT max(n) FROM (SELECT count(*) AS n FROM tenant_users GROUP BY tenant_id) x`))
	require.Equal(t, 5, r.workspaces())
	require.Eventually(t, func() bool {
		return r.count(t, `SELECT count(*) FROM river.river_job
			WHERE finalized_at IS NULL AND kind IN ('onboarding', 'odoo_users')`) == 0
	}, 2*time.Minute, 50*time.Millisecond)
	accounts := map[string]int{}
	for _, e := range r.odoo.Ledger() {
		if e.Do == "create" && e.Model == "res.users" &&
			slices.ContainsFunc(people, func(p sso.Identity) bool { return p.Email == e.Name }) {
			accounts[e.Name]++
		}
	}
	require.Len(t, accounts, len(people))
	for name, n := range accounts {
		require.Equal(t, 1, n, name)
	}
}

// manyWaitForOdoo: while Odoo answers 503, leadctl calls it rarely. The jobs retry at different times, and all tenants
// end ready.
func manyWaitForOdoo(t *testing.T) {
	t.Parallel()
	const tenants = 30
	r := newRig(t, onboarding.Policy{Mode: onboarding.PolicyOpen})
	r.odoo.Inject(odootest.Fault{Op: "*", Do: odootest.Status, Code: 503, Text: "Service Unavailable"})
	calls, began := len(r.odoo.Calls()), time.Now()
	r.start(t)
	var people []sso.Identity
	for i := range tenants {
		people = append(people, person(fmt.Sprint("subject", i), fmt.Sprintf("user%d@acme.example", i)))
	}
	ids := r.atOnce(t, people)
	require.Eventually(t, func() bool {
		return r.count(t, `SELECT count(*) FROM river.river_job
			WHERE kind = 'onboarding' AND array_length(errors, 1) > 1`) == tenants
	}, time.Minute, 20*time.Millisecond)
	require.Equal(t, tenants,
		r.count(t, `SELECT count(DISTINCT scheduled_at) FROM river.river_job WHERE kind = 'onboarding'`),
		"the jobs retry at different times")
	require.Zero(t, r.count(t, `SELECT count(*) FROM onboarding_status WHERE status <> 'provisioning'`),
		"an Odoo that is down is not an error of a tenant")
	// leadctl stops calling Odoo after five failed calls, beside those under way, and then tries once in ten seconds.
	most := 5 + 8 + int(time.Since(began)/(10*time.Second)) + 1
	made := len(r.odoo.Calls()) - calls
	require.Positive(t, made)
	require.LessOrEqual(t, made, most)
	r.odoo.Heal()
	for _, id := range ids {
		r.await(t, id, onboarding.Ready)
	}
	require.Equal(t, tenants, r.workspaces())
}

// stoppedInAStep: a process stops while Odoo delays a step. Another process continues the job and makes nothing twice.
func stoppedInAStep(t *testing.T) {
	t.Parallel()
	r := newRig(t, onboarding.Policy{Mode: onboarding.PolicyOpen})
	r.odoo.Inject(odootest.Fault{Op: "res.users.create", Times: 1, Do: odootest.Hang})
	require.NoError(t, r.work.Start(t.Context()))
	id := r.firstLogin(t, "alice")
	r.awaitCount(t, 1, `SELECT count(*) FROM onboarding_steps WHERE step = 'odoo_user' AND state = 'running'`)
	stopped := make(chan error, 1)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	go func() { stopped <- r.work.Stop(ctx) }()
	other := r.replica(t)
	require.NoError(t, other.work.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, other.work.Stop(context.WithoutCancel(t.Context()))) })
	require.NoError(t, <-stopped)
	r.await(t, id, onboarding.Ready)
	require.Equal(t, 1, r.workspaces())
	made := 0
	for _, e := range r.odoo.Ledger() {
		if e.Do == "create" && e.Model == "res.users" && e.Name == "alice@acme.example" {
			made++
		}
	}
	require.Equal(t, 1, made)
}
