package tenant_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/pgtest"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/sso"
	"github.com/leadctl/leadctl/pkg/tenant"
)

// tester is the actor of the tests.
var tester = tenant.By{Actor: "test"}

func inSystem(t *testing.T, db *pgtest.DB, fn func(ctx context.Context, tx postgres.SystemTx)) {
	t.Helper()
	require.NoError(t, db.App.InSystem(t.Context(), "test", func(ctx context.Context, tx postgres.SystemTx) error {
		fn(ctx, tx)
		return nil
	}))
}

func person(subject string) sso.Identity {
	return sso.Identity{Issuer: "https://idp.example", Subject: subject, Email: subject + "@acme.example",
		EmailVerified: true, RolesClaimPresent: true, Roles: []sso.Role{sso.Viewer}}
}

func claiming(identity sso.Identity, kind sso.TenantKind, value string) sso.Identity {
	identity.Tenant = sso.TenantClaim{Kind: kind, Value: value}
	return identity
}

// world creates tenants 1 (acme), 2 and 3 (borealis). ann belongs to 1, ben to 1 and 2, cat to none.
func world(t *testing.T) *pgtest.DB {
	t.Helper()
	db := pgtest.New(t)
	inSystem(t, db, func(ctx context.Context, tx postgres.SystemTx) {
		for _, c := range []struct{ name, external string }{{"Acme", "acme"}, {"Second", ""},
			{"Borealis", "borealis"}} {
			_, err := tenant.Create(ctx, tx, c.name, c.external, tester)
			require.NoError(t, err)
		}
		require.NoError(t, tenant.Join(ctx, tx, 1, person("ann"), []string{"ops"}, tester))
		require.NoError(t, tenant.Join(ctx, tx, 1, person("ben"), []string{"viewer"}, tester))
		require.NoError(t, tenant.Join(ctx, tx, 2, person("ben"), []string{"admin"}, tester))
	})
	return db
}

func TestResolve(t *testing.T) {
	t.Parallel()
	db := world(t)
	noRoles := person("ann")
	noRoles.RolesClaimPresent, noRoles.Roles = false, nil
	foreign := person("ann")
	foreign.Issuer = "https://other.example"
	for name, c := range map[string]struct {
		identity sso.Identity
		want     tenant.ID
		code     string
	}{
		"A-070 a single membership":        {person("ann"), 1, ""},
		"A-071 a number":                   {claiming(person("cat"), sso.TenantNumber, "3"), 3, ""},
		"an external id":                   {claiming(person("cat"), sso.TenantExternalID, "borealis"), 3, ""},
		"a claim selects the membership":   {claiming(person("ben"), sso.TenantNumber, "2"), 2, ""},
		"several memberships need a claim": {person("ben"), 0, "TENANT_REQUIRED"},
		"no claim and no membership":       {person("cat"), 0, "TENANT_REQUIRED"},
		"A-082 a number of no tenant":      {claiming(person("ann"), sso.TenantNumber, "77"), 0, "TENANT_INVALID"},
		"A-077 a number beyond int4": {claiming(person("ann"), sso.TenantNumber, "99999999999"), 0,
			"TENANT_INVALID"},
		"A-082 an external id of no tenant": {claiming(person("ann"), sso.TenantExternalID, "unknown"), 0,
			"TENANT_REQUIRED"},
		"A-080 a claim that cannot be used": {claiming(person("ann"), sso.TenantInvalid, ""), 0, "TENANT_INVALID"},
		"same subject of another issuer":    {foreign, 0, "TENANT_REQUIRED"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inSystem(t, db, func(ctx context.Context, tx postgres.SystemTx) {
				p, err := tenant.Resolve(ctx, tx, c.identity, tenant.ByClaim)
				if c.code != "" {
					require.Equal(t, c.code, fault.Code(err), "%v", err)
					require.Equal(t, 403, fault.HTTPStatus(err))
					return
				}
				require.NoError(t, err)
				require.Equal(t, c.want, p.Tenant.ID)
			})
		})
	}
	t.Run("stored roles apply to a token without roles", func(t *testing.T) {
		t.Parallel()
		inSystem(t, db, func(ctx context.Context, tx postgres.SystemTx) {
			p, err := tenant.Resolve(ctx, tx, noRoles, tenant.ByClaim)
			require.NoError(t, err)
			require.True(t, p.Has(sso.Ops))
			require.False(t, p.Has(sso.Admin))
		})
	})
	t.Run("roles in the token replace the stored roles", func(t *testing.T) {
		t.Parallel()
		inSystem(t, db, func(ctx context.Context, tx postgres.SystemTx) {
			p, err := tenant.Resolve(ctx, tx, person("ann"), tenant.ByClaim)
			require.NoError(t, err)
			require.False(t, p.Has(sso.Ops), "stored ops must not add to the token's viewer")
		})
	})
}

func TestResolveSuspendedTenant(t *testing.T) {
	t.Parallel()
	db := world(t)
	for _, status := range []string{tenant.Suspended, tenant.Deleted} {
		inSystem(t, db, func(ctx context.Context, tx postgres.SystemTx) {
			_, err := tenant.SetStatus(ctx, tx, 3, status, tester)
			require.NoError(t, err)
			_, err = tenant.Resolve(ctx, tx, claiming(person("cat"), sso.TenantNumber, "3"), tenant.ByClaim)
			require.Equal(t, "TENANT_SUSPENDED", fault.Code(err), status)
		})
	}
	var tenants, users int
	require.NoError(t, db.Owner.QueryRow(t.Context(),
		`SELECT (SELECT count(*) FROM tenants), (SELECT count(*) FROM tenant_users)`).Scan(&tenants, &users))
	require.Equal(t, 3, tenants)
	require.Equal(t, 3, users)
}

func TestNamesAndExternalIDs(t *testing.T) {
	t.Parallel()
	db := world(t)
	for _, c := range []struct {
		name, external string
		kind           fault.Kind
	}{
		{"", "", fault.Invalid}, {"  ", "", fault.Invalid}, {"a\nb", "", fault.Invalid}, {"nul\x00", "", fault.Invalid},
		{"Postgres", "", fault.Invalid},
		{"Fine", "1acme", fault.Invalid}, {"Fine", "42", fault.Invalid}, {"Fine", "a b", fault.Invalid},
		{"Fine", "template1", fault.Invalid}, {"Fine", "acme", fault.Conflict},
	} {
		err := db.App.InSystem(t.Context(), "test", func(ctx context.Context, tx postgres.SystemTx) error {
			_, err := tenant.Create(ctx, tx, c.name, c.external, tester)
			return err
		})
		require.True(t, fault.Is(err, c.kind), "%q %q: %v", c.name, c.external, err)
	}
}

// TestTwoIdentitiesWithOneAddress: a tenant can have two identities with one address, if the provider's account was
// recreated.
func TestTwoIdentitiesWithOneAddress(t *testing.T) {
	t.Parallel()
	db := world(t)
	again := person("ann")
	again.Subject = "ann-2"
	inSystem(t, db, func(ctx context.Context, tx postgres.SystemTx) {
		require.NoError(t, tenant.Join(ctx, tx, 1, again, []string{"viewer"}, tester))
		members, err := tenant.Members(ctx, tx, 1)
		require.NoError(t, err)
		require.Len(t, members, 3)
	})
}

func TestAuditLogIsAppendOnly(t *testing.T) {
	t.Parallel()
	db := world(t)
	inSystem(t, db, func(ctx context.Context, tx postgres.SystemTx) {
		require.NoError(t, tenant.Record(ctx, tx, tester, tenant.Act{Tenant: 1, Action: "tenant.suspend", Object: "1"}))
	})
	for _, sql := range []string{`UPDATE audit_log SET actor = 'other'`, `DELETE FROM audit_log`,
		`TRUNCATE audit_log`} {
		err := db.App.InSystem(t.Context(), "test", func(ctx context.Context, tx postgres.SystemTx) error {
			_, err := tx.Exec(ctx, sql)
			return err
		})
		require.ErrorContains(t, err, "42501", sql)
	}
}
