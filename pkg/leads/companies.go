package leads

import (
	"context"
	_ "embed"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/leadctl/leadctl/pkg/postgres"
)

//go:embed companies.sql
var companiesSQL string

// liveStatuses are the three values of a live company's status in the register, in lower case.
var liveStatuses = []string{"live", "live company", "live (receiver or receiver and manager appointed)"}

// CompaniesReport counts the rows that a refresh wrote. All are zero if the companies match the register.
type CompaniesReport struct {
	Added   int64 `json:"added" yaml:"added" db:"added"`       // new live companies
	Updated int64 `json:"updated" yaml:"updated" db:"updated"` // changed companies
	Closed  int64 `json:"closed" yaml:"closed" db:"closed"`    // updated companies that are no longer live
}

// RefreshCompanies updates the companies table from the staged register and writes only rows that differ. It sets the
// columns of the register (name, industry, year, type, status, live, address) and keeps those of other services.
// Refreshes run one after the other, so companies.updated_at grows in the order of commits; Score relies on that.
func RefreshCompanies(ctx context.Context, tx postgres.SystemTx) (CompaniesReport, error) {
	if err := prepareBulkJoin(ctx, tx); err != nil {
		return CompaniesReport{}, err
	}
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1, 0)`, lockCompanies); err != nil {
		return CompaniesReport{}, err
	}
	divisions, _, norms := divisionArrays()
	rows, err := tx.Query(ctx, companiesSQL, divisions, norms, liveStatuses)
	if err != nil {
		return CompaniesReport{}, err
	}
	return pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[CompaniesReport])
}

// refreshStaleCompanies calls RefreshCompanies if the register has changed since the companies. The check reads two
// indexes.
func refreshStaleCompanies(ctx context.Context, tx postgres.SystemTx) (CompaniesReport, error) {
	var stale bool
	err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM public.acra_runs WHERE state IN ('done', 'incomplete')
		AND inserted + updated + absent > 0
			AND finished_at >= coalesce((SELECT max(updated_at) FROM public.companies), '-infinity'))
		OR NOT EXISTS (SELECT FROM public.companies) AND EXISTS (SELECT
		FROM public.staging_acra_companies)`).Scan(&stale)
	if err != nil || !stale {
		return CompaniesReport{}, err
	}
	return RefreshCompanies(ctx, tx)
}

// execer is a transaction of either kind.
type execer interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// allowLongWork raises the time and memory limits of this transaction, for statements over millions of rows.
func allowLongWork(ctx context.Context, tx execer) error {
	_, err := tx.Exec(ctx, `SELECT set_config('statement_timeout', '1800000', true), set_config('lock_timeout',
		'1800000', true),
		set_config('work_mem', '64MB', true), set_config('jit', 'off', true)`)
	return err
}

// prepareBulkJoin is allowLongWork for statements that join many rows with many. It turns nested loops off: for a
// tenant without statistics, PostgreSQL expects few rows and would look up each row. Without nested loops it reads
// each table once.
func prepareBulkJoin(ctx context.Context, tx execer) error {
	if err := allowLongWork(ctx, tx); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `SELECT set_config('enable_nestloop', 'off', true)`)
	return err
}
