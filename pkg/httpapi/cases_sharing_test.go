package httpapi_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/tenantid"
)

// principalsAreKeptApart: interleaved callers of two tenants each get only their own data.
func principalsAreKeptApart(t *testing.T, r *rig) {
	type caller struct {
		email, token string
		tenant       tenantid.ID
		role         string
	}
	var callers []caller
	for _, name := range []string{"one", "two"} {
		id := r.tenant(t, "B-049 "+name)
		for _, role := range []string{"viewer", "admin"} {
			email := role + "." + name + "@b049.example"
			callers = append(callers, caller{email,
				r.token("tenant_id", id, "sub", "same-sub-"+name+role, "email", email, "roles", []string{role}), id,
				role})
		}
	}
	for range 5 {
		for _, c := range callers {
			me := r.get(t, "/whoami", c.token).object(t)
			require.Equal(t, c.email, me["email"])
			require.InDelta(t, int(c.tenant), me["tenant_id"], 0)
			require.Equal(t, []any{c.role}, me["roles"])
			info := r.get(t, "/session/odoo_info", c.token).object(t)
			require.Equal(t, c.email, info["email"])
			require.InDelta(t, int(c.tenant), info["tenant_id"], 0)
			require.InDelta(t, int(c.tenant), r.get(t, "/onboarding/status", c.token).object(t)["tenant_id"], 0)
		}
	}
}

// notificationsSayNothing: every login receives every NOTIFY of a database. leadctl's notifications name no tenant.
func notificationsSayNothing(t *testing.T, _ *rig) {
	r := newRig(t)
	id, token := r.editor(t, "CNR-052")
	conn, err := pgx.Connect(t.Context(), r.db.LoginDSN)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	for _, channel := range []string{"river.river_insert", "river.river_leadership", "river.river_control",
		"river_insert", "river_control"} {
		_, err = conn.Exec(t.Context(), `LISTEN "`+channel+`"`)
		require.NoError(t, err)
	}
	require.Equal(t, http.StatusOK, r.post(t, "/icp/rules", token,
		`{"name":"CNR-052","payload":{"keywords":["cnr"]}}`).status)
	require.Less(t, r.post(t, "/onboarding/first_login", token, "").status, 300)
	const end = "end of the notifications"
	r.exec(t, `SELECT pg_notify('river.river_insert', $1)`, end) // notifications arrive in the order of their commits
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for n := 0; ; n++ {
		heard, err := conn.WaitForNotification(ctx)
		require.NoError(t, err)
		if heard.Payload == end {
			require.Positive(t, n, "no notification about a job")
			break
		}
		require.NotContains(t, heard.Payload, "CNR")
		require.NotContains(t, heard.Payload, "tenant")
		require.NotContains(t, heard.Payload, fmt.Sprintf(":%d", id))
	}
}

// oneTenantARequest: for a member of two tenants, each request uses the tenant that the token names.
func oneTenantARequest(t *testing.T, r *rig) {
	var ids [2]tenantid.ID
	for i := range ids {
		ids[i] = r.tenant(t, fmt.Sprint("B-062 ", i))
		r.lead(t, ids[i], fmt.Sprint("CNR-062-", i), 0.5)
		r.exec(t, `INSERT INTO tenant_users (tenant_id, user_id, issuer, subject, roles)
			VALUES ($1, 'both@b062.example', $2, 'b-062', '{viewer}')`, ids[i], r.URL)
	}
	for range 5 {
		for i := range ids {
			a := r.get(t, "/export/latest_scores.csv", r.token("tenant_id", ids[i], "sub", "b-062", "roles", nil))
			require.Contains(t, a.body, fmt.Sprint("CNR-062-", i))
			require.NotContains(t, a.body, fmt.Sprint("CNR-062-", 1-i))
		}
	}
	requireProblem(t, r.get(t, "/export/latest_scores.csv", r.token("sub", "b-062", "roles", nil)),
		http.StatusForbidden, "TENANT_REQUIRED")
}

// exportsLeaveNoFiles: an export is streamed to the caller. It leaves no file and no link that another user could find.
func exportsLeaveNoFiles(t *testing.T, r *rig) {
	id := r.tenant(t, "B-066")
	r.lead(t, id, "CNR-066", 0.5)
	token := r.token("tenant_id", id)
	before, err := os.ReadDir(os.TempDir())
	require.NoError(t, err)
	require.Contains(t, r.get(t, "/export/latest_scores.csv?limit=all", token).body, "CNR-066")
	after, err := os.ReadDir(os.TempDir())
	require.NoError(t, err)
	known := map[string]bool{}
	for _, e := range before {
		known[e.Name()] = true
	}
	for _, e := range after { // other tests make files at the same time
		require.False(t, !known[e.Name()] && strings.Contains(e.Name(), "scores"), e.Name())
	}
	for _, path := range []string{"/export/", "/export/latest_scores.csv.gz", "/export/latest_scores.csv/1",
		"/export/../export/latest_scores.csv", "/export/latest_scores",
		"/export/2/latest_scores.csv", "/export/latest_scores.csv%00", "/exports/latest_scores.csv"} {
		requireProblem(t, r.get(t, path, token), http.StatusNotFound, "not_found")
	}
}
