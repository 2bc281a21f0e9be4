package schema

import (
	"context"
	_ "embed"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/fault"
)

//go:embed gate.sql
var gateSQL string

//go:embed gate_login.sql
var gateLoginSQL string

// Violation is a way in which the database could show a tenant another tenant's rows.
type Violation struct {
	Rule   string `json:"rule" yaml:"rule" db:"rule"`                // stable, such as G07
	Text   string `json:"violation" yaml:"violation" db:"violation"` // what is wrong
	Object string `json:"object" yaml:"object" db:"object"`          // the role, table, index or function that is wrong
}

// String returns the violation as one line for an operator.
func (v Violation) String() string { return fmt.Sprintf("%s %s: %s", v.Rule, v.Object, v.Text) }

// Gate returns all violations in the database behind q: of roles, row security, policies, keys and privileges. The
// daemon serves only if there are none.
func Gate(ctx context.Context, q Querier) ([]Violation, error) {
	return queryViolations(ctx, q, gateSQL)
}

// GateLogin returns the violations of the login of q's session, whatever its current role is. In production the login
// may be a member of leadctl_app and leadctl_system only, because RESET ROLE gives a session its login's privileges.
func GateLogin(ctx context.Context, q Querier) ([]Violation, error) {
	return queryViolations(ctx, q, gateLoginSQL)
}

func queryViolations(ctx context.Context, q Querier, sql string) ([]Violation, error) {
	var preset string
	err := q.QueryRow(ctx, `SELECT coalesce(current_setting('request.tenant_id', true), '')`).Scan(&preset)
	if err != nil {
		return nil, classifyError(err, "row-security gate")
	}
	rows, err := q.Query(ctx, sql, AppRole, SystemRole)
	if err != nil {
		return nil, classifyError(err, "row-security gate")
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[Violation])
	if err != nil {
		return nil, classifyError(err, "row-security gate")
	}
	if preset != "" {
		found = append(found, Violation{"G20", "request.tenant_id is set on a new connection", preset})
	}
	return found, nil
}

// Refusal returns the Operator fault with which the daemon does not start because of the violations, nil if there are
// none.
func Refusal(found []Violation) error {
	if len(found) == 0 {
		return nil
	}
	lines := make([]string, len(found))
	for i, v := range found {
		lines[i] = v.String()
	}
	return fault.New(fault.Operator, "refusing to serve: %s", strings.Join(lines, "; ")).
		WithHint("%s", violationHint(found))
}

// violationHint returns what to do about the first violation. The others are often its consequence.
func violationHint(found []Violation) string {
	v := found[0]
	switch v.Rule {
	case "G00", "G04", "G08", "G10", "G12", "G16", "G22", "G26", "G27", "G30":
		return "run `leadctl migrate`; if the violation remains, undo the manual change of " + v.Object
	case "G01", "G02", "G03", "G05", "G25", "G28", "G29", "G32":
		return "create a login with `leadctl migrate login NAME --password-file FILE` and use it in POSTGRES_DSN"
	case "G06":
		return fmt.Sprintf("run ALTER TABLE public.%s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY, "+
			"then create the policy tenant_isolation on it", v.Object)
	case "G07":
		return fmt.Sprintf("run ALTER TABLE public.%s FORCE ROW LEVEL SECURITY", v.Object)
	case "G09":
		return "drop that policy on " + v.Object
	case "G13":
		return fmt.Sprintf("run ALTER VIEW public.%s SET (security_invoker = true)", v.Object)
	case "G19", "G20":
		return "reset the setting with ALTER ROLE … RESET or ALTER DATABASE … RESET"
	}
	return "see the section The gate in docs/security.md"
}
