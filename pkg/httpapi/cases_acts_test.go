package httpapi_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/httpapi"
	"github.com/leadctl/leadctl/pkg/pgtest"
	"github.com/leadctl/leadctl/pkg/web"
)

// everyRouteIsRecorded: a request of every route that changes something leaves exactly the lines of its acts in the
// transaction of the change, and none when it fails. A new row of the table must be here with its lines or a reason.
func everyRouteIsRecorded(t *testing.T, _ *rig) {
	const browser = "a browser's own session is its own record"
	lines := map[string]string{ // or the reason, which has spaces
		"POST /auth/login": "refuses every request", "POST /auth/refresh": browser,
		"POST /auth/exchange": browser, "POST /auth/logout": browser,
		"POST /tenants/{id}/odoo/api-key/rotate": "changes Odoo between two transactions (package workspace)",
		"POST /onboarding/first_login":           "tenant.create,user.claimed_roles,user.join",
		"POST /icp/rules":                        "icp.set", "POST /runs": "run.request",
		"DELETE /icp/rules/{name}": "icp.delete",
	}
	for i, row := range httpapi.Routes() {
		if row.Method == http.MethodGet {
			continue
		}
		want, known := lines[row.Method+" "+row.Path]
		require.True(t, known, "%s %s: has no lines here", row.Method, row.Path)
		if !strings.Contains(want, " ") {
			routeIsRecorded(t, row, strings.Split(want, ","), fmt.Sprint("act-", i))
		}
	}
}

func routeIsRecorded(t *testing.T, row httpapi.Route, want []string, name string) {
	r := newRig(t)
	id := r.tenant(t, "Recorded")
	r.exec(t, `INSERT INTO icp_rules (tenant_id, rule_id, name, payload)
		VALUES ($1, 1, 'walk', '{"keywords": ["a"]}'), ($1, 2, 'Second', '{}')`, id)
	token := r.token("tenant_id", id, "roles", []string{"admin"})
	if row.Guard == web.Identity {
		token = r.token("sub", "newcomer", "email", "new@acme.example", "email_verified", true)
	}
	act := func() answer {
		q := call(row, id, token)
		if q.header == nil {
			q.header = http.Header{}
		}
		q.header.Set("X-Request-Id", name)
		return r.do(t, q)
	}
	found := func() (actions []string) {
		require.NoError(t, r.db.Owner.QueryRow(t.Context(), `SELECT coalesce(array_agg(action ORDER BY action), '{}')
			FROM audit_log WHERE request_id = $1`, name).Scan(&actions))
		return actions
	}
	rows := func() string {
		all, err := pgtest.ActRows(t.Context(), r.db.Owner)
		require.NoError(t, err)
		return all
	}
	before := rows()
	tables, err := pgtest.ActTables(t.Context(), r.db.Owner)
	require.NoError(t, err)
	for _, failing := range [][]string{{pgtest.AuditLog}, tables} {
		undo, err := pgtest.FailChanges(t.Context(), r.db.Owner, failing...)
		require.NoError(t, err)
		a := act()
		require.NoError(t, undo())
		require.GreaterOrEqual(t, a.status, 500, "%s %s: %s", row.Method, row.Path, a.body)
		require.True(t, rows() == before, "%s %s: changed rows although it failed", row.Method, row.Path)
		require.Empty(t, found(), "%s %s: a line although it failed", row.Method, row.Path)
	}
	a := act()
	require.Less(t, a.status, 300, "%s %s: %s", row.Method, row.Path, a.body)
	require.NotEqual(t, before, rows())
	slices.Sort(want)
	require.Equal(t, want, found())
}
