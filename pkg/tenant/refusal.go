package tenant

import (
	"context"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/sso"
)

// Limits of the rejected claims in the audit log. Clients repeat rejected requests, so without limits one user could
// fill an append-only table. In refusalWindow, each user gets one line per code and each tenant at most refusalsKept
// lines; rejections without a tenant count as one tenant. The last line says that more are not recorded. Concurrent
// requests can exceed the limit by the number of connections. The log itself is counted, so the limit holds for all
// processes together and after a restart.
const (
	refusalWindow = "1 hour"
	refusalsKept  = 20
)

// ClaimRefused reports whether err rejects the tenant claim of the token: its tenant is unknown, suspended or
// closed to the identity, or the claim is malformed. A token without a tenant belongs to a new user and is
// not rejected.
func ClaimRefused(identity sso.Identity, err error) bool {
	switch fault.Code(err) {
	case "TENANT_INVALID", "INSUFFICIENT_ROLE":
		return true
	case "TENANT_SUSPENDED", "EMAIL_NOT_VERIFIED", "ONBOARDING_CLOSED", "MEMBER_REMOVED", "MEMBERSHIP_REQUIRED":
		return identity.Tenant.Kind != sso.TenantAbsent
	}
	return false
}

// RecordRefusal records a rejected claim in the audit log, with the caller's tenant if it is known. It records nothing
// above the limits.
func RecordRefusal(ctx context.Context, tx postgres.SystemTx, p Principal, refusal error, by By) error {
	_, err := tx.Exec(ctx, `INSERT INTO audit_log (at, tenant_id, actor, action, object, request_id, detail)
		SELECT clock_timestamp(), $1, left($2, 200), 'claim.refuse', left($3, 200), $4,
			jsonb_build_object('code', $5::text, 'issuer', $6::text, 'claim', left($7, 200))
				|| CASE WHEN kept = $8 - 1 THEN '{"more_not_recorded": true}'::jsonb ELSE '{}' END
		FROM (SELECT count(*) AS kept, count(*) FILTER (WHERE actor = left($2, 200) AND detail->>'code' = $5) AS same
			FROM audit_log WHERE tenant_id = $1 AND action = 'claim.refuse'
			AND at > now() - interval '`+refusalWindow+`') recent
		WHERE kept < $8 AND same = 0`,
		p.Tenant.ID, by.Actor, p.Identity.Tenant.Value, by.RequestID, fault.Code(refusal), p.Identity.Issuer,
		p.Identity.Tenant.Source, refusalsKept)
	return err
}
