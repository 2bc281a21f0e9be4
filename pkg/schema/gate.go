package schema

import (
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/fault"
)

//go:embed gate.sql
var gateSQL string

//go:embed gate_login.sql
var gateLoginSQL string

// ServiceLogin is the rule about the logins of the platform's other services.
const ServiceLogin = "G39"

// Violation is a way in which the database could show a tenant another tenant's rows.
type Violation struct {
	Rule   string // stable, such as G07
	Text   string `db:"violation"` // what is wrong
	Object string // the role, table, index or function that is wrong
	Fix    string // SQL that mends it; "" if other work does, which Hint describes
	Theirs bool   // in a table of another service that leadctl's roles cannot reach
}

// String returns the violation as one line for an operator.
func (v Violation) String() string { return fmt.Sprintf("%s %s: %s", v.Rule, v.Object, v.Text) }

// Gate returns all violations in what leadctl's roles can reach: of roles, row security, policies, keys and privileges.
// The daemon serves only if there are none. A database without leadctl's tables is a violation too.
func Gate(ctx context.Context, q Querier) ([]Violation, error) {
	found, err := queryViolations(ctx, q, gateSQL)
	return slices.DeleteFunc(found, func(v Violation) bool { return v.Theirs }), err
}

// Others returns what is unsafe in the tables with tenants' rows that other services own and leadctl's roles cannot
// reach. It is no reason to refuse to serve.
func Others(ctx context.Context, q Querier) ([]Violation, error) {
	found, err := queryViolations(ctx, q, gateSQL)
	return slices.DeleteFunc(found, func(v Violation) bool { return !v.Theirs }), err
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
	rows, err := q.Query(ctx, sql, AppRole, SystemRole, OwnerRole)
	if err != nil {
		return nil, classifyError(err, "row-security gate")
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[Violation])
	if err != nil {
		return nil, classifyError(err, "row-security gate")
	}
	if preset != "" {
		found = append(found, Violation{Rule: "G20",
			Text: "request.tenant_id is set on a new connection", Object: preset})
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
		WithHint("%s", Hint(found))
}

// Hint returns what to do about all the violations: first the SQL that mends them, in the order in which it must run.
func Hint(found []Violation) string {
	var statements, other []string
	ordered := slices.SortedStableFunc(slices.Values(found), func(a, b Violation) int {
		return cmp.Compare(rank(a), rank(b))
	})
	for _, v := range ordered {
		if v.Fix != "" {
			statements = appendNew(statements, v.Fix)
		} else {
			other = appendNew(other, otherWork(v.Rule))
		}
	}
	if len(statements) > 0 {
		other = append([]string{"as a superuser, run: " + strings.Join(statements, "; ")}, other...)
	}
	return strings.Join(other, "; then ")
}

// rank returns the order of v's fix: a foreign key must go before the key to which it refers.
func rank(v Violation) int {
	if v.Rule == "G16" {
		return 1
	}
	return 0
}

func appendNew(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

// otherWork returns what to do about a violation of the rule that no SQL mends.
func otherWork(rule string) string {
	switch rule {
	case "G00", "G38":
		return "run `leadctl migrate`"
	case "G20":
		return "remove request.tenant_id from the options of POSTGRES_DSN"
	}
	return "create a login with `leadctl migrate login NAME --password-file FILE` and use it in POSTGRES_DSN"
}
