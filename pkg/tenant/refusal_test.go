package tenant_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/pgtest"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/sso"
	"github.com/leadctl/leadctl/pkg/tenant"
)

// refuse resolves an identity and records the refusal, as the API does.
func refuse(t *testing.T, db *pgtest.DB, identity sso.Identity) {
	t.Helper()
	inSystem(t, db, func(ctx context.Context, tx postgres.SystemTx) {
		p, err := tenant.Resolve(ctx, tx, identity, tenant.ByClaim)
		require.True(t, tenant.ClaimRefused(p.Identity, err), "%v", err)
		require.NoError(t, tenant.RecordRefusal(ctx, tx, p, err, tenant.By{Actor: identity.Subject, RequestID: "r-1"}))
	})
}

// refusals returns tenant, actor, object and detail of each line.
func refusals(t *testing.T, db *pgtest.DB) (lines []string) {
	t.Helper()
	inSystem(t, db, func(ctx context.Context, tx postgres.SystemTx) {
		list, err := tenant.Acts(ctx, tx, tenant.ActFilter{Action: "claim.refuse", Limit: 1000})
		require.NoError(t, err)
		for _, l := range list {
			lines = append(lines, fmt.Sprintf("%s %s %s %s", l.Tenant, l.Actor, l.Object, l.Detail))
		}
	})
	return lines
}

func TestRefusedClaimIsRecorded(t *testing.T) {
	t.Parallel()
	db := world(t)
	inSystem(t, db, func(ctx context.Context, tx postgres.SystemTx) {
		_, err := tenant.SetStatus(ctx, tx, 3, tenant.Suspended, tester)
		require.NoError(t, err)
	})
	refuse(t, db, claiming(person("cat"), sso.TenantNumber, "77"))
	refuse(t, db, claiming(person("cat"), sso.TenantExternalID, "borealis"))
	lines := refusals(t, db)
	require.Len(t, lines, 2)
	require.Contains(t, lines[0], "3 cat borealis")
	require.Contains(t, lines[0], `"code": "TENANT_SUSPENDED"`)
	require.Contains(t, lines[1], "0 cat 77")
	require.Contains(t, lines[1], `"code": "TENANT_INVALID"`)
	require.Contains(t, lines[1], `"issuer": "https://idp.example"`)
}

// TestNewUserIsNotRefused: no refusal is recorded for a new user, because the first sign-in accepts the token.
func TestNewUserIsNotRefused(t *testing.T) {
	t.Parallel()
	db := world(t)
	for _, identity := range []sso.Identity{person("cat"), claiming(person("cat"), sso.TenantExternalID, "new"),
		person("ben"), person("ann")} {
		inSystem(t, db, func(ctx context.Context, tx postgres.SystemTx) {
			p, err := tenant.Resolve(ctx, tx, identity, tenant.ByClaim)
			require.False(t, tenant.ClaimRefused(p.Identity, err), "%v", err)
		})
	}
}

// TestRefusalLinesAreLimited: repeated refusals write few audit lines, for one account and for many.
func TestRefusalLinesAreLimited(t *testing.T) {
	t.Parallel()
	db := world(t)
	for i := range 30 {
		refuse(t, db, claiming(person("cat"), sso.TenantNumber, fmt.Sprint(100+i)))
	}
	require.Len(t, refusals(t, db), 1, "one person")
	for i := range 40 {
		refuse(t, db, claiming(person(fmt.Sprint("bot", i)), sso.TenantNumber, "77"))
	}
	lines := refusals(t, db)
	require.Len(t, lines, 20, "many people")
	require.Contains(t, lines[0], `"more_not_recorded": true`)
	require.NotContains(t, lines[1], `more_not_recorded`)

	_, err := db.Owner.Exec(t.Context(),
		`UPDATE audit_log SET at = at - interval '61 minutes' WHERE action = 'claim.refuse'`)
	require.NoError(t, err)
	refuse(t, db, claiming(person("cat"), sso.TenantNumber, "77"))
	require.Len(t, refusals(t, db), 21, "an hour later")
}
