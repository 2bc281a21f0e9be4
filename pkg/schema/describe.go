package schema

import (
	"context"
	_ "embed"
	"strings"

	"github.com/jackc/pgx/v5"
)

//go:embed describe.sql
var describeSQL string

// Describe is schema public of the database behind q as SQL that makes it anew, given the roles: functions, sequences,
// tables with their keys, row security, policies and grants. Statements come in a fixed order, so two databases can be
// compared by their descriptions; columns stand in the order they were made in. q's search path must be the usual one.
func Describe(ctx context.Context, q Querier) (string, error) {
	rows, err := q.Query(ctx, describeSQL)
	if err != nil {
		return "", classifyError(err, "description of the schema")
	}
	var b strings.Builder
	var phase, lastPhase int
	var object, line, lastObject string
	_, err = pgx.ForEachRow(rows, []any{&phase, &object, &line}, func() error {
		apart := phase%2 == 1 // functions, tables and views stand apart, one-line statements together
		if b.Len() > 0 && (phase != lastPhase || apart && object != lastObject) {
			b.WriteString("\n")
		}
		lastPhase, lastObject = phase, object
		b.WriteString(line + ";\n")
		return nil
	})
	return b.String(), classifyError(err, "description of the schema")
}
