package schema

import (
	"context"
	_ "embed"
	"strings"

	"github.com/jackc/pgx/v5"
)

//go:embed describe.sql
var describeSQL string

// Describe returns schema public of the database behind q as SQL that creates it, if the roles exist: functions,
// sequences, tables with their keys, row security, policies and privileges. The order of statements is fixed, so that
// descriptions of two databases can be compared; columns are in the order of their creation. q's search path must be
// the default.
func Describe(ctx context.Context, q Querier) (string, error) {
	rows, err := q.Query(ctx, describeSQL)
	if err != nil {
		return "", classifyError(err, "description of the schema")
	}
	var b strings.Builder
	var phase, lastPhase int
	var object, line, lastObject string
	_, err = pgx.ForEachRow(rows, []any{&phase, &object, &line}, func() error {
		apart := phase%2 == 1 // an empty line between functions, tables and views, but not between one-line statements
		if b.Len() > 0 && (phase != lastPhase || apart && object != lastObject) {
			b.WriteString("\n")
		}
		lastPhase, lastObject = phase, object
		b.WriteString(line + ";\n")
		return nil
	})
	return b.String(), classifyError(err, "description of the schema")
}
