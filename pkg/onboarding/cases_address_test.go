package onboarding_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/onboarding"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
)

// addressesThatLookAlike: an invitation or a policy's domain matches A to Z in any case, and no other letter. The test
// gives the column a collation in which more letters are equal, as a database's own collation can.
func addressesThatLookAlike(t *testing.T) {
	t.Parallel()
	r := newRig(t, onboarding.Policy{Mode: onboarding.PolicyDomains,
		Domains: []string{"inc.example", "Acme.Example"}})
	_, err := r.db.Owner.Exec(t.Context(),
		`ALTER TABLE tenant_users ALTER COLUMN user_id TYPE text COLLATE "und-x-icu"`)
	require.NoError(t, err)
	var host tenant.Tenant
	require.NoError(t, r.DB.InSystem(t.Context(), "test", func(ctx context.Context, tx postgres.SystemTx) (err error) {
		if host, err = tenant.Create(ctx, tx, "Host", "", tester); err != nil {
			return err
		}
		for _, email := range []string{"Kate@host.example", "ann@acmeinc.example", "bob@strasse.example",
			"eve@ｈｏｓｔ.example"} {
			if _, err = tenant.Invite(ctx, tx, host.ID, email, []string{"viewer"}, time.Now().Add(time.Hour),
				tester); err != nil {
				return err
			}
		}
		return nil
	}))
	for _, email := range []string{"\u212aate@host.example", "ann@acme\u0130nc.example", "ann@acme\u0131nc.example",
		"bob@straße.example", "bob@stra\u1e9ee.example", "eve@host.example", "kate@ｈｏｓｔ.example",
		"x@\u0131nc.example", "x@\u0130nc.example", "x@ａｃｍｅ.example"} {
		_, err := r.FirstLogin(t.Context(), person("stranger "+email, email), tester)
		require.Equal(t, 403, fault.HTTPStatus(err), "%s: %v", email, err)
	}
	st, err := r.FirstLogin(t.Context(), person("kate", "KATE@Host.Example"), tester)
	require.NoError(t, err, "A to Z in any case")
	require.Equal(t, host.ID, st.Tenant)
	st, err = r.FirstLogin(t.Context(), person("owner", "x@ACME.example"), tester)
	require.NoError(t, err)
	require.NotEqual(t, host.ID, st.Tenant)
}
