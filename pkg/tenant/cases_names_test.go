package tenant_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
)

// TestNameCases runs the acceptance cases on the names of tenants and users, by their ids.
func TestNameCases(t *testing.T) {
	t.Parallel()
	db := world(t)
	refused := func(t *testing.T, do func(context.Context, postgres.SystemTx) error) {
		t.Helper()
		err := db.App.InSystem(t.Context(), "test", do)
		require.True(t, fault.Is(err, fault.Invalid), "%v", err)
	}
	t.Run("C-056", func(t *testing.T) {
		t.Parallel()
		for _, bad := range []string{"www", "Admin", "POSTGRES", "template0", "Template1", "admin\u200b", "\u200b",
			"Ac\u200bme", "\u202eemca", "Acme\ufeff", "Ac\xffme"} {
			refused(t, func(ctx context.Context, tx postgres.SystemTx) error {
				_, err := tenant.Create(ctx, tx, bad, "", tester)
				return err
			})
		}
		for _, bad := range []string{"www", "ADMIN", "template1", "аcme", "ac\u200bme", "café", "cafe\u0301", "acme.",
			"ac me", "ACME\n", "ａcme"} {
			refused(t, func(ctx context.Context, tx postgres.SystemTx) error {
				_, err := tenant.Create(ctx, tx, "Fine", bad, tester)
				return err
			})
		}
		inSystem(t, db, func(ctx context.Context, tx postgres.SystemTx) {
			ids := map[tenant.ID]bool{}
			// names are for display and need not be unique
			for _, name := range []string{"Acme", "ACME", "Аcme", "Café", "Cafe\u0301"} {
				made, err := tenant.Create(ctx, tx, name, "", tester)
				require.NoError(t, err)
				require.False(t, ids[made.ID])
				ids[made.ID] = true
				require.NoError(t, tenant.AddMember(ctx, tx, made.ID, "first@names.example", []string{"viewer"},
					tester))
				if strings.HasPrefix(name, "Caf") {
					require.Equal(t, "Caf\u00e9", made.Name, "one spelling")
				}
			}
			composed, found, err := tenant.FindSame(ctx, tx, "Caf\u00e9", "", "first@names.example")
			require.NoError(t, err)
			require.True(t, found)
			decomposed, _, err := tenant.FindSame(ctx, tx, " Cafe\u0301 ", "", "first@names.example")
			require.NoError(t, err)
			require.Equal(t, composed.ID, decomposed.ID, "the same command with the other encoding")
		})
	})
	// leadctl sends no mail: an address only identifies a user.
	t.Run("C-057", func(t *testing.T) {
		t.Parallel()
		for _, bad := range []string{"", "unknown", "a@b,c@d", "a@b;c@d", "a@b\r\nBcc: x@y", "a@b\nc@d", "a b@c",
			"<a@b>", "Ann <a@b>", "a@b\tc", "a@" + strings.Repeat("b", 260)} {
			refused(t, func(ctx context.Context, tx postgres.SystemTx) error {
				return tenant.AddMember(ctx, tx, 1, bad, []string{"viewer"}, tester)
			})
			refused(t, func(ctx context.Context, tx postgres.SystemTx) error {
				_, err := tenant.Invite(ctx, tx, 1, bad, []string{"viewer"}, time.Now().Add(time.Hour), tester)
				return err
			})
		}
	})
}
