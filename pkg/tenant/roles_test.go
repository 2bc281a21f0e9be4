package tenant_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/sso"
	"github.com/leadctl/leadctl/pkg/tenant"
)

// TestEffectiveRolesTellAddressesApart: a user whose address has the Kelvin sign has no part in the role of the
// user with the letter k, also under the rules of a locale.
func TestEffectiveRolesTellAddressesApart(t *testing.T) {
	t.Parallel()
	db := world(t)
	require.NoError(t, db.App.InSystem(t.Context(), "test", func(ctx context.Context, tx postgres.SystemTx) error {
		for email, role := range map[string]string{"Kate@acme.example": "admin", "\u212aate@acme.example": "viewer"} {
			if err := tenant.AddMember(ctx, tx, 3, email, []string{role}, tester); err != nil {
				return err
			}
		}
		roles, err := tenant.EffectiveRoles(ctx, tx, 3)
		require.Equal(t, sso.Admin, roles["kate@acme.example"])
		require.Equal(t, sso.Viewer, roles["\u212aate@acme.example"])
		return err
	}))
}
