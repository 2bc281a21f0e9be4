package tenant

import (
	"context"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
)

// Quotas limit the users of one tenant. 0 is no limit.
type Quotas struct {
	Members     int // users, including those who have not signed in yet
	Invitations int // open invitations with an end
}

// Within runs change and rejects it if the tenant then exceeds a quota it did not exceed before. A tenant above a
// lowered quota can still change and remove users. Changes of one tenant wait for each other. Faults: those of change;
// Conflict with QUOTA_MEMBERS or QUOTA_INVITATIONS, after which the caller must roll back.
func (q Quotas) Within(ctx context.Context, tx postgres.SystemTx, id ID, change func() error) error {
	if err := lockUsers(ctx, tx, id); err != nil {
		return err
	}
	members, invitations, err := countMembers(ctx, tx, id)
	if err != nil {
		return err
	}
	if err := change(); err != nil {
		return err
	}
	nowMembers, nowInvitations, err := countMembers(ctx, tx, id)
	switch {
	case err != nil:
		return err
	case nowMembers > members && exceedsQuota(nowMembers, q.Members):
		return fault.New(fault.Conflict, "tenant %s: has %d users, the most allowed", id,
			members).WithCode("QUOTA_MEMBERS").
			WithHint("an operator can remove users (`leadctl tenant user remove`), or raise quotas.members")
	case nowInvitations > invitations && exceedsQuota(nowInvitations, q.Invitations):
		return fault.New(fault.Conflict, "tenant %s: has %d open invitations, the most allowed", id,
			invitations).WithCode("QUOTA_INVITATIONS").
			WithHint("wait until some are used or expire, remove one with `leadctl tenant user remove`, or raise " +
				"quotas.invitations")
	}
	return nil
}

// lockUsers makes changes of one tenant's users, and of its status, wait for each other. Read what decides about a
// change after it.
func lockUsers(ctx context.Context, tx postgres.SystemTx, id ID) error {
	_, err := tx.Exec(ctx, `SELECT FROM tenants WHERE tenant_id = $1 FOR NO KEY UPDATE`, id)
	return err
}

func exceedsQuota(n, most int) bool { return most > 0 && n > most }

// countMembers counts the users and open invitations, without expired ones.
func countMembers(ctx context.Context, tx postgres.SystemTx, id ID) (members, invitations int, err error) {
	err = tx.QueryRow(ctx, `SELECT count(*) FILTER (WHERE issuer IS NOT NULL
		OR `+openInvitation+`), count(*) FILTER (WHERE invited_until IS NOT NULL AND `+openInvitation+`)
		FROM tenant_users WHERE tenant_id = $1`, id).Scan(&members, &invitations)
	return members, invitations, err
}
