package tenant_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
)

// TestInvitations: an invitation can be used once, by its address, until it expires.
func TestInvitations(t *testing.T) {
	t.Parallel()
	db := world(t)
	inSystem(t, db, func(ctx context.Context, tx postgres.SystemTx) {
		dan, eve := person("dan"), person("eve")
		invited, err := tenant.Invite(ctx, tx, 3, "Dan@Acme.example", []string{"ops"}, time.Now().Add(time.Hour),
			tester)
		require.NoError(t, err)
		require.Equal(t, "dan@acme.example", invited.UserID)
		require.Nil(t, invited.Subject)
		_, found, err := tenant.InvitedTo(ctx, tx, eve)
		require.NoError(t, err)
		require.False(t, found, "another address")
		where, found, err := tenant.InvitedTo(ctx, tx, dan)
		require.NoError(t, err)
		require.True(t, found)
		require.Equal(t, tenant.ID(3), where.ID)

		require.NoError(t, tenant.Join(ctx, tx, 3, dan, []string{"viewer"}, tester))
		members, err := tenant.Members(ctx, tx, 3)
		require.NoError(t, err)
		require.Len(t, members, 1)
		require.Equal(t, []string{"ops"}, members[0].Roles, "the roles of the invitation")
		require.Nil(t, members[0].InvitedUntil)

		again := dan
		again.Subject = "another-subject"
		_, found, err = tenant.InvitedTo(ctx, tx, again)
		require.NoError(t, err)
		require.False(t, found, "it has been used")
		_, err = tenant.Invite(ctx, tx, 3, "dan@acme.example", []string{"admin"}, time.Now().Add(time.Hour), tester)
		require.True(t, fault.Is(err, fault.Conflict), "%v", err)
	})
}

func TestExpiredInvitation(t *testing.T) {
	t.Parallel()
	db := world(t)
	inSystem(t, db, func(ctx context.Context, tx postgres.SystemTx) {
		eve := person("eve")
		_, err := tenant.Invite(ctx, tx, 3, eve.Email, []string{"admin"}, time.Now().Add(-time.Second), tester)
		require.NoError(t, err)
		_, found, err := tenant.InvitedTo(ctx, tx, eve)
		require.NoError(t, err)
		require.False(t, found)
		require.NoError(t, tenant.Join(ctx, tx, 3, eve, []string{"viewer"}, tester),
			"a user can join for another reason, such as a claim")
		members, err := tenant.Members(ctx, tx, 3)
		require.NoError(t, err)
		require.Len(t, members, 1)
		require.Equal(t, []string{"viewer"}, members[0].Roles, "not the role of the invitation")
	})
}
