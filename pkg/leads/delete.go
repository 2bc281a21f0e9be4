package leads

import (
	"context"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/jobs"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
)

// DeleteRule deletes the tenant's rule of that name and requests a run that rescores the tenant by the remaining rules.
// It returns the rule as it was; the audit log keeps it too. Faults: NotFound; Conflict with code LAST_RULE for the
// last rule that scoring can read, because without it the tenant would lose all leads.
func DeleteRule(ctx context.Context, tx postgres.SystemTx, queue *jobs.Client, id TenantID, name string,
	by tenant.By) (rule Rule, err error) {
	err = tx.AsTenant(ctx, id, func(ctx context.Context, tx postgres.TenantTx) (err error) {
		rule, err = removeRule(ctx, tx, name, by)
		return err
	})
	if err == nil {
		_, err = enqueueRun(ctx, tx, queue, id)
	}
	if err == nil {
		err = by.StillMay(ctx, tx, id)
	}
	return rule, err
}

// removeRule deletes the rule and records it.
func removeRule(ctx context.Context, tx postgres.TenantTx, name string, by tenant.By) (Rule, error) {
	// Two callers may each delete one of the last two rules. The lock makes the second one see the first one's
	// deletion.
	if err := lockTenant(ctx, tx, lockNumbers); err != nil {
		return Rule{}, err
	}
	rule, err := ShowRule(ctx, tx, name)
	if err != nil {
		return Rule{}, err
	}
	rules, _, err := readableRules(ctx, tx)
	if err != nil {
		return Rule{}, err
	}
	if len(rules) == 1 && rules[0].id == rule.RuleID {
		return Rule{}, fault.New(fault.Conflict, "rule %q: the last rule cannot be deleted",
			name).WithCode("LAST_RULE").
			WithHint("change it, or create another rule first")
	}
	if _, err := tx.Exec(ctx, `DELETE FROM public.icp_rules WHERE rule_id = $1`, rule.RuleID); err != nil {
		return Rule{}, err
	}
	return rule, tenant.Record(ctx, tx, by, tenant.Act{Tenant: tx.Tenant(), Action: "icp.delete", Object: rule.Name,
		Detail: map[string]any{"rule_id": rule.RuleID, "payload": rule.Payload, "old_sha256": rule.payloadHash()}})
}
