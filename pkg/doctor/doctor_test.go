package doctor_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/acra"
	"github.com/leadctl/leadctl/pkg/acra/acragen"
	"github.com/leadctl/leadctl/pkg/acra/acratest"
	"github.com/leadctl/leadctl/pkg/config"
	"github.com/leadctl/leadctl/pkg/devidp"
	"github.com/leadctl/leadctl/pkg/doctor"
	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/logging"
	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/odoo/odootest"
	"github.com/leadctl/leadctl/pkg/odoo/provision"
	"github.com/leadctl/leadctl/pkg/pgtest"
	"github.com/leadctl/leadctl/pkg/secret"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/tenantid"
	"github.com/leadctl/leadctl/pkg/wire"
)

// patient is an installation without faults: a migrated database with a tenant and an active workspace, an identity
// provider, an Odoo server, and a register that was loaded today.
type patient struct {
	db       *pgtest.DB
	env      map[string]string
	odoo     *httptest.Server
	site     *acratest.Site
	provider *devidp.Provider
	late     time.Duration // how far the provider's clock is ahead
	options  doctor.Options
}

func newPatient(t *testing.T) *patient {
	t.Helper()
	p := &patient{db: pgtest.New(t), env: map[string]string{"LEADCTL_ENV": "development", "NEXIUS_AUDIENCE": "api",
		"LEADCTL_KEYSET": newKeyset(t)}}
	p.env["POSTGRES_DSN"] = p.db.LoginDSN
	p.setFree(60 << 30)
	p.startProvider(t)
	p.startOdoo(t)
	p.loadRegister(t)
	return p
}

// setFree sets the free space of the disk, in bytes of 100 GiB.
func (p *patient) setFree(bytes uint64) {
	p.options.Free = func(string) (doctor.Space, error) { return doctor.Space{Free: bytes, Total: 100 << 30}, nil }
}

func newKeyset(t *testing.T) string {
	t.Helper()
	text, err := secret.Generate()
	require.NoError(t, err)
	return string(text)
}

func (p *patient) startProvider(t *testing.T) {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	p.env["NEXIUS_ISSUER"] = "http://" + server.Listener.Addr().String()
	var err error
	p.provider, err = devidp.New(devidp.Config{Issuer: p.env["NEXIUS_ISSUER"],
		Users: []devidp.User{{ID: "alice", Email: "alice@acme.example", EmailVerified: true, Roles: []string{"ops"},
			TenantID: "1"},
			{ID: "bob", Email: "bob@acme.example", EmailVerified: true}},
		Clients: []devidp.Client{
			{ID: "api", RedirectURIs: []string{"http://127.0.0.1/x"}},
			{ID: "unmapped", RedirectURIs: []string{"http://127.0.0.1/x"}},
		}})
	require.NoError(t, err)
	server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", time.Now().Add(p.late).UTC().Format(http.TimeFormat))
		p.provider.ServeHTTP(w, r)
	})
	server.Start()
	t.Cleanup(server.Close)
}

// startOdoo starts an Odoo server with the workspace of a tenant.
func (p *patient) startOdoo(t *testing.T) {
	t.Helper()
	p.odoo = httptest.NewServer(odootest.New(odootest.Options{Master: "master"}))
	t.Cleanup(p.odoo.Close)
	client, err := odoo.New(odoo.Options{BaseURL: p.odoo.URL})
	require.NoError(t, err)
	_, err = provision.PrepareTemplate(t.Context(), client,
		provision.Template{Name: "template", Master: "master", Secret: "template-admin"})
	require.NoError(t, err)
	for name, value := range map[string]string{"ODOO_SERVER_URL": p.odoo.URL, "ODOO_TEMPLATE_DB": "template",
		"ODOO_MASTER_PASSWORD": "master", "LEADCTL_ODOO_TEMPLATE_PASSWORD": "template-admin"} {
		p.env[name] = value
	}
	var id tenantid.ID
	require.NoError(t, p.db.Owner.QueryRow(t.Context(),
		`INSERT INTO tenants (name) VALUES ('Acme') RETURNING tenant_id`).Scan(&id))
	spaces, err := wire.Workspaces(t.Context(), p.config(t), p.db.App, logging.Discard())
	require.NoError(t, err)
	w, err := spaces.Prepare(t.Context(), id, tenant.By{Actor: "test"})
	require.NoError(t, err)
	_, err = spaces.Odoo.EnsureDatabase(t.Context(), w)
	require.NoError(t, err)
	_, err = spaces.Odoo.EnsureServiceAccount(t.Context(), w)
	require.NoError(t, err)
	require.NoError(t, spaces.Activate(t.Context(), w))
}

func (p *patient) loadRegister(t *testing.T) {
	t.Helper()
	var text bytes.Buffer
	_, err := acragen.Write(&text, 50, 1, acragen.Options{LiveOnly: true})
	require.NoError(t, err)
	p.site = acratest.Start(t, acratest.Dataset{ID: "d_1", Letter: "A", CSV: text.Bytes(),
		Updated: "2026-09-16T10:04:13+08:00"})
	p.env["API_URL"] = p.site.URL + "/api/action/datastore_search"
	_, err = acra.Ingest(t.Context(), p.db.App, acra.Options{Source: acra.Bulk(p.site.Service(), nil)})
	require.NoError(t, err)
}

func (p *patient) config(t *testing.T) config.Config {
	t.Helper()
	cfg, _ := config.Load(config.Source{Dirs: []string{t.TempDir()}, Lookup: func(name string) (string, bool) {
		v, ok := p.env[name]
		return v, ok
	}})
	return cfg
}

func (p *patient) examine(t *testing.T) []doctor.Check {
	t.Helper()
	p.options.Config = p.config(t)
	return doctor.Examine(t.Context(), p.options)
}

func (p *patient) exec(t *testing.T, sql string) {
	t.Helper()
	_, err := p.db.Owner.Exec(t.Context(), sql)
	require.NoError(t, err)
}

func (p *patient) token(t *testing.T, user, client string) {
	t.Helper()
	var err error
	p.options.Token, err = p.provider.IssueToken(t.Context(), user, client)
	require.NoError(t, err)
}

func of(checks []doctor.Check, state string) (list []doctor.Check) {
	for _, c := range checks {
		if c.State == state {
			list = append(list, c)
		}
	}
	return list
}

func TestHealthy(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
	p.token(t, "alice", "api")
	checks := p.examine(t)
	require.Empty(t, of(checks, doctor.Failed))
	require.NoError(t, doctor.Verdict(checks))
	for _, c := range checks {
		require.NotEqual(t, doctor.Skipped, c.State, "%+v", c)
		if c.State == doctor.Warning { // the test server runs with fsync off
			require.Equal(t, "settings", c.Name, "%+v", c)
		}
		if c.Name == "workspaces" {
			require.Equal(t, "1 checked, 0 refused", c.Fact)
		}
		if c.Name == "stored secrets" {
			require.Equal(t, "1 open, 0 of them with an older key", c.Fact)
		}
	}
	var left int
	require.NoError(t, p.db.Owner.QueryRow(t.Context(),
		`SELECT (SELECT count(*) FROM tenants) + (SELECT count(*) FROM icp_rules)`).Scan(&left))
	require.Equal(t, 1, left, "the proof is rolled back")
}

// TestPlantedFaults plants one fault at a time. The named check finds it and gives the fix, and the exit code says that
// an operator must act.
func TestPlantedFaults(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		plant      func(*testing.T, *patient)
		check      string
		fact, fix  string
		production bool // the fault is a failure in production only
	}{
		"wrong DSN": {check: "postgresql", fact: "127.0.0.1", fix: "POSTGRES_DSN",
			plant: func(_ *testing.T, p *patient) {
				p.env["POSTGRES_DSN"] = "postgres://user@127.0.0.1:1/none?connect_timeout=2"
			}},
		"pending migration": {check: "migrations", fact: "pending", fix: "leadctl migrate",
			plant: func(t *testing.T, p *patient) {
				p.exec(t, `UPDATE leadctl_schema_version SET version = version - 1`)
			}},
		"unforced table": {check: "row security", fact: "lead_scores",
			fix:   "ALTER TABLE public.lead_scores FORCE ROW LEVEL SECURITY",
			plant: func(t *testing.T, p *patient) { p.exec(t, `ALTER TABLE lead_scores NO FORCE ROW LEVEL SECURITY`) }},
		"superuser role": {check: "login", fact: "superuser", fix: "leadctl migrate login", production: true,
			plant: func(_ *testing.T, p *patient) { p.env["POSTGRES_DSN"] = p.db.OwnerDSN }},
		"wrong issuer": {check: "issuer", fact: "calls itself", fix: "set NEXIUS_ISSUER to exactly",
			plant: func(t *testing.T, p *patient) { // another address of the same provider
				host := strings.TrimPrefix(p.env["NEXIUS_ISSUER"], "http://")
				alias := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					r.Host = host
					p.provider.ServeHTTP(w, r)
				}))
				t.Cleanup(alias.Close)
				p.env["NEXIUS_ISSUER"] = alias.URL
			}},
		"missing mapper": {check: "token: audience", fact: "unmapped", fix: "NEXIUS_AUDIENCE",
			plant: func(t *testing.T, p *patient) { p.token(t, "alice", "unmapped") }},
		"clock off": {check: "clock", fact: "5m0s", fix: "NTP",
			plant: func(_ *testing.T, p *patient) { p.late = 5 * time.Minute }},
		"Odoo down": {check: "odoo", fact: "refused", fix: "ODOO_SERVER_URL",
			plant: func(_ *testing.T, p *patient) { p.odoo.Close() }},
		"wrong key": {check: "stored secrets", fact: "odoo_connections.secret", fix: "LEADCTL_KEYSET_FILE",
			plant: func(t *testing.T, p *patient) { p.env["LEADCTL_KEYSET"] = newKeyset(t) }},
		"ACRA 404": {check: "register source", fact: "unknown to the service", fix: "API_URL", production: true,
			plant: func(_ *testing.T, p *patient) { p.env["API_URL"] = p.site.URL + "/api/action/gone" }},
		"job stuck": {check: "jobs", fact: "discarded after 3 attempts", fix: "leadctl jobs retry",
			plant: func(t *testing.T, p *patient) { p.exec(t, discarded) }},
		"disk low": {check: "disk", fact: "0.5 of 100.0 GiB free", fix: "free disk space",
			plant: func(_ *testing.T, p *patient) { p.setFree(1 << 29) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPatient(t)
			if c.production {
				p.env["LEADCTL_ENV"] = "production"
			}
			c.plant(t, p)
			checks := p.examine(t)
			require.Equal(t, 3, fault.ExitCode(doctor.Verdict(checks)))
			for _, found := range of(checks, doctor.Failed) {
				if found.Name == c.check {
					require.Contains(t, found.Fact, c.fact)
					require.Contains(t, found.Fix, c.fix)
					return
				}
			}
			require.Fail(t, "not found", "%+v", checks)
		})
	}
}

const discarded = `
	INSERT INTO river.river_job (kind, args, state, attempt, max_attempts, finalized_at)
	VALUES ('onboarding', '{"tenant_id": 1}', 'discarded', 3, 3, now())`

// TestNoTablesYet: nothing about a database without leadctl's schema is called safe, whether another database of the
// cluster has the roles or not.
func TestNoTablesYet(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
	p.env["POSTGRES_DSN"] = pgtest.Empty(t)
	states := map[string]string{}
	for _, c := range p.examine(t) {
		states[c.Name] = c.State
	}
	require.Equal(t, doctor.Failed, states["migrations"])
	for _, name := range []string{"row security", "login", "two tenants", "stored secrets", "jobs", "companies"} {
		require.Equal(t, doctor.Skipped, states[name], name)
	}
}

// TestTablesOfOtherServices: what leadctl's roles cannot reach fails no check, and is listed with what makes it safe.
func TestTablesOfOtherServices(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
	p.exec(t, `CREATE TABLE background_jobs (tenant_id integer); CREATE TABLE customer_seeds (tenant_id integer)`)
	checks := p.examine(t)
	require.Empty(t, of(checks, doctor.Failed))
	for _, c := range checks {
		if c.Name == "other services" {
			require.Equal(t, doctor.OK, c.State)
			require.Contains(t, c.Fact, "2 unsafe tables with tenant_id: background_jobs, customer_seeds")
			require.Contains(t, c.Fix, "ALTER TABLE public.background_jobs ENABLE ROW LEVEL SECURITY, FORCE")
			require.Contains(t, c.Fix, "ALTER TABLE public.customer_seeds ALTER tenant_id SET NOT NULL")
			return
		}
	}
	require.Fail(t, "not listed", "%+v", checks)
}

// TestOtherFaults plants faults that are warnings, or that more than one check finds.
func TestOtherFaults(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		plant              func(*testing.T, *patient)
		check, state, fact string
	}{
		"no tenant mapper": {check: "token: tenant", state: doctor.Warning, fact: "tenant",
			plant: func(t *testing.T, p *patient) { p.token(t, "bob", "api") }},
		"row security disabled": {check: "two tenants", state: doctor.Failed, fact: "reads the rule of another",
			plant: func(t *testing.T, p *patient) { p.exec(t, `ALTER TABLE icp_rules DISABLE ROW LEVEL SECURITY`) }},
		"a foreign policy": {check: "two tenants", state: doctor.Failed, fact: "reads rows of table lead_scores",
			plant: func(t *testing.T, p *patient) {
				p.exec(t, `CREATE POLICY all_rows ON lead_scores USING (true);
					INSERT INTO companies (uen, name) VALUES ('53000001E', 'A');
					INSERT INTO lead_scores (tenant_id, company_id, score, bucket, source)
					SELECT 1, company_id, 0.5, 'low', 'other' FROM companies WHERE uen = '53000001E'`)
			}},
		"a changed workspace": {check: "workspace 1", state: doctor.Failed, fact: "leadctl_t9",
			plant: func(t *testing.T, p *patient) { p.exec(t, `UPDATE odoo_connections SET db_name = 'leadctl_t9'`) }},
		"a job without a worker": {check: "jobs", state: doctor.Failed, fact: "available after 0 attempts",
			plant: func(t *testing.T, p *patient) {
				p.exec(t, `INSERT INTO river.river_job (kind, args, state, max_attempts, scheduled_at)
					VALUES ('acra_ingest', '{}', 'available', 20, now() - interval '1 hour')`)
			}},
		"an old register": {check: "register", state: doctor.Warning, fact: "240h",
			plant: func(t *testing.T, p *patient) {
				p.exec(t, `UPDATE acra_runs SET updated_at = now() - interval '10 days'`)
			}},
		"no register": {check: "register", state: doctor.Warning, fact: "never loaded",
			plant: func(t *testing.T, p *patient) { p.exec(t, `DELETE FROM acra_runs`) }},
		"little free disk space": {check: "disk", state: doctor.Warning, fact: "3.0 of 100.0 GiB free (3 %)",
			plant: func(_ *testing.T, p *patient) { p.setFree(3 << 30) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPatient(t)
			c.plant(t, p)
			checks := p.examine(t)
			for _, found := range of(checks, c.state) {
				if found.Name == c.check {
					require.Contains(t, found.Fact, c.fact)
					require.NotEmpty(t, found.Fix)
					return
				}
			}
			require.Fail(t, "not found", "%+v", checks)
		})
	}
}

// TestFix: Options.Fix makes the safe repairs and reports them.
func TestFix(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
	p.exec(t, discarded)
	p.options.Fix, p.options.By = true, tenant.By{Actor: "cli:test"}
	fixed := of(p.examine(t), doctor.Fixed)
	require.Len(t, fixed, 2, "%+v", fixed)
	require.Contains(t, fixed[0].Fact, "discarded")
	require.Equal(t, "updated from the register: 50 added, 0 changed", fixed[1].Fact)
	var state string
	require.NoError(t, p.db.Owner.QueryRow(t.Context(), `SELECT state FROM river.river_job`).Scan(&state))
	require.Equal(t, "available", state)
	require.Empty(t, of(p.examine(t), doctor.Fixed), "the second run repairs nothing")
}

// TestQuick: HealthChecks asks neither the publisher nor a workspace.
func TestQuick(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
	asked := p.site.Calls(acratest.Metadata)
	for _, c := range doctor.HealthChecks(t.Context(), p.config(t)) {
		require.NotContains(t, []string{"register source", "workspaces", "stored secrets", doctor.Failed}, c.Name)
		require.NotEqual(t, doctor.Failed, c.State, "%+v", c)
	}
	require.Equal(t, asked, p.site.Calls(acratest.Metadata))
}

// TestNothingConfigured: without any setting, each failed check has a fix.
func TestNothingConfigured(t *testing.T) {
	t.Parallel()
	cfg, _ := config.Load(config.Source{Dirs: []string{t.TempDir()}, Lookup: func(name string) (string, bool) {
		return "http://127.0.0.1:1/none", name == "API_URL"
	}})
	checks := doctor.Examine(t.Context(), doctor.Options{Config: cfg})
	require.Error(t, doctor.Verdict(checks))
	for _, c := range of(checks, doctor.Failed) {
		require.NotEmpty(t, c.Fix, "%+v", c)
	}
	require.GreaterOrEqual(t, len(of(checks, doctor.Skipped)), 10)
}
