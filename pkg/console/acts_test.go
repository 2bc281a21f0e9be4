package console_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/pgtest"
	"github.com/leadctl/leadctl/pkg/sso"
)

// TestActs runs the acceptance case of forms.
func TestActs(t *testing.T) {
	t.Parallel()
	t.Run("B-085", everyFormIsRecorded)
}

// everyFormIsRecorded: a form that changes something leaves exactly one line in the transaction of the change, and none
// when it fails. A new POST row of the table must be here with its line or a reason.
func everyFormIsRecorded(t *testing.T) {
	s := newSite(t)
	alice, ada := s.browser(t).signInAndWait("alice"), s.browser(t).signInAndWait("ada") // ops and admin of tenant 1
	type form struct{ line, other string }
	forms := map[string]form{
		"POST /signout":         {other: "a browser's own session is its own record"},
		"POST /dev/tenant":      {other: "sets a cookie"},
		"POST /profiles/try":    {other: "counts"},
		"POST /setup":           {other: "as POST /onboarding/first_login (package httpapi)"},
		"POST /leads/score":     {line: "run.request"},
		"POST /profiles":        {line: "icp.set"},
		"POST /profiles/delete": {line: "icp.delete"},
		"POST /members":         {line: "user.invite"},
		"POST /members/remove":  {line: "user.remove"},
	}
	for _, route := range allRoutes() {
		if path, ok := strings.CutPrefix(route.Pattern, "POST "); ok {
			f := forms[route.Pattern]
			require.True(t, (f.line == "") != (f.other == ""), "%s: has no line here", route.Pattern)
			caller := alice
			if route.Role == sso.Admin {
				caller = ada
			}
			if f.line != "" {
				formIsRecorded(t, s, caller, path, f.line)
			}
		}
	}
}

func formIsRecorded(t *testing.T, s *site, caller *browser, path, line string) {
	text := func(sql string) (value string) {
		require.NoError(t, s.db.Owner.QueryRow(t.Context(), sql).Scan(&value))
		return value
	}
	lines := func() string {
		return text(`SELECT coalesce(string_agg(action, ',' ORDER BY at), '') FROM audit_log
			WHERE tenant_id = 1 AND actor IN ('alice', 'ada') AND action ~ '^(icp|run|user.(invite|add|remove))'`)
	}
	rows := func() string {
		return text(`SELECT concat((SELECT string_agg(r::text, ',' ORDER BY rule_id) FROM icp_rules r),
			(SELECT count(*) FROM enrichment_runs),
			(SELECT string_agg(u::text, ',' ORDER BY user_id) FROM tenant_users u))`)
	}
	post := func() answer {
		return caller.post(path, "name", "Default", "keywords", "software", "email", "new@acme.example", "role", "ops")
	}
	s.waitForJobs(t, "leads_score")
	s.exec(t, `INSERT INTO icp_rules (tenant_id, rule_id, name, payload) VALUES (1, 90, 'Second', '{}')
		ON CONFLICT DO NOTHING`)
	before, recorded := rows(), lines()
	for _, failing := range [][]string{{pgtest.AuditLog}, {"icp_rules", "enrichment_runs", "tenant_users"}} {
		undo, err := pgtest.FailChanges(t.Context(), s.db.Owner, failing...)
		require.NoError(t, err)
		a := post()
		require.NoError(t, undo())
		require.Equal(t, http.StatusInternalServerError, a.status, "%s: %s", path, a.body)
		require.Equal(t, before, rows(), "%s: changed rows although it failed", path)
		require.Equal(t, recorded, lines(), "%s: left a line although it failed", path)
	}
	require.Equal(t, http.StatusSeeOther, post().status, path)
	require.NotEqual(t, before, rows())
	require.Equal(t, strings.TrimPrefix(recorded+","+line, ","), lines())
}
