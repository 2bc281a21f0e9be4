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

// liveStatuses are the three ways in which the register says live, lower-cased.
var liveStatuses = []string{"live", "live company", "live (receiver or receiver and manager appointed)"}

// CompaniesReport counts the rows that a refresh wrote. All zero: companies were as the register says.
type CompaniesReport struct {
	Added   int64 `json:"added" yaml:"added" db:"added"`       // companies that are live and were not there
	Updated int64 `json:"updated" yaml:"updated" db:"updated"` // companies of which something changed
	Closed  int64 `json:"closed" yaml:"closed" db:"closed"`    // of the updated: struck off, terminated and the like
}

// RefreshCompanies brings the companies table to what the staged register says, writing only rows that differ. It fills
// what the register knows (name, industry, year, type, status, live) and leaves what other services add. Refreshes run
// one after the other, so companies.updated_at grows in the order of commits; Score relies on that.
func RefreshCompanies(ctx context.Context, tx postgres.SystemTx) (CompaniesReport, error) {
	if err := wholeTables(ctx, tx); err != nil {
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

// refreshStaleCompanies is RefreshCompanies when the register has changed since companies last did, else it does
// nothing: a look at two indexes.
func refreshStaleCompanies(ctx context.Context, tx postgres.SystemTx) (CompaniesReport, error) {
	var stale bool
	err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM public.acra_runs WHERE state = 'done' AND inserted + updated + absent > 0
			AND finished_at >= coalesce((SELECT max(updated_at) FROM public.companies), '-infinity'))
		OR NOT EXISTS (SELECT FROM public.companies) AND EXISTS (SELECT FROM public.staging_acra_companies)`).Scan(&stale)
	if err != nil || !stale {
		return CompaniesReport{}, err
	}
	return RefreshCompanies(ctx, tx)
}

// execer is a transaction of either kind.
type execer interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// longWork lets the statements of this transaction take the time and memory that millions of rows need, and wait as
// long for another's.
func longWork(ctx context.Context, tx execer) error {
	_, err := tx.Exec(ctx, `SELECT set_config('statement_timeout', '1800000', true), set_config('lock_timeout', '1800000', true),
		set_config('work_mem', '64MB', true), set_config('jit', 'off', true)`)
	return err
}

// wholeTables is longWork for statements that compare many rows with many. PostgreSQL takes a tenant it has no
// statistics of for a small one and would look rows up one by one; without nested loops its worst is reading a table
// once.
func wholeTables(ctx context.Context, tx execer) error {
	if err := longWork(ctx, tx); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `SELECT set_config('enable_nestloop', 'off', true)`)
	return err
}
