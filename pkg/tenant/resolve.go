package tenant

import (
	"cmp"
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/sso"
)

// Principal is an authenticated caller with a tenant.
type Principal struct {
	Identity sso.Identity
	Tenant   Tenant
	Roles    []sso.Role // of the token, or the stored ones if the token has no roles claim
}

// Has reports whether the caller has role least or a higher one.
func (p Principal) Has(least sso.Role) bool {
	for _, r := range p.Roles {
		if r.AtLeast(least) {
			return true
		}
	}
	return false
}

// Resolve finds the tenant of a verified identity. A claim names it by number or external id; without a claim, it is
// the identity's only membership. It writes nothing. With a fault it returns the identity and, if known, the tenant.
// Faults, all Denied: TENANT_INVALID (malformed claim or unknown number), TENANT_REQUIRED (no claim and no membership
// or several, or an unknown external id), MEMBER_REMOVED, MEMBERSHIP_REQUIRED (with Required, a claim without a
// membership), TENANT_SUSPENDED.
func Resolve(ctx context.Context, tx postgres.SystemTx, identity sso.Identity, need Membership) (Principal, error) {
	if err := identity.ClaimFault(); err != nil {
		return Principal{Identity: identity}, err
	}
	found, err := findCandidates(ctx, tx, identity)
	if err != nil {
		return Principal{Identity: identity}, err
	}
	if len(found) != 1 {
		return Principal{Identity: identity}, unresolvedFault(ctx, tx, identity, len(found))
	}
	p := Principal{Identity: identity, Tenant: found[0].Tenant, Roles: identity.Roles}
	if !identity.RolesClaimPresent {
		p.Roles = parseRoles(found[0].Roles)
	}
	switch {
	case found[0].Removed:
		return p, removedFault()
	case need == Required && !found[0].Member:
		return p, membershipFault(p.Tenant.ID)
	}
	return p, p.Tenant.Usable()
}

type candidate struct {
	Tenant
	Roles   []string `db:"roles"`
	Member  bool     `db:"member"`
	Removed bool     `db:"removed"`
}

// findCandidates returns the tenants that match the claim, or the identity's memberships, with the stored roles in
// each.
func findCandidates(ctx context.Context, tx postgres.SystemTx, identity sso.Identity) ([]candidate, error) {
	sql := `SELECT t.tenant_id, t.name, t.status, t.external_id, t.created_at, coalesce(u.roles, '{}') AS roles,
			u.tenant_id IS NOT NULL AS member, u.tenant_id IS NULL AND ` + isRemoved + ` AS removed
		FROM tenants t LEFT JOIN tenant_users u ON u.tenant_id = t.tenant_id AND u.issuer = $1 AND u.subject = $2`
	args := []any{identity.Issuer, identity.Subject, identity.Email}
	switch identity.Tenant.Kind {
	case sso.TenantNumber:
		id, _ := identity.Tenant.ID() // a number beyond int4 is 0, which is no tenant
		sql, args = sql+` WHERE t.tenant_id = $4`, append(args, id)
	case sso.TenantExternalID:
		sql, args = sql+` WHERE t.external_id = $4`, append(args, identity.Tenant.Value)
	default:
		sql += ` WHERE u.tenant_id IS NOT NULL AND t.status <> 'deleted' LIMIT 2`
	}
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[candidate])
}

// unresolvedFault returns the fault for an identity that n tenants match, which is not 1.
func unresolvedFault(ctx context.Context, tx postgres.SystemTx, identity sso.Identity, n int) error {
	if identity.Tenant.Kind == sso.TenantAbsent && n == 0 {
		if removed, err := wasRemoved(ctx, tx, identity); err != nil || removed {
			return cmp.Or(err, removedFault())
		}
	}
	switch {
	case n > 1:
		return fault.New(fault.Denied, "member of several tenants: the token must name one").WithCode(
			"TENANT_REQUIRED").
			WithHint("add a tenant_id claim for this user at the identity provider")
	case identity.Tenant.Kind == sso.TenantNumber:
		return unknownNumberFault(identity.Tenant)
	}
	return fault.New(fault.Denied, "no tenant yet for this user: %w", ErrNoTenant).WithCode("TENANT_REQUIRED").
		WithHint("sign in once through POST /onboarding/first_login, or add a tenant_id claim at the identity provider")
}

// unknownNumberFault wraps ErrNoTenant if the number could be a tenant's.
func unknownNumberFault(claim sso.TenantClaim) error {
	refused := fault.New(fault.Denied, "tenant claim names no tenant").WithCode("TENANT_INVALID")
	if _, ok := claim.ID(); ok {
		refused = refused.Because(ErrNoTenant)
	}
	return refused.WithHint("sign in once through POST /onboarding/first_login, which can make the tenant, or " +
		"correct the user's tenant_id at the identity provider; `leadctl tenant list` shows the numbers")
}

func parseRoles(names []string) (roles []sso.Role) {
	for _, n := range names {
		if r := sso.Role(n); r.Valid() {
			roles = append(roles, r)
		}
	}
	return roles
}
