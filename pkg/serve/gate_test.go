package serve

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/pgtest"
	"github.com/leadctl/leadctl/pkg/tcpproxy"
)

// startPostgresProxy starts a proxy between the daemon and PostgreSQL. through is the DSN of the daemon.
func startPostgresProxy(t testing.TB, dsn string) (p *tcpproxy.Proxy, through string) {
	t.Helper()
	p, through, err := tcpproxy.StartPostgres(dsn)
	require.NoError(t, err)
	t.Cleanup(p.Close)
	return p, through
}

// databaseGoneForAWhile: 503 with Retry-After, alive but not ready, and back by itself.
func databaseGoneForAWhile(t *testing.T) {
	db, provider := pgtest.New(t), newIDP(t)
	id := newTenant(t, db, "D-027", 3)
	proxy, dsn := startPostgresProxy(t, db.LoginDSN)
	d := start(t, settings(t, dsn, provider.URL))
	token := provider.token(id)
	require.Equal(t, http.StatusOK, get(t, d.base+"/scores/latest", token).status)
	for range 2 {
		proxy.Disconnect()
		eventually(t, "not ready", func() bool {
			return get(t, d.base+"/readyz",
				"").status == http.StatusServiceUnavailable
		})
		for _, path := range []string{"/scores/latest", "/export/latest_scores.csv", "/onboarding/status"} {
			a := get(t, d.base+path, token)
			require.Equal(t, http.StatusServiceUnavailable, a.status, a.body)
			require.NotEmpty(t, a.header.Get("Retry-After"))
		}
		require.Equal(t, http.StatusOK, get(t, d.base+"/livez", "").status)
		require.Equal(t, http.StatusUnauthorized, get(t, d.base+"/whoami", "bad").status)
		require.NoError(t, proxy.Connect())
		eventually(t, "ready again", func() bool { return get(t, d.base+"/readyz", "").status == http.StatusOK })
		require.Equal(t, http.StatusOK, get(t, d.base+"/scores/latest", token).status)
	}
}

// databaseReadOnlyForAWhile: writes get 503 with Retry-After, the replica is alive but not ready, and back by itself.
func databaseReadOnlyForAWhile(t *testing.T) {
	db, provider := pgtest.New(t), newIDP(t)
	id := newTenant(t, db, "D-083", 3)
	d := start(t, settings(t, db.LoginDSN, provider.URL))
	for _, change := range []string{"SET default_transaction_read_only = on", "RESET default_transaction_read_only"} {
		exec(t, db, `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I `+change+`', current_database()); END $$`)
		exec(t, db, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE datname = current_database() AND pid <> pg_backend_pid() AND '`+change+`' LIKE 'SET%'`)
		if change[0] == 'R' {
			break
		}
		eventually(t, "not ready", func() bool {
			return get(t, d.base+"/readyz", "").status == http.StatusServiceUnavailable
		})
		for _, token := range []string{provider.token(""), provider.token(id)} {
			a := firstLogin(t, d.base, token)
			require.Equal(t, http.StatusServiceUnavailable, a.status, a.body)
			require.NotEmpty(t, a.header.Get("Retry-After"))
		}
		require.Equal(t, http.StatusOK, get(t, d.base+"/livez", "").status)
		require.Equal(t, http.StatusOK, get(t, d.base+"/scores/latest", provider.token(id)).status, "reads are served")
	}
	eventually(t, "ready again", func() bool { return get(t, d.base+"/readyz", "").status == http.StatusOK })
	require.Equal(t, http.StatusAccepted, firstLogin(t, d.base, provider.token("")).status)
}

// The routes that clients poll in tight loops ask PostgreSQL little and Odoo nothing: three messages for who is
// calling, three or four for the answer. The requests differ, because identical ones in a loop are answered from
// memory.
func TestPollingIsCheap(t *testing.T) {
	t.Parallel()
	db, provider := pgtest.New(t), newIDP(t)
	stand, odooSettings := standIn(t)
	id := newTenant(t, db, "Polling", 1)
	_, err := db.Owner.Exec(t.Context(),
		`INSERT INTO onboarding_status (tenant_id, status, step) VALUES ($1::text::int, 'ready', 'icp_template')`, id)
	require.NoError(t, err)
	proxy, dsn := startPostgresProxy(t, db.LoginDSN)
	d := start(t, settings(t, dsn, provider.URL, append(odooSettings, "LEADCTL_DATABASE_MAX_CONNS", "1")...))
	calls := len(stand.Calls())
	token := provider.token(id)
	poll := func(path string) (perHit int64) {
		require.Equal(t, http.StatusOK, get(t, d.base+path, token).status) // statements are prepared now
		// jobs, which have connections of their own, talk in between
		least := int64(1 << 62)
		for i := range 20 {
			before := proxy.Received()
			require.Equal(t, http.StatusOK, get(t, fmt.Sprint(d.base, path, "?i=", i), token).status)
			least = min(least, proxy.Received()-before)
		}
		return least
	}
	for path, most := range map[string]int64{"/info": 0, "/whoami": 3, "/onboarding/status": 6, "/tenants/" + id: 6,
		"/session/odoo_info": 7, "/onboarding/verify_odoo": 7} {
		require.LessOrEqual(t, poll(path), most, path)
	}
	require.Len(t, stand.Calls(), calls, "Odoo is not asked")
	_, err = db.Owner.Exec(t.Context(), `UPDATE tenants SET status = 'suspended' WHERE tenant_id = $1::text::int`, id)
	require.NoError(t, err)
	require.Equal(t, http.StatusForbidden, get(t, d.base+"/whoami?after", token).status)
}
