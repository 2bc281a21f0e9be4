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

// Violation is one way in which this database could show a tenant another tenant's row.
type Violation struct {
	Rule   string `json:"rule" yaml:"rule" db:"rule"`                // stable, such as G07
	Text   string `json:"violation" yaml:"violation" db:"violation"` // what is wrong
	Object string `json:"object" yaml:"object" db:"object"`          // the role, table or index it is wrong with
}

// String is the line an operator reads.
func (v Violation) String() string { return fmt.Sprintf("%s %s: %s", v.Rule, v.Object, v.Text) }

// Gate lists every violation in the database behind q: roles, row security, policies, keys, grants. None is the only
// state in which a daemon may serve.
func Gate(ctx context.Context, q Querier) ([]Violation, error) {
	return queryViolations(ctx, q, gateSQL)
}

// GateLogin judges the login that q's session belongs to (not the role it has become): in production it may be able to
// become leadctl_app and leadctl_system and nothing else, since RESET ROLE would undo any other restraint.
func GateLogin(ctx context.Context, q Querier) ([]Violation, error) {
	return queryViolations(ctx, q, gateLoginSQL)
}

func queryViolations(ctx context.Context, q Querier, sql string) ([]Violation, error) {
	var preset string
	if err := q.QueryRow(ctx, `SELECT coalesce(current_setting('request.tenant_id', true), '')`).Scan(&preset); err != nil {
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
		found = append(found, Violation{"G20", "request.tenant_id is set on a fresh connection", preset})
	}
	return found, nil
}

// Refusal turns violations into the Operator fault that keeps a daemon from listening; nil for none.
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

// violationHint names what to do for the first violation; the rest usually follow from it.
func violationHint(found []Violation) string {
	v := found[0]
	switch v.Rule {
	case "G00", "G04", "G08", "G10", "G12", "G16", "G22", "G26", "G27", "G30":
		return "run `leadctl migrate`; if it stands, undo what was changed by hand on " + v.Object
	case "G01", "G02", "G03", "G05", "G25", "G28", "G29", "G32":
		return "make a login with `leadctl migrate login NAME --password-file FILE` and put it into POSTGRES_DSN"
	case "G06":
		return fmt.Sprintf("ALTER TABLE public.%s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; and give it the policy tenant_isolation", v.Object)
	case "G07":
		return fmt.Sprintf("ALTER TABLE public.%s FORCE ROW LEVEL SECURITY", v.Object)
	case "G09":
		return "drop that policy on " + v.Object
	case "G13":
		return fmt.Sprintf("ALTER VIEW public.%s SET (security_invoker = true)", v.Object)
	case "G19", "G20":
		return "ALTER ROLE … RESET, or ALTER DATABASE … RESET, the setting"
	}
	return "docs/security.md, section The gate, explains each rule"
}
