package tenant

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/sso"
)

// Membership says what a token's tenant claim is worth.
type Membership string

// The values of sso.membership.
const (
	ByClaim  Membership = "claim"    // the claim admits to its tenant; the zero value means the same
	Required Membership = "required" // the identity must be a user of the tenant; the claim only selects one
)

// ErrNoTenant is wrapped by TENANT_REQUIRED, MEMBERSHIP_REQUIRED and some TENANT_INVALID faults: the tenant does not
// exist yet, or the identity is not a user of it yet, so onboarding can begin.
var ErrNoTenant = errors.New("no claim and no membership")

func membershipFault(id ID) error {
	return fault.New(fault.Denied, "not a user of tenant %s: %w", id, ErrNoTenant).WithCode("MEMBERSHIP_REQUIRED").
		WithHint("an operator can add or invite the user: `leadctl tenant user add`, `leadctl tenant invite`")
}

// Admission is what Admit may do for an identity without an open invitation.
type Admission struct {
	Uninvited bool     // the identity may enter without one
	Roles     []string // its roles then
}

// Admit makes the identity a user of the tenant, unless it is one, and reports whether it did. An open invitation for
// the e-mail address is used, with its roles. Everything that decides is read under the lock of the tenant's row, which
// changes of users and of the status take too, so that an invitation works once and not after its withdrawal. The
// caller must check that the address is verified. Faults: Denied with TENANT_SUSPENDED, MEMBER_REMOVED,
// MEMBERSHIP_REQUIRED; Conflict with QUOTA_MEMBERS, after which the caller must roll back.
func (q Quotas) Admit(ctx context.Context, tx postgres.SystemTx, id ID, who sso.Identity, a Admission, by By) (
	joined bool, err error) {
	err = q.Within(ctx, tx, id, func() error {
		known, err := isAdmissible(ctx, tx, id, who)
		if err != nil || known {
			return err
		}
		used, err := useInvitation(ctx, tx, id, who)
		switch {
		case err != nil:
			return err
		case !used && !a.Uninvited:
			return membershipFault(id)
		case !used:
			err = insertIdentity(ctx, tx, id, who, a.Roles)
		}
		if err != nil {
			return err
		}
		joined = true
		return Record(ctx, tx, by, Act{Tenant: id, Action: "user.join", Object: who.Subject})
	})
	return joined && err == nil, err
}

// isAdmissible reports whether the identity is already a user. Faults: Denied with TENANT_SUSPENDED, MEMBER_REMOVED.
func isAdmissible(ctx context.Context, tx postgres.SystemTx, id ID, who sso.Identity) (known bool, err error) {
	t, removed := Tenant{ID: id}, false
	err = tx.QueryRow(ctx, `SELECT t.status, `+isRemoved+`, EXISTS (SELECT FROM tenant_users u
		WHERE u.tenant_id = t.tenant_id AND u.issuer = $1 AND u.subject = $2)
		FROM tenants t WHERE t.tenant_id = $4`, who.Issuer, who.Subject, who.Email, id).Scan(
		&t.Status, &removed, &known)
	switch {
	case err != nil:
		return false, err
	case removed && !known:
		return false, removedFault()
	}
	return known, t.Usable()
}

// openInvitation selects the invitations that can still be used.
const openInvitation = `issuer IS NULL AND (invited_until IS NULL OR invited_until > now())`

// InvitedTo finds the tenant with an open invitation for the identity's e-mail. If several tenants have one, found is
// false and the token must name the tenant. The caller must check that the e-mail is verified.
func InvitedTo(ctx context.Context, tx postgres.SystemTx, identity sso.Identity) (t Tenant, found bool, err error) {
	rows, err := tx.Query(ctx, `SELECT `+columns+` FROM tenants WHERE status = 'active' AND tenant_id IN (
		SELECT tenant_id FROM tenant_users WHERE `+userEmail+` = $1 AND `+openInvitation+`) LIMIT 2`,
		sso.CanonicalEmail(identity.Email))
	if err != nil {
		return Tenant{}, false, err
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Tenant])
	if err != nil || len(list) != 1 {
		return Tenant{}, false, err
	}
	return list[0], true, nil
}

// useInvitation gives an open invitation for the identity's e-mail to the identity. It deletes an expired one, which
// must not give its roles.
func useInvitation(ctx context.Context, tx postgres.SystemTx, id ID, who sso.Identity) (used bool, err error) {
	email := sso.CanonicalEmail(who.Email)
	if _, err := tx.Exec(ctx, `DELETE FROM tenant_users WHERE tenant_id = $1 AND `+userEmail+` = $2
		AND issuer IS NULL AND NOT (`+openInvitation+`)`, id, email); err != nil {
		return false, err
	}
	tag, err := tx.Exec(ctx, `UPDATE tenant_users SET issuer = $3, subject = $4, invited_until = NULL
		WHERE tenant_id = $1 AND user_id = (SELECT min(user_id) FROM tenant_users WHERE tenant_id = $1
		AND `+userEmail+` = $2 AND issuer IS NULL)`, id, email, who.Issuer, who.Subject)
	return tag.RowsAffected() > 0, err
}

// insertIdentity adds a user. Another identity may have the address, if the account at the provider was recreated: its
// subject is then appended to user_id.
func insertIdentity(ctx context.Context, tx postgres.SystemTx, id ID, who sso.Identity, roles []string) error {
	_, err := tx.Exec(ctx, `INSERT INTO tenant_users (tenant_id, user_id, issuer, subject, roles)
		SELECT $1, CASE WHEN EXISTS (SELECT 1 FROM tenant_users WHERE tenant_id = $1
		AND user_id = $2) THEN $2 || ' (' || $4 || ')' ELSE $2 END, $3, $4, $5`,
		id, sso.CanonicalEmail(who.Email), who.Issuer, who.Subject, roles)
	return err
}
