package schema

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// readShape returns the type of each column, the owner of each table and the definition of each key and index in
// schema public, by a text that names it, such as "column companies.uen".
func readShape(ctx context.Context, conn *pgx.Conn) (map[string]string, error) {
	rows, err := conn.Query(ctx, `
		SELECT 'column ' || c.relname || '.' || a.attname, format_type(a.atttypid, a.atttypmod)
		FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
		WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
		UNION ALL SELECT 'owner of ' || relname, relowner::regrole::text FROM pg_class
		WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'm', 'v')
		UNION ALL SELECT 'index ' || i.relname || ' of ' || c.relname, pg_get_indexdef(i.oid)
		FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class c ON c.oid = x.indrelid
		WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
		UNION ALL SELECT 'policy ' || polname || ' of ' || c.relname, pg_get_expr(polqual, polrelid)
		FROM pg_policy JOIN pg_class c ON c.oid = polrelid WHERE c.relnamespace = 'public'::regnamespace`)
	if err != nil {
		return nil, classifyError(err, "catalog")
	}
	shape := map[string]string{}
	var name, value string
	_, err = pgx.ForEachRow(rows, []any{&name, &value}, func() error {
		shape[name] = value
		return nil
	})
	return shape, classifyError(err, "catalog")
}

// compareShapes returns a line for each difference in the tables that before has.
func compareShapes(before, after map[string]string) (lines []string) {
	for _, name := range slices.Sorted(maps.Keys(before)) {
		now, kept := after[name]
		switch {
		case !kept:
			lines = append(lines, name+" is dropped: "+before[name])
		case now != before[name]:
			lines = append(lines, name+" changes from "+before[name]+" to "+now)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if _, known := before[name]; !known && before["owner of "+tableOf(name)] != "" {
			lines = append(lines, name+" is added: "+after[name])
		}
	}
	return lines
}

// tableOf returns the table in a name of readShape.
func tableOf(name string) string {
	if column, found := strings.CutPrefix(name, "column "); found {
		table, _, _ := strings.Cut(column, ".")
		return table
	}
	return name[strings.LastIndex(name, " ")+1:]
}
