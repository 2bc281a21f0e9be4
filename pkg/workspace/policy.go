package workspace

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/leads"
	"github.com/leadctl/leadctl/pkg/odoo/crm"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// PushPolicy says which leads a tenant's CRM gets.
type PushPolicy struct {
	Buckets  []string   `json:"buckets"`   // best first; never empty
	MaxLeads int        `json:"max_leads"` // in the CRM at a time; 0: no limit
	WhenFull WhenFull   `json:"when_full"`
	Assign   crm.Assign `json:"assign"` // to whom new leads belong
	Paused   bool       `json:"paused"`
	Reason   string     `json:"reason"` // why it is paused
	Pushed   int        `json:"pushed"` // leads in the CRM now
}

// PolicyDefaults are the installation's settings for tenants that have none of their own.
type PolicyDefaults struct {
	MaxLeads int        // 0: no limit
	Assign   crm.Assign // "": crm.AssignNone
}

// WhenFull says what becomes of a new lead when the CRM has MaxLeads.
type WhenFull string

// Wait keeps the leads that are there: the new one waits until one of them is withdrawn or deleted. Replace keeps the
// best: pushed leads with a lower score that no person works on make way.
const (
	Wait    WhenFull = "wait"
	Replace WhenFull = "replace"
)

// PolicyChange has the new values; nil leaves one as it is.
type PolicyChange struct {
	Buckets  []string
	MaxLeads *int
	WhenFull *WhenFull
	Assign   *crm.Assign
	Paused   *bool
	Reason   string // of Paused
}

// ReadPolicy returns the tenant's policy. A tenant that has set none has all buckets and the defaults.
func ReadPolicy(ctx context.Context, tx postgres.TenantTx, defaults PolicyDefaults) (PushPolicy, error) {
	policy := PushPolicy{Buckets: leads.Buckets(), MaxLeads: defaults.MaxLeads}
	var buckets []string
	var most *int
	err := tx.QueryRow(ctx, `SELECT (SELECT count(*) FROM public.pushed_leads WHERE state = 'pushed'), p.buckets,
			p.max_leads, coalesce(p.when_full, $1), coalesce(p.assign, $2), coalesce(p.paused, false),
			coalesce(p.reason, '')
		FROM (VALUES (0)) one LEFT JOIN public.push_policies p ON true`, Wait, cmp.Or(defaults.Assign, crm.AssignNone)).
		Scan(&policy.Pushed, &buckets, &most, &policy.WhenFull, &policy.Assign, &policy.Paused, &policy.Reason)
	if len(buckets) > 0 {
		policy.Buckets = slices.DeleteFunc(policy.Buckets, func(b string) bool { return !slices.Contains(buckets, b) })
	}
	if most != nil {
		policy.MaxLeads = *most
	}
	return policy, err
}

// SetPolicy changes the tenant's policy and returns it. It takes effect at the next push. Fault: Invalid for an unknown
// bucket, a negative number or another WhenFull.
func (s *Service) SetPolicy(ctx context.Context, id tenantid.ID, c PolicyChange, by tenant.By) (policy PushPolicy,
	err error) {
	if err := c.check(); err != nil {
		return policy, err
	}
	err = s.DB.InTenant(ctx, id, func(ctx context.Context, tx postgres.TenantTx) error {
		if _, err := tx.Exec(ctx, `INSERT INTO public.push_policies AS p
				(tenant_id, buckets, max_leads, when_full, paused, reason, assign)
			VALUES ($1, $2, $3, coalesce($4, 'wait'), coalesce($5, false), nullif($6, ''), $7)
			ON CONFLICT (tenant_id) DO UPDATE SET buckets = coalesce($2, p.buckets),
				max_leads = coalesce($3, p.max_leads), when_full = coalesce($4, p.when_full),
				paused = coalesce($5, p.paused), assign = coalesce($7, p.assign), updated_at = now(),
				reason = CASE WHEN $5 IS NULL THEN p.reason ELSE excluded.reason END`,
			id, c.Buckets, c.MaxLeads, c.WhenFull, c.Paused, c.Reason, c.Assign); err != nil {
			return err
		}
		if policy, err = ReadPolicy(ctx, tx, s.Defaults); err != nil {
			return err
		}
		return tenant.Record(ctx, tx, by, tenant.Act{Tenant: id, Action: "odoo.policy", Object: id.String(),
			Detail: map[string]any{"buckets": policy.Buckets, "max_leads": policy.MaxLeads,
				"when_full": policy.WhenFull, "assign": policy.Assign, "paused": policy.Paused,
				"reason": policy.Reason}})
	})
	return policy, err
}

func (c PolicyChange) check() error {
	for _, b := range c.Buckets {
		if !slices.Contains(leads.Buckets(), b) {
			return fault.New(fault.Invalid, "bucket %q: must be one of %s", b, strings.Join(leads.Buckets(), ", "))
		}
	}
	if c.MaxLeads != nil && *c.MaxLeads < 0 {
		return fault.New(fault.Invalid, "maximum of %d leads: must be 0 or more", *c.MaxLeads)
	}
	if c.WhenFull != nil && *c.WhenFull != Wait && *c.WhenFull != Replace {
		return fault.New(fault.Invalid, "when full %q: must be %s or %s", *c.WhenFull, Wait, Replace)
	}
	if c.Assign != nil && *c.Assign != crm.AssignNone && *c.Assign != crm.AssignRoundRobin {
		return fault.New(fault.Invalid, "assign %q: must be %s or %s", *c.Assign, crm.AssignNone, crm.AssignRoundRobin)
	}
	return nil
}

// Sentence says the policy to a salesperson.
func (p PushPolicy) Sentence() string {
	if p.Paused {
		return strings.TrimSpace("An administrator paused the way of leads to the CRM. " + p.Reason)
	}
	which := "all leads"
	if p.MaxLeads > 0 {
		which = fmt.Sprintf("the best %d leads", p.MaxLeads)
	}
	if len(p.Buckets) < len(leads.Buckets()) {
		which += " with " + strings.Join(p.Buckets, " or ") + " fit"
	}
	text := fmt.Sprintf("The CRM gets %s. It has %d.", which, p.Pushed)
	if p.Assign == crm.AssignRoundRobin {
		text += " New ones go to the salespeople in turn."
	}
	return text
}
