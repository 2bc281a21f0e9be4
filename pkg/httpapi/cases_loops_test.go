package httpapi_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/httpapi"
)

// loopsCostNothing: a client that asks for the same state in a loop gets the same answers, and a first_login of a ready
// tenant writes nothing.
func loopsCostNothing(t *testing.T) {
	r := newRig(t)
	id := r.tenant(t, "C-065")
	token := r.token("tenant_id", id, "sub", "c065", "email", "c065@acme.example", "email_verified", true)
	require.Equal(t, http.StatusOK, r.do(t, request{method: http.MethodPost, path: "/onboarding/first_login",
		token: token}).status)
	before, rows := r.state(t), r.rowVersions(t)
	polled := 0
	for _, row := range httpapi.Routes() {
		if !row.Polled {
			continue
		}
		polled++
		first := r.do(t, request{method: row.Method, path: row.Path, token: token})
		require.Equal(t, http.StatusOK, first.status, row.Path)
		for range 120 {
			again := r.do(t, request{method: row.Method, path: row.Path, token: token})
			require.Equal(t, http.StatusOK, again.status, row.Path)
			require.Equal(t, first.body, again.body)
			require.NotEqual(t, first.header.Get("X-Request-Id"), again.header.Get("X-Request-Id"))
			require.Equal(t, "no-store", again.header.Get("Cache-Control"))
		}
	}
	require.Equal(t, 5, polled)
	require.Equal(t, before, r.state(t))
	require.Equal(t, rows, r.rowVersions(t), "no row was locked or written again")

	// A change by another process counts within a second.
	r.exec(t, `UPDATE tenants SET status = 'suspended' WHERE tenant_id = $1`, id)
	require.Eventually(t, func() bool {
		return r.get(t, "/whoami", token).status == http.StatusForbidden
	}, time.Minute, 20*time.Millisecond)
}

// lastWaits: a client asks six times for its workspace while it is being made, and then stops. Each request releases
// the one before it, and the last is answered when the workspace is ready.
func lastWaits(t *testing.T) {
	r := newRig(t, func(s *setup) { s.cfg.InfoWait = time.Hour })
	id := r.tenant(t, "C-066")
	r.exec(t, `UPDATE onboarding_status SET status = 'provisioning', step = 'odoo_database' WHERE tenant_id = $1`, id)
	token := r.token("tenant_id", id)
	answers := make([]chan answer, 6)
	ready := func(a answer) any { return a.object(t)["odoo"].(map[string]any)["ready"] }
	for i := range answers {
		answers[i] = make(chan answer, 1)
		go func() { answers[i] <- r.get(t, "/session/odoo_info", token) }()
		if i > 0 {
			require.Equal(t, false, ready(<-answers[i-1]), "the next request releases it")
		} else {
			require.Eventually(t, func() bool { return r.api.Waiting() == 1 }, time.Minute, time.Millisecond)
		}
	}
	r.exec(t, `UPDATE onboarding_status SET status = 'ready' WHERE tenant_id = $1`, id)
	require.Equal(t, true, ready(<-answers[5]))
	require.Zero(t, r.api.Waiting())
}

// rowVersions returns the versions of all rows that a sign-in can write.
func (r *rig) rowVersions(t *testing.T) string {
	t.Helper()
	var all []string
	for _, table := range []string{"tenants", "tenant_users", "identities", "onboarding_status", "odoo_connections"} {
		var part string
		require.NoError(t, r.db.Owner.QueryRow(t.Context(),
			`SELECT coalesce(string_agg(ctid || ' ' || xmin || ' ' || xmax, ',' ORDER BY ctid), '') FROM `+table).
			Scan(&part))
		all = append(all, table+": "+part)
	}
	return strings.Join(all, "\n")
}
