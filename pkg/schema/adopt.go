package schema

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"
)

// countAdopted sets in res the numbers of rows that adoption set aside, so that the operator can account for every row.
func countAdopted(ctx context.Context, conn *pgx.Conn, res *Result) error {
	rows, err := conn.Query(ctx, `SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
		AND relkind = 'r'
		AND relname LIKE '%\_unassigned' AND relowner = $1::regrole ORDER BY 1`, OwnerRole)
	if err != nil {
		return classifyError(err, "rows set aside by adoption")
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return classifyError(err, "rows set aside by adoption")
	}
	if _, err := conn.Exec(ctx, `SET ROLE `+OwnerRole); err != nil {
		return classifyError(err, "rows set aside by adoption")
	}
	for _, t := range tables {
		var n int64
		if err := conn.QueryRow(ctx, `SELECT count(*) FROM `+pgx.Identifier{"public",
			t}.Sanitize()).Scan(&n); err != nil {
			return classifyError(err, "rows set aside by adoption")
		}
		if res.Unassigned == nil {
			res.Unassigned = map[string]int64{}
		}
		res.Unassigned[strings.TrimSuffix(t, "_unassigned")] = n
	}
	return countPlaintext(ctx, conn, res)
}

// countPlaintext sets in res the number of secrets that are not encrypted. It runs as the control plane, because row
// security hides the rows from the owner.
func countPlaintext(ctx context.Context, conn *pgx.Conn, res *Result) error {
	if _, err := conn.Exec(ctx, `SET ROLE `+SystemRole); err != nil {
		return classifyError(err, "plaintext secrets")
	}
	err := conn.QueryRow(ctx, `SELECT count(*) FROM public.odoo_connections WHERE secret NOT LIKE 'v1:%'`).
		Scan(&res.PlaintextSecrets)
	return classifyError(err, "plaintext secrets")
}
