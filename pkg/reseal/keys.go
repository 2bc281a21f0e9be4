package reseal

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/secret"
	"github.com/leadctl/leadctl/pkg/workspace"
)

// CheckKeyset reads one stored Odoo secret per key and returns how many of these keys the keyset lacks. It returns an
// Operator fault if the keyset has none of them: then it is the keyset of another installation.
func CheckKeyset(ctx context.Context, db *postgres.DB, keys *secret.Keyring) (missing int, err error) {
	used, known := map[uint32]bool{}, 0
	for _, c := range workspace.SealedColumns() {
		samples, err := sampleValues(ctx, db, c)
		if err != nil {
			return 0, err
		}
		for _, s := range samples {
			id, ok := secret.SealedWith(s)
			if !ok || used[id] {
				continue
			}
			used[id] = true
			if keys.Has(s) {
				known++
			}
		}
	}
	if len(used) > 0 && known == 0 {
		return len(used), fault.New(fault.Operator, "keyset: it opens none of the Odoo secrets in the database").
			WithHint("set LEADCTL_KEYSET_FILE to the keyset of this installation; if it is lost, " +
				"`leadctl tenant provision TENANT` makes new secrets")
	}
	return len(used) - known, nil
}

// sampleValues returns at least one value of the column for each key that sealed one. The first ten characters of a
// value hold the key's id and two random bits, so there are at most four for each key.
func sampleValues(ctx context.Context, db *postgres.DB, c secret.Column) (out []string, err error) {
	sql := fmt.Sprintf(`SELECT DISTINCT ON (left(%s, 10)) %[1]s FROM %s WHERE %[1]s IS NOT NULL`, c.Value, c.Table)
	err = db.InSystem(ctx, "check the keyset", func(ctx context.Context, tx postgres.SystemTx) error {
		rows, err := tx.Query(ctx, sql)
		if err != nil {
			return err
		}
		out, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	return out, err
}
