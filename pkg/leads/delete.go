package leads

import (
	"context"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/jobs"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
)

// DeleteRule takes the tenant's rule of that name away and gives it as it was. Faults: NotFound; Conflict with LAST_RULE for the
// last one that scoring can read, since all leads would go with it.
func DeleteRule(ctx context.Context, tx postgres.TenantTx, name string) (Rule, error) {
	if err := locked(ctx, tx, lockNumbers); err != nil { // of two that delete one of two rules each, the second sees the first
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
		return Rule{}, fault.New(fault.Conflict, "rule %q: the last one, without which there are no leads", name).WithCode("LAST_RULE").
			WithHint("change it, or make another rule first")
	}
	_, err = tx.Exec(ctx, `DELETE FROM public.icp_rules WHERE rule_id = $1`, rule.RuleID)
	return rule, err
}

// RemoveRule is DeleteRule and, together with it, a run that brings the tenant's scores to the rules that are left, and a line
// in the audit log that holds the rule. by says who does it: its actor and request id count.
func RemoveRule(ctx context.Context, tx postgres.SystemTx, queue *jobs.Client, id TenantID, name string, by tenant.Act) (rule Rule, err error) {
	err = tx.AsTenant(ctx, id, func(ctx context.Context, tx postgres.TenantTx) (err error) {
		rule, err = DeleteRule(ctx, tx, name)
		return err
	})
	if err != nil {
		return Rule{}, err
	}
	by.Tenant, by.Action, by.Object, by.Detail = id, "icp.delete", rule.Name, map[string]any{"payload": rule.Payload}
	if err := tenant.Record(ctx, tx, by); err != nil {
		return Rule{}, err
	}
	_, err = RequestRun(ctx, tx, queue, id)
	return rule, err
}
