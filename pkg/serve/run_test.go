package serve

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/odoo/odootest"
	"github.com/leadctl/leadctl/pkg/odoo/provision"
	"github.com/leadctl/leadctl/pkg/pgtest"
)

// standIn is an Odoo stand-in with a prepared template, and the settings that name it.
func standIn(t testing.TB) (*odootest.Server, []string) {
	t.Helper()
	stand := odootest.New(odootest.Options{Master: "master"})
	web := httptest.NewServer(stand)
	t.Cleanup(web.Close)
	server, err := odoo.New(odoo.Options{BaseURL: web.URL})
	require.NoError(t, err)
	_, err = provision.PrepareTemplate(t.Context(), server,
		provision.Template{Name: "template", Master: "master", Secret: "template-admin"})
	require.NoError(t, err)
	return stand, []string{"ODOO_SERVER_URL", web.URL, "ODOO_TEMPLATE_DB", "template", "ODOO_MASTER_PASSWORD", "master",
		"LEADCTL_ODOO_TEMPLATE_PASSWORD", "template-admin"}
}

func firstLogin(t testing.TB, base, token string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/onboarding/first_login", nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return answer{resp.StatusCode, resp.Header, string(body)}
}

// endInOrder: not ready first and still answering, the download under way arrives whole, the running job goes back to
// the queue, nothing is claimed meanwhile, the end is no error, and another replica goes on.
func endInOrder(t *testing.T) {
	db, provider := pgtest.New(t), newIDP(t)
	stand, env := standIn(t)
	stand.Inject(odootest.Fault{Op: "db.duplicate_database", Do: odootest.Hang})
	id := newTenant(t, db, "Big", 100_000)
	env = append(env, "LEADCTL_KEYSET", keyset(t))
	d := start(t, settings(t, db.LoginDSN, provider.URL, env...),
		func(o *Options) { o.Settle, o.times.grace = 3*time.Second, 30*time.Second })
	eventually(t, "ready", func() bool { return get(t, d.base+"/readyz", "").status == http.StatusOK })
	require.Equal(t, http.StatusAccepted, firstLogin(t, d.base, provider.token("")).status)
	eventually(t, "the job hangs in Odoo", func() bool {
		calls := stand.Calls()
		return len(calls) > 0 && calls[len(calls)-1] == "db.duplicate_database"
	})
	// the rest waits for us to read
	download := begin(t, d.base+"/export/latest_scores.csv?limit=all", provider.token(id))

	d.stop()
	eventually(t, "not ready, and still answering",
		func() bool { return get(t, d.base+"/readyz", "").status == http.StatusServiceUnavailable })
	require.Equal(t, http.StatusOK, get(t, d.base+"/livez", "").status)
	require.Equal(t, http.StatusOK, get(t, d.base+"/whoami", provider.token(id)).status, "until the listener closes")
	exec(t, db, `INSERT INTO river.river_job (kind, args, max_attempts, queue, state)
		VALUES ('onboarding', '{"tenant_id":999}', 1, 'default', 'available')`)
	eventually(t, "the listener is closed", func() bool {
		_, err := fetch(t.Context(), d.base+"/livez", "")
		return err != nil
	})
	content, err := io.ReadAll(download.Body)
	require.NoError(t, err)
	require.Equal(t, 100_001, bytes.Count(content, []byte("\r\n")))
	require.Equal(t, "100000", download.Trailer.Get("X-Row-Count"))

	require.NoError(t, d.end())
	requireReturned(t, db)
	stand.Heal()
	exec(t, db, `DELETE FROM river.river_job WHERE args->>'tenant_id' = '999';
		UPDATE river.river_job SET scheduled_at = now()`)
	other := start(t, settings(t, db.LoginDSN, provider.URL, env...))
	eventually(t, "ready workspace", func() bool {
		return count(t, db,
			`SELECT count(*) FROM onboarding_status WHERE status = 'ready'`) == 1
	})
	require.Contains(t, get(t, other.base+"/onboarding/status", provider.token("")).body, `"ready"`)
}

// requireReturned demands that a daemon which ended holds nothing any more, and that its job waits for another.
func requireReturned(t testing.TB, db *pgtest.DB) {
	t.Helper()
	require.Zero(t, count(t, db,
		`SELECT count(*) FROM river.river_job WHERE state IN ('running', 'cancelled', 'discarded', 'completed')`))
	require.Equal(t, 1, count(t, db, `SELECT count(*) FROM river.river_job
		WHERE args->>'tenant_id' = '999' AND state = 'available' AND attempt = 0`),
		"no job is claimed after the signal")
	require.Equal(t, 1, count(t, db, `SELECT count(*) FROM river.river_job
		WHERE args->>'tenant_id' <> '999' AND state IN ('available', 'retryable', 'scheduled')`), "the job is back")
	require.Zero(t, count(t, db, `SELECT count(*) FROM onboarding_status WHERE status = 'error'`))
	eventually(t, "every connection is given back", func() bool { // PostgreSQL takes a moment to see that one is closed
		return count(t, db, `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND usename <> current_user`) == 0
	})
}

func member(t testing.TB, a answer, name string) any {
	t.Helper()
	var m map[string]any
	require.NoError(t, json.Unmarshal([]byte(a.body), &m), a.body)
	return m[name]
}

// odooDownAtSignIn: signing in works, the status is honest, and the workspace comes by itself when Odoo does.
func odooDownAtSignIn(t *testing.T) {
	db, provider := pgtest.New(t), newIDP(t)
	stand, odooSettings := standIn(t)
	d := start(t, settings(t, db.LoginDSN, provider.URL, odooSettings...),
		func(o *Options) { o.times.infoWait = time.Millisecond })
	stand.Inject(odootest.Fault{Op: "*", Do: odootest.Reset})
	token := provider.token("")
	require.Equal(t, http.StatusAccepted, firstLogin(t, d.base, token).status)
	require.Equal(t, http.StatusOK, get(t, d.base+"/whoami", token).status)
	eventually(t, "it was tried twice", func() bool {
		return count(t, db,
			`SELECT coalesce(max(attempt), 0) FROM river.river_job`) >= 2
	})
	require.Equal(t, "provisioning", member(t, get(t, d.base+"/onboarding/status", token), "status"))
	require.Contains(t, get(t, d.base+"/session/odoo_info", token).body, `"ready":false`)
	require.Equal(t, http.StatusOK, get(t, d.base+"/readyz", "").status, "an Odoo that is down takes no replica out")
	stand.Heal()
	eventually(t, "ready", func() bool {
		return member(t, get(t, d.base+"/onboarding/status", token),
			"status") == "ready"
	})
}

// pollingThroughTrouble: whatever Odoo does meanwhile, the status never fails, never goes back, and says ready only of
// a workspace that is.
func pollingThroughTrouble(t *testing.T) {
	db, provider := pgtest.New(t), newIDP(t)
	stand, odooSettings := standIn(t)
	for _, trouble := range []odootest.Fault{
		{Op: "db.duplicate_database", Times: 1, Do: odootest.Status, Code: http.StatusBadGateway, Text: "<html>CANARY"},
		{Op: "db.duplicate_database", Times: 1, Do: odootest.Truncate, Execute: true},
		{Op: "res.users.*", Times: 1, Do: odootest.Reset, Execute: true},
		{Op: "crm.*", Times: 1, Do: odootest.Garbage},
		{Op: "res.partner.*", Times: 3, Do: odootest.Slow, Delay: 200 * time.Millisecond},
	} {
		stand.Inject(trouble)
	}
	d := start(t, settings(t, db.LoginDSN, provider.URL, odooSettings...))
	token := provider.token("")
	require.Equal(t, http.StatusAccepted, firstLogin(t, d.base, token).status)
	rank := map[any]int{"provisioning": 0, "syncing": 1, "ready": 2}
	last := 0
	eventually(t, "ready", func() bool {
		a := get(t, d.base+"/onboarding/status", token)
		require.Equal(t, http.StatusOK, a.status, a.body)
		require.NotContains(t, a.body, "CANARY")
		now, known := rank[member(t, a, "status")]
		require.True(t, known, a.body)
		require.GreaterOrEqual(t, now, last, a.body)
		last = now
		if again := firstLogin(t, d.base, token); again.status >= 300 {
			t.Fatalf("a repeated sign-in: %+v", again)
		}
		return now == 2
	})
	require.Contains(t, get(t, d.base+"/onboarding/verify_odoo", token).body, `"exists":true,"smoke":true,"ready":true`)
	require.Equal(t, 1, count(t, db, `SELECT count(*) FROM river.river_job WHERE kind = 'onboarding'`))
	made := 0
	for _, e := range stand.Ledger() {
		if e.Do == "duplicate_database" {
			made++
		}
	}
	require.Equal(t, 1, made, "one workspace")
}

// dependenciesDownAtStart: without the identity provider or Odoo it starts and says so; without PostgreSQL it says what
// to do.
func dependenciesDownAtStart(t *testing.T) {
	db, provider := pgtest.New(t), newIDP(t)
	id := newTenant(t, db, "D-059", 1)

	err := refused(t, settings(t, "postgres://unknown:CANARY@127.0.0.1:1/none", provider.URL))
	requireFault(t, err, fault.Unavailable, "PostgreSQL does not answer")
	require.Equal(t, 6, fault.ExitCode(err))
	require.NotEmpty(t, fault.Hint(err))
	require.NotContains(t, err.Error(), "CANARY")

	provider.down.Store(true)
	d := start(t, settings(t, db.LoginDSN, provider.URL, "ODOO_SERVER_URL", "http://127.0.0.1:1", "ODOO_TEMPLATE_DB", "t", "ODOO_MASTER_PASSWORD", "m", "LEADCTL_ODOO_TEMPLATE_PASSWORD", "p"))
	for range 3 {
		ready := get(t, d.base+"/readyz", "")
		require.Equal(t, http.StatusServiceUnavailable, ready.status)
		require.NotEmpty(t, ready.header.Get("Retry-After"))
		require.Equal(t, http.StatusOK, get(t, d.base+"/livez", "").status)
		a := get(t, d.base+"/whoami", provider.token(id))
		require.Equal(t, http.StatusServiceUnavailable, a.status, "a good token is not called bad")
		require.NotEmpty(t, a.header.Get("Retry-After"))
	}
	provider.down.Store(false)
	eventually(t, "ready again", func() bool { return get(t, d.base+"/readyz", "").status == http.StatusOK })
	require.Equal(t, http.StatusOK, get(t, d.base+"/whoami", provider.token(id)).status)
}

func metricsOnTheirOwnPort(t *testing.T) {
	db, provider := pgtest.New(t), newIDP(t)
	id := newTenant(t, db, "CNR-TENANT", 1)
	d := start(t, settings(t, db.LoginDSN, provider.URL))
	require.Equal(t, http.StatusAccepted, firstLogin(t, d.base, provider.token("")).status)
	get(t, d.base+"/whoami", provider.token(id))
	get(t, d.base+"/cnr-path", "")
	page := get(t, d.metrics+"/metrics", "")
	require.Equal(t, http.StatusOK, page.status)
	for _, line := range []string{`leadctl_http_requests_total{route="GET /whoami",status="2xx"} 1`,
		`leadctl_http_requests_total{route="none",status="4xx"} 1`,
		`leadctl_http_request_duration_seconds_count{route="GET /whoami"} 1`, "leadctl_http_requests_in_flight 0",
		`leadctl_db_connections{state="max"}`,
		"leadctl_sso_keys_age_seconds", `leadctl_jobs{kind="onboarding",state=`, `leadctl_build_info{version="test"} 1`,
		"go_goroutines", "process_open_fds"} {
		require.Contains(t, page.body, line)
	}
	for _, canary := range []string{"CNR", "cnr", "acme.example", "ann"} {
		require.NotContains(t, strings.ReplaceAll(strings.ReplaceAll(page.body, "channel", ""), "scanned", ""), canary)
	}
	for _, path := range []string{"/", "/debug/pprof/", "/debug/vars", "/whoami", "/health"} {
		require.Equal(t, http.StatusNotFound, get(t, d.metrics+path, "").status, path)
	}
	for _, path := range []string{"/metrics", "/debug/pprof/", "/debug/vars"} {
		require.Equal(t, http.StatusNotFound, get(t, d.base+path, provider.token(id)).status, path)
	}
}
