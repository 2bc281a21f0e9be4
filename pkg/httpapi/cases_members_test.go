package httpapi_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/web"
	"github.com/leadctl/leadctl/pkg/workspace"
)

// removeUser removes a user as `leadctl tenant user remove` does.
func (r *rig) removeUser(t testing.TB, s *setup, id tenant.ID, email string) {
	t.Helper()
	require.NoError(t, r.db.App.InSystem(t.Context(), "test", func(ctx context.Context, tx postgres.SystemTx) error {
		_, err := workspace.RemoveUser(ctx, tx, s.deps.Jobs, id, email, time.Now(), tenant.By{Actor: "test"})
		return err
	}))
}

// removedMembers: every guarded route refuses the token of a removed member, although it claims tenant and role, and
// first_login brings no membership back.
func removedMembers(t *testing.T, _ *rig) {
	for _, mode := range []tenant.Membership{tenant.ByClaim, tenant.Required} {
		var s *setup
		r := newRig(t, func(given *setup) {
			s = given
			s.door.Membership, s.deps.Onboarding.Membership = mode, mode
		})
		id := r.tenant(t, "A-148")
		r.exec(t, `INSERT INTO tenant_users (tenant_id, user_id, issuer, subject, roles)
			VALUES ($1, 'a148@acme.example', $2, 'A-148', '{admin}')`, id, r.URL)
		claims := func(sub string) string {
			return r.token("typ", "Bearer", "tenant_id", id, "roles", []string{"admin"}, "sub", sub,
				"email", "a148@acme.example", "email_verified", true)
		}
		token := claims("A-148")
		require.Equal(t, http.StatusOK, r.get(t, export, token).status)
		r.removeUser(t, s, id, "a148@acme.example")
		before := r.count(t, `SELECT count(*) FROM tenant_users`) + r.count(t, `SELECT count(*) FROM tenants`)
		for _, row := range guarded(web.Member) {
			requireProblem(t, r.do(t, call(row, id, token)), http.StatusForbidden, "MEMBER_REMOVED")
		}
		for _, token := range []string{token, claims("A-148 again")} {
			requireProblem(t, r.post(t, "/onboarding/first_login", token, ""), http.StatusForbidden, "MEMBER_REMOVED")
		}
		require.Equal(t, before,
			r.count(t, `SELECT count(*) FROM tenant_users`)+r.count(t, `SELECT count(*) FROM tenants`))
		stranger := r.get(t, export, r.token("typ", "Bearer", "tenant_id", id, "roles", []string{"admin"},
			"sub", "stranger"))
		if mode == tenant.ByClaim {
			require.Equal(t, http.StatusOK, stranger.status)
		} else {
			requireProblem(t, stranger, http.StatusForbidden, "MEMBERSHIP_REQUIRED")
		}
	}
}
