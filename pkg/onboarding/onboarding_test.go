package onboarding_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/jobs"
	"github.com/leadctl/leadctl/pkg/leads"
	"github.com/leadctl/leadctl/pkg/logging"
	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/odoo/odootest"
	"github.com/leadctl/leadctl/pkg/odoo/provision"
	"github.com/leadctl/leadctl/pkg/onboarding"
	"github.com/leadctl/leadctl/pkg/pgtest"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/secret"
	"github.com/leadctl/leadctl/pkg/sso"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/tenantid"
	"github.com/leadctl/leadctl/pkg/workspace"
)

// rig is one installation: a database, a fake Odoo server with a ledger, and a queue whose workers start starts.
type rig struct {
	*onboarding.Service
	db   *pgtest.DB
	odoo *odootest.Server
	work *jobs.Client
	ws   *workspace.Service
	seen *sync.Map // tenant id → the last status that watched read
}

// tester is the actor of the tests in the audit log.
var tester = tenant.By{Actor: "test"}

func newRig(t *testing.T, policy onboarding.Policy) *rig {
	t.Helper()
	db := pgtest.New(t)
	stand := odootest.New(odootest.Options{Master: "master"})
	web := httptest.NewServer(stand)
	t.Cleanup(web.Close)
	server, err := odoo.New(odoo.Options{BaseURL: web.URL, Timeout: 5 * time.Second})
	require.NoError(t, err)
	_, err = provision.PrepareTemplate(t.Context(), server,
		provision.Template{Name: "template", Master: "master", Secret: "template-admin"})
	require.NoError(t, err)
	provisioner, err := provision.NewProvisioner(server,
		provision.Provisioning{Installation: "test", Template: "template", Master: "master",
			TemplateSecret: "template-admin"})
	require.NoError(t, err)

	workers := river.NewWorkers()
	spaces := &workspace.Service{DB: db.App, Keys: keyring(t), Odoo: provisioner, BaseURL: web.URL, Prefix: "t",
		Log: logging.Discard()}
	river.AddWorker(workers, &onboarding.Worker{DB: db.App, Workspaces: spaces, Log: logging.Discard()})
	river.AddWorker(workers, &workspace.UsersWorker{Workspaces: spaces})
	river.AddWorker(workers, &workspace.AccessWorker{Workspaces: spaces})
	river.AddWorker(workers, &workspace.PushWorker{Workspaces: spaces})         // nor of its queue
	river.AddWorker(workers, &leads.Worker{DB: db.App, Log: logging.Discard()}) // no worker takes jobs of its queue
	client, err := jobs.New(t.Context(), db.App, jobs.Options{Workers: workers})
	require.NoError(t, err)
	return &rig{&onboarding.Service{DB: db.App, Jobs: client, Policy: policy}, db, stand, client, spaces, &sync.Map{}}
}

func keyring(t *testing.T) *secret.Keyring {
	t.Helper()
	json, err := secret.Generate()
	require.NoError(t, err)
	keys, err := secret.Parse(json)
	require.NoError(t, err)
	return keys
}

func (r *rig) start(t *testing.T) {
	t.Helper()
	require.NoError(t, r.work.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, r.work.Stop(context.WithoutCancel(t.Context()))) })
}

func (r *rig) count(t *testing.T, sql string) (n int) {
	t.Helper()
	require.NoError(t, r.db.Owner.QueryRow(t.Context(), sql).Scan(&n))
	return n
}

func (r *rig) status(t *testing.T, id tenantid.ID) (st onboarding.Status, steps []onboarding.Step) {
	t.Helper()
	err := r.DB.ReadTenant(t.Context(), id, func(ctx context.Context, tx postgres.TenantTx) (err error) {
		if st, err = onboarding.ReadStatus(ctx, tx); err != nil {
			return err
		}
		steps, err = onboarding.ReadTimeline(ctx, tx)
		return err
	})
	require.NoError(t, err)
	return st, steps
}

// await polls until the tenant's status is want and watched has read it too. After one minute it fails the test.
func (r *rig) await(t *testing.T, id tenantid.ID, want string) (onboarding.Status, []onboarding.Step) {
	t.Helper()
	for range 1200 {
		st, steps := r.status(t, id)
		if last, watched := r.seen.Load(id); st.Status == want && (!watched || last == want) {
			return st, steps
		}
		time.Sleep(50 * time.Millisecond)
	}
	st, steps := r.status(t, id)
	t.Fatalf("tenant %s is not %s but %+v, %+v", id, want, st, steps)
	return st, steps
}

func (r *rig) awaitCount(t *testing.T, want int, sql string) {
	t.Helper()
	for range 200 {
		if r.count(t, sql) == want {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	require.Equal(t, want, r.count(t, sql), sql)
}

func (r *rig) workspaces() (n int) {
	for _, e := range r.odoo.Ledger() {
		if e.Do == "duplicate_database" {
			n++
		}
	}
	return n
}

func person(subject, email string) sso.Identity {
	return sso.Identity{Issuer: "https://idp.example", Subject: subject, Email: email, EmailVerified: true}
}

func TestFirstLoginMakesAReadyWorkspace(t *testing.T) {
	t.Parallel()
	r := newRig(t, onboarding.Policy{Mode: onboarding.PolicyOpen})
	alice := person("alice", "Alice@Acme.example")

	st, err := r.FirstLogin(t.Context(), alice, tenant.By{Actor: "test", RequestID: "req-1"})
	require.NoError(t, err)
	require.Equal(t, onboarding.Provisioning, st.Status)

	r.start(t)
	_, steps := r.await(t, st.Tenant, onboarding.Ready)
	var names []string
	for _, s := range steps {
		require.Equal(t, onboarding.StepDone, s.State, s.Name)
		names = append(names, s.Name)
	}
	require.Equal(t, []string{"tenant", "odoo_database", "odoo_fields", "odoo_service_account", "odoo_user",
		"smoke_test", "baseline", "icp_template"}, names)

	var user, secretText, role string
	var active bool
	require.NoError(t, r.db.Owner.QueryRow(t.Context(), `SELECT user_id, roles[1] FROM tenant_users`).Scan(&user,
		&role))
	require.Equal(t, "alice@acme.example", user)
	require.Equal(t, "admin", role, "the first member of a tenant that a sign-in made")
	require.NoError(t, r.db.Owner.QueryRow(t.Context(), `SELECT secret, active FROM odoo_connections`).Scan(&secretText,
		&active))
	require.True(t, strings.HasPrefix(secretText, "v1:"))
	require.True(t, active)
	require.Equal(t, 1, r.count(t, `SELECT count(*) FROM icp_rules`))

	again, err := r.FirstLogin(t.Context(), alice, tenant.By{Actor: "test", RequestID: "req-2"})
	require.NoError(t, err)
	require.Equal(t, onboarding.Ready, again.Status)
	require.Equal(t, 1, r.count(t, `SELECT count(*) FROM river.river_job WHERE kind = 'onboarding'`),
		"a ready tenant needs no other job")
	require.Equal(t, 1, r.workspaces())
}

func TestCases(t *testing.T) {
	t.Parallel()
	t.Run("D-003", manyParallelFirstLogins)
	t.Run("A-130", unverifiedEmail)
	t.Run("A-132", changedEmail)
	t.Run("A-133", domainsThatLookAlike)
	t.Run("A-150", addressesThatLookAlike)
	t.Run("D-009", badAnswersAreRetried)
	t.Run("D-012", refusedCredentialsStop)
	t.Run("A-148", removedMembersStayOut)
	t.Run("A-149", invitationsInRaces)
	t.Run("B-080", suspendedWhileProvisioning)
}

// manyParallelFirstLogins: 50 concurrent first sign-ins of one identity over two replicas make one tenant, member, job
// and workspace.
func manyParallelFirstLogins(t *testing.T) {
	t.Parallel()
	r := newRig(t, onboarding.Policy{Mode: onboarding.PolicyOpen})
	r.start(t)
	other, err := postgres.Open(t.Context(), r.db.LoginDSN, postgres.Options{})
	require.NoError(t, err)
	t.Cleanup(other.Close)
	client, err := jobs.New(t.Context(), other, jobs.Options{})
	require.NoError(t, err)
	second := &onboarding.Service{DB: other, Jobs: client, Policy: r.Policy}

	const calls = 50
	tenants, failures := make([]tenantid.ID, calls), make([]error, calls)
	gate := make(chan struct{})
	var wg sync.WaitGroup
	for i := range calls {
		service := []*onboarding.Service{r.Service, second}[i%2]
		wg.Go(func() {
			<-gate
			st, err := service.FirstLogin(t.Context(), person("alice", "alice@acme.example"), tester)
			tenants[i], failures[i] = st.Tenant, err
		})
	}
	close(gate)
	wg.Wait()
	require.NoError(t, errors.Join(failures...))
	for _, id := range tenants {
		require.Equal(t, tenants[0], id)
	}
	r.await(t, tenants[0], onboarding.Ready)
	require.Equal(t, 1, r.count(t, `SELECT count(*) FROM tenants`))
	require.Equal(t, 1, r.count(t, `SELECT count(*) FROM tenant_users`))
	require.Equal(t, 1, r.count(t, `SELECT count(*) FROM river.river_job WHERE kind = 'onboarding'`))
	require.Equal(t, 1, r.workspaces())
}

func unverifiedEmail(t *testing.T) {
	t.Parallel()
	r := newRig(t, onboarding.Policy{Mode: onboarding.PolicyOpen})
	effects := len(r.odoo.Ledger())
	alice := person("alice", "alice@acme.example")
	alice.EmailVerified = false
	_, err := r.FirstLogin(t.Context(), alice, tester)
	require.Equal(t, "EMAIL_NOT_VERIFIED", fault.Code(err))
	require.Equal(t, 403, fault.HTTPStatus(err))
	require.Zero(t, r.count(t, `SELECT count(*) FROM tenants`))
	require.Zero(t, r.count(t, `SELECT count(*) FROM river.river_job WHERE kind = 'onboarding'`))
	require.Len(t, r.odoo.Ledger(), effects)
}

func changedEmail(t *testing.T) {
	t.Parallel()
	r := newRig(t, onboarding.Policy{Mode: onboarding.PolicyOpen})
	first, err := r.FirstLogin(t.Context(), person("alice", "alice@acme.example"), tester)
	require.NoError(t, err)
	second, err := r.FirstLogin(t.Context(), person("alice", "alice@other.example"), tester)
	require.NoError(t, err)
	require.Equal(t, first.Tenant, second.Tenant)
	require.Equal(t, 1, r.count(t, `SELECT count(*) FROM tenant_users`))
}

// domainsThatLookAlike: people with similar mail domains get a tenant each, and no address gives an invalid database
// name.
func domainsThatLookAlike(t *testing.T) {
	t.Parallel()
	r := newRig(t, onboarding.Policy{Mode: onboarding.PolicyOpen})
	seen := map[tenantid.ID]string{}
	for _, email := range []string{"a@acme.com", "b@acme.attacker.net", "c@ACME.com", "d@acme.com.", "e@gmail.com",
		"f@gmail.com",
		"g@postgres.evil.com", "h@template1.x", "i@xn--80ak6aa92e.com"} {
		st, err := r.FirstLogin(t.Context(), person("subject of "+email, email), tester)
		require.NoError(t, err, email)
		require.Empty(t, seen[st.Tenant], email)
		seen[st.Tenant] = email
	}
	_, err := r.FirstLogin(t.Context(), person("no address", ""), tester)
	require.Equal(t, "EMAIL_NOT_VERIFIED", fault.Code(err))
}

func badAnswersAreRetried(t *testing.T) {
	t.Parallel()
	r := newRig(t, onboarding.Policy{Mode: onboarding.PolicyOpen})
	r.odoo.Inject(odootest.Fault{Op: "db.duplicate_database", Times: 1, Do: odootest.Status,
		Code: http.StatusBadGateway, Text: "<html>CANARY of the proxy</html>"})
	r.start(t)
	st, err := r.FirstLogin(t.Context(), person("alice", "alice@acme.example"), tester)
	require.NoError(t, err)
	done, _ := r.await(t, st.Tenant, onboarding.Ready)
	require.Equal(t, 2, done.Attempt)
	require.Equal(t, 1, r.workspaces())
	require.Zero(t, r.count(t, `SELECT count(*) FROM river.river_job WHERE errors::text LIKE '%CANARY%'`),
		"the job table has no text from Odoo")
}

func refusedCredentialsStop(t *testing.T) {
	t.Parallel()
	r := newRig(t, onboarding.Policy{Mode: onboarding.PolicyOpen})
	r.odoo.Inject(odootest.Fault{Op: "db.duplicate_database", Do: odootest.Refuse, Code: 3, Text: "Access Denied"})
	r.start(t)
	st, err := r.FirstLogin(t.Context(), person("alice", "alice@acme.example"), tester)
	require.NoError(t, err)
	failed, steps := r.await(t, st.Tenant, onboarding.Failed)
	require.Equal(t, "odoo_database", *failed.Step)
	require.NotEmpty(t, *failed.Error)
	last := steps[len(steps)-1]
	require.Equal(t, onboarding.StepFailed, last.State)
	require.NotEmpty(t, *last.Hint)
	// An operator must act: the job is not retried.
	r.awaitCount(t, 0, `SELECT count(*) FROM river.river_job WHERE kind = 'onboarding' AND finalized_at IS NULL`)

	r.odoo.Heal()
	again, err := r.FirstLogin(t.Context(), person("alice", "alice@acme.example"), tester)
	require.NoError(t, err)
	require.Equal(t, onboarding.Provisioning, again.Status)
	r.await(t, st.Tenant, onboarding.Ready)
}

func TestPolicy(t *testing.T) {
	t.Parallel()
	claim := func(who sso.Identity, external string) sso.Identity {
		who.Tenant = sso.TenantClaim{Kind: sso.TenantExternalID, Value: external}
		return who
	}
	alice := person("alice", "alice@acme.example")
	for name, c := range map[string]struct {
		policy onboarding.Policy
		who    sso.Identity
		code   string
	}{
		"open": {onboarding.Policy{Mode: onboarding.PolicyOpen}, alice, ""},
		"listed domain": {onboarding.Policy{Mode: onboarding.PolicyDomains,
			Domains: []string{"ACME.example"}}, alice, ""},
		"other domain": {onboarding.Policy{Mode: onboarding.PolicyDomains,
			Domains: []string{"example"}}, alice, "ONBOARDING_CLOSED"},
		"subdomain of a listed one": {onboarding.Policy{Mode: onboarding.PolicyDomains,
			Domains: []string{"acme.example"}}, person("b", "b@evil.acme.example"), "ONBOARDING_CLOSED"},
		"invite without one": {onboarding.Policy{Mode: onboarding.PolicyInvite}, alice,
			"ONBOARDING_CLOSED"},
		"closed": {onboarding.Policy{Mode: onboarding.PolicyClosed}, alice,
			"ONBOARDING_CLOSED"},
		"a claim makes its tenant": {onboarding.Policy{Mode: onboarding.PolicyOpen}, claim(alice, "acme"), ""},
		"a claim may not when existing": {onboarding.Policy{Mode: onboarding.PolicyOpen, ExistingOnly: true},
			claim(alice, "acme"), "ONBOARDING_CLOSED"},
		"a claim's number makes its tenant": {onboarding.Policy{Mode: onboarding.PolicyOpen}, numbered("77"), ""},
		"a number may not when existing": {onboarding.Policy{Mode: onboarding.PolicyOpen, ExistingOnly: true},
			numbered("77"), "ONBOARDING_CLOSED"},
		"a number may not when closed": {onboarding.Policy{Mode: onboarding.PolicyClosed}, numbered("77"),
			"ONBOARDING_CLOSED"},
		"a number that no tenant can have": {onboarding.Policy{Mode: onboarding.PolicyOpen}, numbered("99999999999"),
			"TENANT_INVALID"},
		"a reserved name makes no tenant": {onboarding.Policy{Mode: onboarding.PolicyOpen}, claim(alice, "postgres"),
			"invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, c.policy)
			_, err := r.FirstLogin(t.Context(), c.who, tester)
			if c.code == "" {
				require.NoError(t, err)
				require.Equal(t, 1, r.count(t, `SELECT count(*) FROM tenants`))
				return
			}
			require.Equal(t, c.code, fault.Code(err), "%v", err)
			require.Zero(t, r.count(t, `SELECT count(*) FROM tenants`))
			require.Zero(t, r.count(t, `SELECT count(*) FROM identities`), "a refused sign-in writes no row")
		})
	}
}

// numbered is a person whose claim names a tenant by number.
func numbered(id string) sso.Identity {
	who := person("s", "a@b.example")
	who.Tenant = sso.TenantClaim{Kind: sso.TenantNumber, Value: id}
	return who
}

// A claim with a number that no tenant has makes the tenant with this number. Two people of it meet there, and the
// tenants that get the next free number do not.
func TestAClaimsNumberIsTheTenantsNumber(t *testing.T) {
	t.Parallel()
	r := newRig(t, onboarding.Policy{Mode: onboarding.PolicyOpen})
	for _, id := range []string{"1", "2", "77"} {
		st, err := r.FirstLogin(t.Context(), numbered(id), tester)
		require.NoError(t, err)
		require.Equal(t, id, st.Tenant.String())
		colleague := numbered(id)
		colleague.Subject, colleague.Email = "colleague", "c@b.example"
		st, err = r.FirstLogin(t.Context(), colleague, tester)
		require.NoError(t, err)
		require.Equal(t, id, st.Tenant.String())
	}
	st, err := r.FirstLogin(t.Context(), person("other", "other@c.example"), tester)
	require.NoError(t, err)
	require.Equal(t, "3", st.Tenant.String(), "numbers 1 and 2 are skipped")
	require.Equal(t, 4, r.count(t, `SELECT count(*) FROM tenants`))
	require.Equal(t, 4, r.count(t, `SELECT count(*) FROM audit_log WHERE action = 'tenant.create'`))
}

func TestAnInvitedMemberKeepsTheRoles(t *testing.T) {
	t.Parallel()
	r := newRig(t, onboarding.Policy{Mode: onboarding.PolicyInvite})
	var acme tenant.Tenant
	require.NoError(t, r.DB.InSystem(t.Context(), "test", func(ctx context.Context, tx postgres.SystemTx) (err error) {
		if acme, err = tenant.Create(ctx, tx, "Acme", "", tester); err != nil {
			return err
		}
		return tenant.AddMember(ctx, tx, acme.ID, "Alice@Acme.example", []string{"ops"}, tester)
	}))
	st, err := r.FirstLogin(t.Context(), person("alice", "alice@acme.example"), tester)
	require.NoError(t, err)
	require.Equal(t, acme.ID, st.Tenant)

	var p tenant.Principal
	require.NoError(t, r.DB.InSystem(t.Context(), "test", func(ctx context.Context, tx postgres.SystemTx) (err error) {
		p, err = tenant.Resolve(ctx, tx, person("alice", "alice@acme.example"), tenant.ByClaim)
		return err
	}))
	require.Equal(t, []sso.Role{sso.Ops}, p.Roles)
}
