package tenant

import (
	"context"
	"errors"

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

// ErrNoTenant is wrapped by Resolve's TENANT_REQUIRED faults: the identity has no tenant yet, so onboarding can begin.
var ErrNoTenant = errors.New("no claim and no membership")

// Resolve finds the tenant of a verified identity. A claim names it by number or external id; without a claim, it is
// the identity's only membership. It writes nothing. With a fault it returns the identity and, if known, the tenant.
// Faults, all Denied: TENANT_INVALID (malformed claim or unknown number), TENANT_REQUIRED (no claim and no membership
// or several, or an unknown external id), TENANT_SUSPENDED.
func Resolve(ctx context.Context, tx postgres.SystemTx, identity sso.Identity) (Principal, error) {
	if err := identity.ClaimFault(); err != nil {
		return Principal{Identity: identity}, err
	}
	found, err := findCandidates(ctx, tx, identity)
	if err != nil {
		return Principal{Identity: identity}, err
	}
	if len(found) != 1 {
		return Principal{Identity: identity}, unresolvedFault(identity, len(found))
	}
	p := Principal{Identity: identity, Tenant: found[0].Tenant, Roles: identity.Roles}
	if !identity.RolesClaimPresent {
		p.Roles = parseRoles(found[0].Roles)
	}
	return p, p.Tenant.Usable()
}

type candidate struct {
	Tenant
	Roles []string `db:"roles"`
}

// findCandidates returns the tenants that match the claim, or the identity's memberships, with the stored roles in
// each.
func findCandidates(ctx context.Context, tx postgres.SystemTx, identity sso.Identity) ([]candidate, error) {
	sql := `SELECT t.tenant_id, t.name, t.status, t.external_id, t.created_at, coalesce(u.roles, '{}') AS roles
		FROM tenants t LEFT JOIN tenant_users u ON u.tenant_id = t.tenant_id AND u.issuer = $1 AND u.subject = $2`
	args := []any{identity.Issuer, identity.Subject}
	switch identity.Tenant.Kind {
	case sso.TenantNumber:
		id, _ := identity.Tenant.ID() // a number beyond int4 is 0, which is no tenant
		sql, args = sql+` WHERE t.tenant_id = $3`, append(args, id)
	case sso.TenantExternalID:
		sql, args = sql+` WHERE t.external_id = $3`, append(args, identity.Tenant.Value)
	default:
		sql += ` WHERE u.tenant_id IS NOT NULL AND t.status <> 'deleted' LIMIT 2`
	}
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[candidate])
}

func unresolvedFault(identity sso.Identity, n int) error {
	switch {
	case n > 1:
		return fault.New(fault.Denied, "member of several tenants: the token must name one").WithCode(
			"TENANT_REQUIRED").
			WithHint("add a tenant_id claim for this user at the identity provider")
	case identity.Tenant.Kind == sso.TenantNumber:
		return fault.New(fault.Denied, "tenant claim names no tenant").WithCode("TENANT_INVALID").
			WithHint("correct the user's tenant_id at the identity provider; `leadctl tenant list` shows the numbers")
	}
	return fault.New(fault.Denied, "no tenant yet for this user: %w", ErrNoTenant).WithCode("TENANT_REQUIRED").
		WithHint("sign in once through POST /onboarding/first_login, or add a tenant_id claim at the identity provider")
}

func parseRoles(names []string) (roles []sso.Role) {
	for _, n := range names {
		if r := sso.Role(n); r.Valid() {
			roles = append(roles, r)
		}
	}
	return roles
}
