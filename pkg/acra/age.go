package acra

import (
	"context"
	"time"

	"github.com/leadctl/leadctl/pkg/postgres"
)

// Age tells how old the register in the table is.
type Age struct {
	Current  time.Time // when a run last found or made the table equal to the source; zero when no run has finished
	Released string    // publication date of the newest release in the table; "" when the source names none
}

// ReadAge reads the age from the finished runs. A run with a limit, or of a part of the register, counts like any
// other: the age shows whether ingestion works.
func ReadAge(ctx context.Context, db *postgres.DB) (Age, error) {
	var age Age
	var current *time.Time
	err := db.InSystem(ctx, "acra age", func(ctx context.Context, tx postgres.SystemTx) error {
		return tx.QueryRow(ctx, `SELECT max(updated_at),
				coalesce(max((SELECT max(value) FROM jsonb_each_text(nullif(detail->'versions', 'null')))), '')
			FROM acra_runs WHERE state = 'done'`).Scan(&current, &age.Released)
	})
	if current != nil {
		age.Current = *current
	}
	return age, err
}
