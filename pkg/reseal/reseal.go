// Package reseal seals every sealed value of the database with the current master key, after a new one was added
// (leadctl secrets rotate). The packages that own the columns list them; package secret seals.
package reseal

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/secret"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/tenantid"
	"github.com/leadctl/leadctl/pkg/websession"
	"github.com/leadctl/leadctl/pkg/workspace"
)

// Column is the result of one column.
type Column struct {
	Column  string   `json:"column"`
	Current int64    `json:"current"` // already sealed with the current key
	Moved   int64    `json:"moved"`   // resealed; in a dry run, to be resealed
	Failed  int64    `json:"failed"`  // unchanged: no key opens them, or they are stored in the clear
	Where   []string `json:"where"`   // the first failed values
}

const (
	resealBatch = 200 // values per transaction
	whereAtMost = 10
)

// sealedColumns returns all columns of the database with sealed values.
func sealedColumns() []secret.Column {
	return append(workspace.SealedColumns(), websession.SealedColumns()...)
}

// Reseal seals every sealed value with the current key, in batches. The keyset must contain the old and the new key. It
// may be interrupted and run again, and other processes may run meanwhile: a value that another process changes is left
// to that process. A value that cannot be opened is counted and left unchanged. A run that reseals any value is
// recorded once, with its first batch.
func Reseal(ctx context.Context, db *postgres.DB, keys *secret.Keyring, dryRun bool, by tenant.By,
	done func(values int64)) ([]Column, error) {
	var out []Column
	recorded := dryRun
	var values int64
	for _, c := range sealedColumns() {
		sum := Column{Column: c.Table + "." + c.Value, Where: []string{}}
		var after any
		for more := true; more; {
			err := db.InSystem(ctx, "reseal values", func(ctx context.Context, tx postgres.SystemTx) (err error) {
				if after, more, err = resealRows(ctx, tx, keys, c, after, dryRun, &sum); err != nil || recorded ||
					sum.Moved == 0 {
					return err
				}
				return tenant.Record(ctx, tx, by, tenant.Act{Action: "secrets.rotate", Object: "master key"})
			})
			if err != nil {
				return append(out, sum), err
			}
			recorded = recorded || sum.Moved > 0
			done(values + sum.Current + sum.Moved + sum.Failed)
		}
		values += sum.Current + sum.Moved + sum.Failed
		out = append(out, sum)
	}
	return out, nil
}

type sealedValue struct {
	key    any
	tenant tenantid.ID
	text   string
}

// resealRows reseals the next batch of values, whose keys come after the given one. more is false after the last batch.
func resealRows(ctx context.Context, tx postgres.SystemTx, keys *secret.Keyring, c secret.Column, after any,
	dryRun bool, sum *Column) (last any, more bool, err error) {
	list, err := sealedValues(ctx, tx, c, after)
	if err != nil || len(list) == 0 {
		return after, false, err
	}
	counts := *sum // sum stays unchanged if the batch is rolled back
	for _, v := range list {
		if keys.IsCurrent(v.text) {
			counts.Current++
			continue
		}
		text, err := keys.Open(v.text, c.Purpose, v.tenant)
		if err != nil {
			counts.recordFailure(c, v)
			continue
		}
		counts.Moved++
		if dryRun {
			continue
		}
		sealed, err := keys.Seal(text, c.Purpose, v.tenant)
		if err != nil {
			return after, false, err
		}
		if _, err := tx.Exec(ctx, fmt.Sprintf(`UPDATE %s SET %s = $1 WHERE %s = $2 AND %[2]s = $3`, c.Table, c.Value,
			c.Key), sealed, v.key, v.text); err != nil {
			return after, false, err
		}
	}
	*sum = counts
	return list[len(list)-1].key, len(list) == resealBatch, nil
}

func sealedValues(ctx context.Context, tx postgres.SystemTx, c secret.Column, after any) ([]sealedValue, error) {
	sql, args := fmt.Sprintf(`SELECT %s, %s FROM %s WHERE %[2]s IS NOT NULL`, c.Key, c.Value, c.Table), []any{}
	if after != nil {
		sql, args = sql+` AND `+c.Key+` > $1`, append(args, after)
	}
	rows, err := tx.Query(ctx, sql+fmt.Sprintf(` ORDER BY %s LIMIT %d`, c.Key, resealBatch), args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (v sealedValue, err error) {
		if err = row.Scan(&v.key, &v.text); err != nil || !c.Tenant {
			return v, err
		}
		id, _ := v.key.(int32)
		v.tenant = tenantid.ID(id)
		return v, nil
	})
}

func (r *Column) recordFailure(c secret.Column, v sealedValue) {
	r.Failed++
	if len(r.Where) >= whereAtMost {
		return
	}
	place := "a session"
	if c.Tenant {
		place = "tenant " + v.tenant.String()
	}
	if !secret.Sealed(v.text) {
		place += " (stored in the clear)"
	}
	r.Where = append(r.Where, place)
}
