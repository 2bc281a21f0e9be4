package tenant

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/sso"
)

// RemovedUser is a user whom RemoveMember removed. Issuer and Subject are nil for a user who had not signed in.
type RemovedUser struct {
	UserID  string  `db:"user_id"`
	Issuer  *string `db:"issuer"`
	Subject *string `db:"subject"`
}

// RemoveMember removes a user and the user's open invitation. An address without a subject removes every identity with
// that address. A row of removed_members keeps the person out, also one whose token claims the tenant, until AddMember
// or Invite. Fault: NotFound.
func RemoveMember(ctx context.Context, tx postgres.SystemTx, id ID, email string, by By) ([]RemovedUser, error) {
	if err := lockUsers(ctx, tx, id); err != nil {
		return nil, err
	}
	user := sso.CanonicalEmail(email)
	address, _, _ := strings.Cut(user, " (")
	rows, err := tx.Query(ctx, `WITH gone AS (
			DELETE FROM tenant_users WHERE tenant_id = $1 AND (`+userEmail+` = $2
				OR starts_with(`+userEmail+`, $2 || ' (') OR `+userEmail+` = $3 AND issuer IS NULL)
			RETURNING user_id, issuer, subject
		), kept AS (
			INSERT INTO removed_members (tenant_id, user_id, issuer, subject)
			SELECT $1, user_id, issuer, subject FROM gone
			ON CONFLICT (tenant_id, user_id) DO UPDATE SET issuer = EXCLUDED.issuer, subject = EXCLUDED.subject,
				removed_at = now())
		SELECT user_id, issuer, subject FROM gone ORDER BY user_id`, id, user, address)
	if err != nil {
		return nil, err
	}
	gone, err := pgx.CollectRows(rows, pgx.RowToStructByName[RemovedUser])
	if err == nil && len(gone) == 0 {
		err = fault.New(fault.NotFound, "user %s of tenant %s: no such user", email, id)
	}
	if err != nil {
		return nil, err
	}
	return gone, Record(ctx, tx, by, Act{Tenant: id, Action: "user.remove", Object: user})
}

// ErrRemoved is wrapped by MEMBER_REMOVED faults: an operator or an admin removed the person from the tenant.
var ErrRemoved = errors.New("removed from the tenant")

// isRemoved is the SQL condition that the identity ($1 issuer, $2 subject, $3 e-mail) was removed from the tenant of
// row t. It does not apply to a user of the tenant.
const isRemoved = `EXISTS (SELECT FROM removed_members r WHERE r.tenant_id = t.tenant_id
	AND (r.issuer = $1 AND r.subject = $2 OR lower(r.user_id COLLATE "C") = lower($3 COLLATE "C")))`

func removedFault() error {
	return fault.New(fault.Denied, "this user was removed from the tenant: %w", ErrRemoved).
		WithCode("MEMBER_REMOVED").WithHint("ask an admin of your company's tenant to add you again")
}

// wasRemoved reports whether the identity was removed from a tenant that still exists. It compares no e-mail address,
// so that inviting and removing an address cannot keep a stranger from a tenant of the stranger's own.
func wasRemoved(ctx context.Context, tx postgres.SystemTx, identity sso.Identity) (removed bool, err error) {
	err = tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM removed_members r JOIN tenants t USING (tenant_id)
		WHERE r.issuer = $1 AND r.subject = $2 AND t.status <> 'deleted')`, identity.Issuer,
		identity.Subject).Scan(&removed)
	return removed, err
}

// forgetRemoval lets a removed person be added again.
func forgetRemoval(ctx context.Context, tx postgres.SystemTx, id ID, email string) error {
	_, err := tx.Exec(ctx, `DELETE FROM removed_members WHERE tenant_id = $1 AND (`+userEmail+` = $2
		OR starts_with(`+userEmail+`, $2 || ' ('))`, id, email)
	return err
}
