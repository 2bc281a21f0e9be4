package tenant

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/sso"
)

// NoteClaimedRoles stores the roles of the identity's token with its user in tenant id, or with id 0 in every tenant,
// for jobs that act later. It returns the users whose roles changed, and records each change.
func NoteClaimedRoles(ctx context.Context, tx postgres.SystemTx, id ID, identity sso.Identity, by By) ([]Member,
	error) {
	claimed := claimedRoles(identity)
	rows, err := tx.Query(ctx, `UPDATE tenant_users SET claimed_roles = $4 WHERE issuer = $1 AND subject = $2
		AND ($3 = 0 OR tenant_id = $3) AND claimed_roles IS DISTINCT FROM $4
		RETURNING tenant_id, user_id, issuer, subject, roles, created_at, invited_until`,
		identity.Issuer, identity.Subject, id, claimed)
	if err != nil {
		return nil, err
	}
	changed, err := pgx.CollectRows(rows, pgx.RowToStructByName[Member])
	for _, m := range changed {
		if err == nil {
			err = Record(ctx, tx, by, Act{Tenant: m.TenantID, Action: "user.claimed_roles", Object: m.UserID,
				Detail: map[string]any{"roles": claimed}})
		}
	}
	return changed, err
}

// claimedRoles returns the roles of the identity's token; nil if it has no roles claim.
func claimedRoles(identity sso.Identity) []string {
	if !identity.RolesClaimPresent {
		return nil
	}
	claimed := []string{}
	for _, r := range identity.Roles {
		claimed = append(claimed, string(r))
	}
	return claimed
}

// IsNoted reports whether the identity is a user of the tenant whose stored claimed roles are those of its token, so
// that NoteClaimedRoles would change nothing.
func IsNoted(ctx context.Context, tx postgres.SystemTx, id ID, identity sso.Identity) (noted bool, err error) {
	err = tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM tenant_users WHERE tenant_id = $1 AND issuer = $2
		AND subject = $3 AND claimed_roles IS NOT DISTINCT FROM $4)`,
		id, identity.Issuer, identity.Subject, claimedRoles(identity)).Scan(&noted)
	return noted, err
}

// EffectiveRoles returns the highest role of each user of the tenant by address, as sso.CanonicalEmail gives it: of the
// latest token, or the stored ones if that had no roles claim. A user without a role has "".
func EffectiveRoles(ctx context.Context, tx postgres.SystemTx, id ID) (map[string]sso.Role, error) {
	rows, err := tx.Query(ctx, `SELECT user_id, coalesce(claimed_roles, roles, '{}') FROM tenant_users
		WHERE tenant_id = $1`, id)
	if err != nil {
		return nil, err
	}
	highest := map[string]sso.Role{}
	var m Member
	_, err = pgx.ForEachRow(rows, []any{&m.UserID, &m.Roles}, func() error {
		email := sso.CanonicalEmail(m.Email())
		for _, r := range parseRoles(m.Roles) {
			if highest[email] == "" || r.AtLeast(highest[email]) {
				highest[email] = r
			}
		}
		return nil
	})
	return highest, err
}
