package tenant

import (
	"context"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/sso"
)

// Bounds of the refused claims in the audit log. Every request with such a token is refused, and clients repeat
// requests: without bounds one person could fill a table that is append only. So each person leaves one line for each
// code in refusalWindow, and each tenant's record takes at most refusalsKept in it, counting refusals on no tenant as
// one tenant. The last of these says that more may follow unrecorded. Requests at the same moment can exceed the bound
// by the number of connections. The count is taken from the log itself, so it holds for all processes together and
// survives a restart.
const (
	refusalWindow = "1 hour"
	refusalsKept  = 20
)

// ClaimRefused reports whether err refuses what the token of who claims: a tenant that does not exist or may not be
// used, or a claim that cannot be read. Somebody whose claim names no tenant yet is a newcomer and is not refused.
func ClaimRefused(who sso.Identity, err error) bool {
	switch fault.Code(err) {
	case "TENANT_INVALID", "INSUFFICIENT_ROLE":
		return true
	case "TENANT_SUSPENDED", "EMAIL_NOT_VERIFIED", "ONBOARDING_CLOSED":
		return who.Tenant.Kind != sso.TenantAbsent
	}
	return false
}

// RecordRefusal records that what the caller claims was refused, on the record of the caller's tenant where it is
// known. A refusal beyond the bounds is not recorded.
func RecordRefusal(ctx context.Context, tx postgres.SystemTx, p Principal, refusal error, by By) error {
	_, err := tx.Exec(ctx, `INSERT INTO audit_log (at, tenant_id, actor, action, object, request_id, detail)
		SELECT clock_timestamp(), $1, left($2, 200), 'claim.refuse', left($3, 200), $4,
			jsonb_build_object('code', $5::text, 'issuer', $6::text, 'claim', left($7, 200))
				|| CASE WHEN kept = $8 - 1 THEN '{"more_not_recorded": true}'::jsonb ELSE '{}' END
		FROM (SELECT count(*) AS kept, count(*) FILTER (WHERE actor = left($2, 200) AND detail->>'code' = $5) AS same
			FROM audit_log WHERE tenant_id = $1 AND action = 'claim.refuse' AND at > now() - interval '`+refusalWindow+`') recent
		WHERE kept < $8 AND same = 0`,
		p.Tenant.ID, by.Actor, p.Identity.Tenant.Value, by.RequestID, fault.Code(refusal), p.Identity.Issuer,
		p.Identity.Tenant.Source, refusalsKept)
	return err
}
