package leads

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/jobs"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
)

// UnnamedRule is the name of a rule that was stored without one.
const UnnamedRule = "Unnamed"

// maxRules bounds the work of a scoring run, which evaluates all rules.
const maxRules = 100

// DefaultRuleName and DefaultPayload are the rule that a new tenant starts with: established companies of the
// industries that most platforms sell to. It is meant to be edited.
const (
	DefaultRuleName = "Default"
	DefaultPayload  = `{"industries": ["information and communications", "professional, scientific and technical ` +
		`activities", ` +
		`"wholesale and retail trade"], "entity_types": ["Local Company"], "incorporation_year": {"min": 2000}}`
)

// Rule is a named profile of a tenant. RuleID counts within the tenant.
type Rule struct {
	RuleID    int32           `json:"rule_id" yaml:"rule_id" db:"rule_id"`
	TenantID  TenantID        `json:"tenant_id" yaml:"tenant_id" db:"tenant_id"`
	Name      string          `json:"name" yaml:"name" db:"name"`
	Payload   json.RawMessage `json:"payload" yaml:"payload" db:"payload"` // an object unless another service wrote it
	CreatedAt time.Time       `json:"created_at" yaml:"created_at" db:"created_at"`
	// why the payload cannot be read; such a rule picks no company. "" when it can
	Unreadable string `json:"unreadable,omitempty" yaml:"unreadable,omitempty" db:"-"`
}

const ruleColumns = `rule_id, tenant_id, name, payload, created_at`

// scanRule reads a row of ruleColumns and checks the payload.
func scanRule(row pgx.CollectableRow) (Rule, error) {
	r, err := pgx.RowToStructByName[Rule](row)
	if err != nil {
		return r, err
	}
	if _, wrong := ParseProfile(r.Payload); wrong != nil {
		r.Unreadable = fault.Text(wrong)
	}
	return r, nil
}

// ListRules returns the tenant's rules, newest first.
func ListRules(ctx context.Context, tx postgres.TenantTx) ([]Rule, error) {
	rows, err := tx.Query(ctx, `SELECT `+ruleColumns+` FROM public.icp_rules ORDER BY created_at DESC, rule_id DESC`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanRule)
}

// ShowRule returns the rule with that name. Fault: NotFound.
func ShowRule(ctx context.Context, tx postgres.TenantTx, name string) (Rule, error) {
	rows, err := tx.Query(ctx, `SELECT `+ruleColumns+` FROM public.icp_rules WHERE name = $1`, name)
	if err != nil {
		return Rule{}, err
	}
	r, err := pgx.CollectExactlyOneRow(rows, scanRule)
	if errors.Is(err, pgx.ErrNoRows) {
		return Rule{}, fault.New(fault.NotFound, "rule %q: tenant %s has no rule with this name", name, tx.Tenant()).
			WithHint("`leadctl icp list --tenant %s` shows all", tx.Tenant())
	}
	return r, err
}

// payloadHash is the SHA-256 of the payload as PostgreSQL prints it, in hexadecimal: the audit log's proof of what
// changed.
func (r Rule) payloadHash() string {
	sum := sha256.Sum256(r.Payload)
	return hex.EncodeToString(sum[:])
}

// SetRule creates the tenant's rule of that name or replaces its payload, and requests a run that rescores the tenant
// by it. Name "" means UnnamedRule. The same payload again leaves the rule unchanged. Faults: Invalid with the name of
// the wrong member; Conflict with code QUOTA_RULES when a new rule would be the tenant's 101st.
func SetRule(ctx context.Context, tx postgres.SystemTx, queue *jobs.Client, id TenantID, name string, payload []byte,
	by tenant.By) (rule Rule, err error) {
	err = tx.AsTenant(ctx, id, func(ctx context.Context, tx postgres.TenantTx) (err error) {
		rule, err = storeRule(ctx, tx, name, payload, by)
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

// storeRule writes the rule and records it, with the hashes of the payload before and after.
func storeRule(ctx context.Context, tx postgres.TenantTx, name string, payload []byte, by tenant.By) (Rule, error) {
	name = strings.TrimSpace(name)
	if name == "" {
		name = UnnamedRule
	}
	if err := checkText(name); err != nil {
		return Rule{}, fault.New(fault.Invalid, "name: %s", err.Error())
	}
	if _, err := ParseProfile(payload); err != nil {
		return Rule{}, err
	}
	if err := lockTenant(ctx, tx, lockNumbers); err != nil {
		return Rule{}, err
	}
	detail := map[string]any{}
	switch old, err := ShowRule(ctx, tx, name); {
	case err == nil:
		detail["old_sha256"] = old.payloadHash()
	case !fault.Is(err, fault.NotFound):
		return Rule{}, err
	}
	tag, err := tx.Exec(ctx, `
		INSERT INTO public.icp_rules AS r (tenant_id, rule_id, name, payload)
		SELECT $1, coalesce(max(rule_id), 0) + 1, $2, $3::jsonb FROM public.icp_rules
		HAVING count(*) < $4 OR bool_or(name = $2)
		ON CONFLICT (tenant_id, name) DO UPDATE SET payload = excluded.payload, updated_at = now()
		WHERE r.payload <> excluded.payload`,
		tx.Tenant(), name, payload, maxRules)
	if err != nil {
		return Rule{}, storableFault(err)
	}
	r, err := ShowRule(ctx, tx, name)
	if tag.RowsAffected() == 0 && fault.Is(err, fault.NotFound) {
		return Rule{}, fault.New(fault.Conflict, "rule %q: the tenant has %d rules, the most allowed", name,
			maxRules).WithCode("QUOTA_RULES").
			WithHint("change an existing rule: one rule may name many industries")
	}
	if err != nil {
		return Rule{}, err
	}
	detail["rule_id"], detail["new_sha256"] = r.RuleID, r.payloadHash()
	return r, tenant.Record(ctx, tx, by, tenant.Act{Tenant: tx.Tenant(), Action: "icp.set", Object: r.Name,
		Detail: detail})
}

// storableFault returns the fault for valid JSON that jsonb rejects: \u0000, too large numbers, too deep nesting.
func storableFault(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && (strings.HasPrefix(pg.Code, "22") || strings.HasPrefix(pg.Code, "54")) {
		return fault.New(fault.Invalid, "payload: contains a value that PostgreSQL cannot store").Because(err)
	}
	return err
}

// lockTenant takes the tenant's lock of that class until the transaction ends.
func lockTenant(ctx context.Context, tx postgres.TenantTx, class int32) error {
	_, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1, $2)`, class, int32(tx.Tenant()))
	return err
}
