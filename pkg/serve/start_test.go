package serve

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/pgtest"
	"github.com/leadctl/leadctl/pkg/secret"
	"github.com/leadctl/leadctl/pkg/tenantid"
	"github.com/leadctl/leadctl/pkg/workspace"
)

func TestCases(t *testing.T) {
	t.Parallel()
	for id, run := range map[string]func(*testing.T){
		"A-100": bypassMatrix, "A-115": insecureProviders,
		"B-001": superuserInProduction, "B-003": ownerInProduction, "B-006": unforcedTable,
		"C-002": requestSmuggling, "C-010": slowHeaders, "C-011": slowBodies, "C-013": onlyHTTP1, "C-053": noTLS,
		"C-042": metricsOnTheirOwnPort,
		"D-007": odooDownAtSignIn, "D-014": pollingThroughTrouble, "D-027": databaseGoneForAWhile,
		"D-083": databaseReadOnlyForAWhile, "D-085": slowReaders,
		"D-040": pendingMigration, "D-053": endInOrder, "D-059": dependenciesDownAtStart,
	} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			run(t)
		})
	}
}

// bypassMatrix: the daemon starts with the bypass only in development, on a loopback address, with the setting.
func bypassMatrix(t *testing.T) {
	db, provider := pgtest.New(t), newIDP(t)
	id := newTenant(t, db, "A-100", 1)
	spelled := map[string]bool{"1": true, "true": true, "TRUE": true, "yes": true, "on": true, " 1 ": false,
		"01": false}
	machines := map[string]bool{"": false, "prod": false, "production": false, "staging": false, "Prod": false,
		"dev": true}
	listeners := map[string]bool{"127.0.0.1:0": true, "[::1]:0": true, "0.0.0.0:0": false, ":8080": false}
	for _, spelling := range slices.Sorted(maps.Keys(spelled)) {
		for _, machine := range slices.Sorted(maps.Keys(machines)) {
			for _, listen := range slices.Sorted(maps.Keys(listeners)) {
				for _, issuer := range []string{provider.URL, "https://id.example"} {
					name := fmt.Sprintf("%q in %q on %s with %s", spelling, machine, listen, issuer)
					cfg := settings(t, db.LoginDSN, issuer, "ALLOW_DEV_BYPASS", spelling, "LEADCTL_ENV", machine,
						"LEADCTL_API_LISTEN", listen)
					if !spelled[spelling] || !machines[machine] || !listeners[listen] {
						require.Equal(t, 3, fault.ExitCode(refused(t, cfg)), name)
					}
				}
			}
		}
	}
	d := start(t, settings(t, db.LoginDSN, provider.URL, "ALLOW_DEV_BYPASS", "1", "LEADCTL_ENV", "dev"))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.base+"/whoami", nil)
	require.NoError(t, err)
	req.Header.Set("X-Tenant-ID", id)
	resp, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Equal(t, "1", resp.Header.Get("X-Dev-Bypass"))
}

func insecureProviders(t *testing.T) {
	db := pgtest.New(t)
	err := refused(t, settings(t, db.LoginDSN, "http://id.example", "LEADCTL_ENV", "production"))
	requireFault(t, err, fault.Operator, "NEXIUS_ISSUER is not https")
	err = refused(t, settings(t, db.LoginDSN, "http://id.example"))
	requireFault(t, err, fault.Operator, "issuer")
}

func superuserInProduction(t *testing.T) {
	db := pgtest.New(t)
	err := refused(t, settings(t, db.OwnerDSN, "https://id.example", "LEADCTL_ENV", "production"))
	requireFault(t, err, fault.Operator, "superuser")
	require.Equal(t, 3, fault.ExitCode(err))
}

// ownerInProduction: a login that may become the owner could switch row security off.
func ownerInProduction(t *testing.T) {
	db := pgtest.New(t)
	const name = "serve_test_owner"
	_, err := db.Owner.Exec(t.Context(), `DROP ROLE IF EXISTS `+name+`; CREATE ROLE `+name+
		` LOGIN PASSWORD 'x' IN ROLE leadctl_owner, leadctl_app, leadctl_system`)
	require.NoError(t, err)
	dsn, err := url.Parse(db.LoginDSN)
	require.NoError(t, err)
	dsn.User = url.UserPassword(name, "x")
	err = refused(t, settings(t, dsn.String(), "https://id.example", "LEADCTL_ENV", "production"))
	requireFault(t, err, fault.Operator, "leadctl_owner")
}

func unforcedTable(t *testing.T) {
	db := pgtest.New(t)
	var names []string
	for _, c := range []struct{ plant, name string }{
		{`ALTER TABLE lead_scores NO FORCE ROW LEVEL SECURITY`, "G07 lead_scores"},
		{`CREATE TABLE extra (tenant_id int NOT NULL); GRANT SELECT ON extra TO leadctl_app`, "G06 extra"},
		{`CREATE POLICY everyone ON lead_features USING (true)`, "G09 lead_features"},
		{`GRANT SELECT ON sessions TO PUBLIC`, "G34 sessions"},
		{`GRANT DELETE ON audit_log TO leadctl_app`, "G35 audit_log"},
	} {
		_, err := db.Owner.Exec(t.Context(), c.plant)
		require.NoError(t, err)
		names = append(names, c.name)
		for _, machine := range []string{"production", "development"} {
			err = refused(t, settings(t, db.LoginDSN, "https://id.example", "LEADCTL_ENV", machine))
			requireFault(t, err, fault.Operator, names...) // all at once
			require.Equal(t, 3, fault.ExitCode(err))
		}
	}
}

func pendingMigration(t *testing.T) {
	err := refused(t, settings(t, pgtest.Empty(t), "https://id.example"))
	requireFault(t, err, fault.Operator)
	require.Contains(t, fault.Hint(err), "leadctl migrate")

	for _, change := range []string{`UPDATE leadctl_schema_version SET version = version - 1`,
		`UPDATE leadctl_schema_version SET version = 999`, `UPDATE leadctl_schema_version SET dirty = true`} {
		db := pgtest.New(t)
		_, err := db.Owner.Exec(t.Context(), change)
		require.NoError(t, err)
		err = refused(t, settings(t, db.LoginDSN, "https://id.example"))
		requireFault(t, err, fault.Operator, "schema version")
		require.NotEmpty(t, fault.Hint(err))
	}
}

func TestOneLoginIsEnoughForADeveloper(t *testing.T) {
	t.Parallel()
	db, provider := pgtest.New(t), newIDP(t)
	id := newTenant(t, db, "Own", 2)
	d := start(t, settings(t, db.OwnerDSN, provider.URL))
	require.Equal(t, http.StatusOK, get(t, d.base+"/readyz", "").status)
	a := get(t, d.base+"/shortlist/status", provider.token(id))
	require.Equal(t, http.StatusOK, a.status, a.body)
	require.Contains(t, a.body, `"total_scored":2`)
}

func TestAPortThatIsTaken(t *testing.T) {
	t.Parallel()
	db, provider := pgtest.New(t), newIDP(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = ln.Close() })
	taken := ln.Addr().String()

	err = Run(t.Context(), settings(t, db.LoginDSN, provider.URL, "LEADCTL_API_LISTEN", taken), Options{})
	requireFault(t, err, fault.Conflict, taken)
	require.Contains(t, fault.Hint(err), "--listen")
	require.Zero(t, count(t, db, `SELECT count(*) FROM river.river_leader`), "no job was touched")

	production := settings(t, db.LoginDSN, "https://id.example", "LEADCTL_ENV", "production", "LEADCTL_API_METRICS_LISTEN", taken)
	err = Run(t.Context(), production, Options{})
	requireFault(t, err, fault.Conflict, taken)
	require.Contains(t, fault.Hint(err), "LEADCTL_API_METRICS_LISTEN")

	// On a developer's machine the second process does without metrics.
	d := start(t, settings(t, db.LoginDSN, provider.URL, "LEADCTL_API_METRICS_LISTEN", taken),
		func(o *Options) { o.ListenMetrics = nil })
	require.Contains(t, d.log.String(), "no metrics")
	require.Equal(t, http.StatusOK, get(t, d.base+"/health", "").status)

	err = Run(t.Context(), settings(t, db.LoginDSN, provider.URL, "LEADCTL_API_LISTEN", "192.0.2.1:2024"), Options{})
	requireFault(t, err, fault.Invalid, "192.0.2.1")
}

func TestAConfigurationWithManyFaultsNamesThemAll(t *testing.T) {
	t.Parallel()
	cfg := settings(t, "", "http://id.example", "LEADCTL_ENV", "production", "COOKIE_SECURE", "0", "LEADCTL_KEYSET", "nonsense", "LEADCTL_SSO_ALGORITHMS", "HS256", "ALLOW_DEV_BYPASS", "1", "PAGE_SIZE", "many")
	err := refused(t, cfg)
	require.Equal(t, 3, fault.ExitCode(err))
	for _, part := range []string{"POSTGRES_DSN", "NEXIUS_ISSUER", "COOKIE_SECURE", "HS256", "ALLOW_DEV_BYPASS",
		"PAGE_SIZE", "keyset"} {
		require.ErrorContains(t, err, part)
	}
	require.NotContains(t, err.Error(), "nonsense", "a secret is not repeated")
	requireFault(t, refused(t, settings(t, "postgres://x@127.0.0.1:1/x", "https://id.example", "LEADCTL_KEYSET", "")), fault.Operator, "keyset")
}

func TestTheKeysetOfAnotherInstallation(t *testing.T) {
	t.Parallel()
	db, provider := pgtest.New(t), newIDP(t)
	seal := func(keys string, tenant tenantid.ID) {
		ring, err := secret.Parse([]byte(keys))
		require.NoError(t, err)
		sealed, err := ring.Seal("key", workspace.SealedColumns()[0].Purpose, tenant)
		require.NoError(t, err)
		_, err = db.Owner.Exec(t.Context(), `INSERT INTO odoo_connections (tenant_id, db_name, secret)
			VALUES ($1, $2, $3)`, tenant, fmt.Sprint("t_", tenant), sealed)
		require.NoError(t, err)
	}
	newTenant(t, db, "First", 1)
	seal(keyset(t), 1)
	mine := keyset(t)
	cfg := settings(t, db.LoginDSN, provider.URL, "LEADCTL_KEYSET", mine)
	err := refused(t, cfg)
	requireFault(t, err, fault.Operator, "keyset")
	require.Contains(t, fault.Hint(err), "LEADCTL_KEYSET_FILE")

	// With a secret of this keyset, leadctl starts and the other secret is one tenant's failure.
	newTenant(t, db, "Second", 1)
	seal(mine, 2)
	require.Contains(t, start(t, cfg).log.String(), "the keyset lacks keys")
}
