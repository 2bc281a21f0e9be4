package tenant

import (
	"context"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
)

// Quotas bound what one tenant may have. 0 is no bound.
type Quotas struct {
	Members     int // users, with those who were added or invited and have not signed in yet
	Invitations int // of these the invitations that end, and that nobody has come to yet
}

// Within makes a change to the users of tenant id, which is refused when there is more of anything after it than the
// quota allows. A tenant that has more already, since the quota was lowered, may still change and remove what it has.
// Changes of one tenant wait for each other. Faults: those of change; Conflict with QUOTA_MEMBERS or QUOTA_INVITATIONS,
// after which the transaction must be given up.
func (q Quotas) Within(ctx context.Context, tx postgres.SystemTx, id ID, change func() error) error {
	if _, err := tx.Exec(ctx, `SELECT FROM tenants WHERE tenant_id = $1 FOR NO KEY UPDATE`, id); err != nil {
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
		return fault.New(fault.Conflict, "tenant %s: it has %d users, which is the most", id,
			members).WithCode("QUOTA_MEMBERS").
			WithHint("an operator can remove users (`leadctl tenant user remove`), or raise quotas.members")
	case nowInvitations > invitations && exceedsQuota(nowInvitations, q.Invitations):
		return fault.New(fault.Conflict, "tenant %s: %d invitations are open, which is the most", id,
			invitations).WithCode("QUOTA_INVITATIONS").
			WithHint("wait until some are used or end, take one back with `leadctl tenant user remove`, or raise " +
				"quotas.invitations")
	}
	return nil
}

func exceedsQuota(n, most int) bool { return most > 0 && n > most }

// countMembers leaves out invitations that have ended.
func countMembers(ctx context.Context, tx postgres.SystemTx, id ID) (members, invitations int, err error) {
	err = tx.QueryRow(ctx, `SELECT count(*) FILTER (WHERE issuer IS NOT NULL OR `+openInvitation+`), count(*) FILTER (WHERE invited_until IS NOT NULL AND `+openInvitation+`)
		FROM tenant_users WHERE tenant_id = $1`, id).Scan(&members, &invitations)
	return members, invitations, err
}
