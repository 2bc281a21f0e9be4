package console_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/pgtest"
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
	alice := s.browser(t).signInAndWait("alice")
	type form struct{ line, other string }
	forms := map[string]form{
		"POST /signout":         {other: "a browser's own session is its own record"},
		"POST /dev/tenant":      {other: "sets a cookie"},
		"POST /profiles/try":    {other: "counts"},
		"POST /setup":           {other: "as POST /onboarding/first_login (package httpapi)"},
		"POST /leads/score":     {line: "run.request"},
		"POST /profiles":        {line: "icp.set"},
		"POST /profiles/delete": {line: "icp.delete"},
	}
	for _, route := range allRoutes() {
		if path, ok := strings.CutPrefix(route.Pattern, "POST "); ok {
			f := forms[route.Pattern]
			require.True(t, (f.line == "") != (f.other == ""), "%s: has no line here", route.Pattern)
			if f.line != "" {
				formIsRecorded(t, s, alice, path, f.line)
			}
		}
	}
}

func formIsRecorded(t *testing.T, s *site, alice *browser, path, line string) {
	text := func(sql string) (value string) {
		require.NoError(t, s.db.Owner.QueryRow(t.Context(), sql).Scan(&value))
		return value
	}
	lines := func() string {
		return text(`SELECT coalesce(string_agg(action, ',' ORDER BY at), '') FROM audit_log
			WHERE tenant_id = 1 AND actor = 'alice' AND action ~ '^(icp|run)'`)
	}
	rows := func() string {
		return text(`SELECT concat((SELECT string_agg(r::text, ',' ORDER BY rule_id) FROM icp_rules r),
			(SELECT count(*) FROM enrichment_runs))`)
	}
	post := func() answer { return alice.post(path, "name", "Default", "keywords", "software") }
	s.waitForJobs(t, "leads_score")
	s.exec(t, `INSERT INTO icp_rules (tenant_id, rule_id, name, payload) VALUES (1, 90, 'Second', '{}')
		ON CONFLICT DO NOTHING`)
	before, recorded := rows(), lines()
	for _, failing := range [][]string{{pgtest.AuditLog}, {"icp_rules", "enrichment_runs"}} {
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
