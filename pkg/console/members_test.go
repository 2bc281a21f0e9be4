package console_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/config"
)

// TestMembers: an admin invites, changes and removes people of the own tenant, who notice it at once. Other roles do
// not see the page.
func TestMembers(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *config.Config) { c.Onboarding.Policy, c.Quotas.Invitations = "open", 2 })
	alice := s.browser(t).signInAndWait("alice")
	ada, vera := s.browser(t), s.browser(t)
	ada.signInAndWait("ada")
	vera.signInAndWait("vera")
	for name, other := range map[string]*browser{"ops": alice, "viewer": vera} {
		require.NotContains(t, other.get("/leads").body, `href="/members"`, name)
		require.Equal(t, http.StatusForbidden, other.get("/members").status, name)
		invite := other.post("/members", "email", "x@acme.example", "role", "admin")
		require.Equal(t, http.StatusForbidden, invite.status, name)
		require.Equal(t, http.StatusForbidden, other.post("/members/remove", "email", "ada@acme.example").status, name)
	}
	require.Contains(t, ada.get("/leads").body, `href="/members"`)
	list := ada.get("/members").body
	for _, email := range []string{"alice@acme.example", "ada@acme.example", "vera@acme.example"} {
		require.Contains(t, list, email)
	}

	// An invitation, a second one, one too many, and wrong input.
	invited := ada.follow(ada.post("/members", "email", "New@acme.example", "role", "ops")).body
	require.Contains(t, invited, "is invited")
	require.Contains(t, invited, "new@acme.example")
	require.Contains(t, invited, "invited until")
	s.exec(t, `UPDATE tenant_users SET invited_until = now() - interval '1 s' WHERE user_id = 'new@acme.example'`)
	require.Contains(t, ada.get("/members").body, "invitation expired")
	again := ada.follow(ada.post("/members", "email", "new@acme.example", "role", "viewer")).body
	require.Contains(t, again, "invited until")
	require.Equal(t, http.StatusSeeOther, ada.post("/members", "email", "b@acme.example", "role", "viewer").status)
	require.Equal(t, http.StatusConflict, ada.post("/members", "email", "c@acme.example", "role", "viewer").status)
	for _, wrong := range [][]string{{"email", "nonsense", "role", "ops"},
		{"email", "x@acme.example", "role", "owner"}} {
		require.Equal(t, http.StatusBadRequest, ada.post("/members", wrong...).status, wrong)
	}

	// The own membership stays; another tenant's people are not reached.
	require.Equal(t, http.StatusConflict, ada.post("/members/remove", "email", "ADA@acme.example").status)
	own := ada.post("/members", "email", "ada@acme.example", "role", "viewer", "member", "1")
	require.Equal(t, http.StatusConflict, own.status)
	s.browser(t).signInAndWait("bob")
	require.NotContains(t, ada.get("/members").body, "borealis")
	require.Equal(t, http.StatusNotFound, ada.post("/members/remove", "email", "bob@borealis.example").status)

	// A role, and a removal after a question.
	changed := ada.follow(ada.post("/members", "email", "vera@acme.example", "role", "admin", "member", "1")).body
	require.Contains(t, changed, "The role of vera@acme.example is changed")
	asked := ada.get("/members?" + url.Values{"remove": {"vera@acme.example"}}.Encode()).body
	require.Contains(t, asked, "Remove vera@acme.example?")
	require.Equal(t, http.StatusOK, vera.get("/leads").status, "a question removes no person")
	done := ada.post("/members/remove", "email", "vera@acme.example")
	require.Contains(t, ada.follow(done).body, "vera@acme.example is removed")
	s.waitForJobs(t, "odoo_access")
	require.Contains(t, ada.follow(done).body, "The access to Odoo has ended.")
	var other int
	require.NoError(t, s.db.Owner.QueryRow(t.Context(), `SELECT max(id) FROM river.river_job
		WHERE args->>'tenant_id' = '2'`).Scan(&other))
	for _, job := range []string{formatInt(other), "999999", "x"} {
		page := ada.get("/members?removed=vera@acme.example&job=" + job)
		require.Equal(t, http.StatusOK, page.status)
		require.NotContains(t, page.body, "access to Odoo", "job %s is none of the tenant's", job)
	}
	require.Equal(t, http.StatusSeeOther, vera.get("/leads").status, "the open session has ended")
	var lines int
	require.NoError(t, s.db.Owner.QueryRow(t.Context(), `SELECT count(*) FROM audit_log WHERE actor = 'ada'
		AND action IN ('user.invite', 'user.add', 'user.remove')`).Scan(&lines))
	require.Equal(t, 5, lines, "three invitations, a role, a removal")
}
