package leads_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/leads"
	"github.com/leadctl/leadctl/pkg/pgtest"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
)

// tester is who acts in tests.
var tester = tenant.By{Actor: "test"}

// world is a database with tenants 1 and 2 and a staged register.
type world struct {
	*pgtest.DB
	t testing.TB
}

func newWorld(t testing.TB) world {
	w := world{pgtest.New(t), t}
	w.exec(`INSERT INTO tenants (tenant_id, name) VALUES (1, 'Alpha'), (2, 'Beta')`)
	return w
}

// exec runs a fixture as the superuser.
func (w world) exec(sql string, args ...any) {
	w.t.Helper()
	_, err := w.Owner.Exec(w.t.Context(), sql, args...)
	require.NoError(w.t, err)
}

// stage puts a register entry into staging, or replaces it.
func (w world) stage(uen, name, kind, status, date, ssic string) {
	w.t.Helper()
	w.exec(`INSERT INTO staging_acra_companies (uen, entity_name, entity_type_description, entity_status_description,
		registration_incorporation_date, primary_ssic_code)
		VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (uen) DO UPDATE
		SET entity_name = excluded.entity_name, entity_type_description = excluded.entity_type_description,
		entity_status_description = excluded.entity_status_description,
		registration_incorporation_date = excluded.registration_incorporation_date,
		primary_ssic_code = excluded.primary_ssic_code`,
		uen, name, kind, status, date, ssic)
}

// register stages six entries and makes companies of the five that are live.
func (w world) register() {
	w.t.Helper()
	w.stage("201500001A", "ACME CLOUD PTE. LTD.", "Local Company", "Live Company", "2015-03-01", "62011")
	w.stage("201900002B", "BETA  SOFTWARE PTE. LTD.", "Local Company", "Live Company", "2019-03-01", "62021")
	w.stage("52800003C", "CORNER CAFE", "Sole Proprietorship/ Partnership", "Live", "2008-05-05", "56111")
	w.stage("T05LL0004D", "DELTA ADVISORS LLP", "Limited Liability Partnership", "LIVE", "05/04/2005", "70201")
	w.stage("198000005E", "ECHO SHIPPING LTD", "Local Company", "Live (Receiver or Receiver and Manager appointed)",
		"1980-01-01", "50021.0")
	w.stage("199000006F", "FOXTROT LTD", "Local Company", "Struck Off", "1990-01-01", "62011")
	w.refresh()
}

func (w world) refresh() leads.CompaniesReport { return w.companies(leads.RefreshCompanies) }

// companies brings the companies to what the register says, by one of the ways to do that.
func (w world) companies(bring func(context.Context, postgres.SystemTx) (leads.CompaniesReport, error)) (
	report leads.CompaniesReport) {
	w.t.Helper()
	require.NoError(w.t, w.App.InSystem(w.t.Context(), "test",
		func(ctx context.Context, tx postgres.SystemTx) (err error) {
			report, err = bring(ctx, tx)
			return err
		}))
	return report
}

// as runs fn in a transaction of the tenant.
func (w world) as(tenant leads.TenantID, fn func(ctx context.Context, tx postgres.TenantTx)) {
	w.t.Helper()
	require.NoError(w.t, w.App.InTenant(w.t.Context(), tenant, func(ctx context.Context, tx postgres.TenantTx) error {
		fn(ctx, tx)
		return nil
	}))
}

func (w world) rule(tenant leads.TenantID, name, payload string) {
	w.t.Helper()
	w.as(tenant, func(ctx context.Context, tx postgres.TenantTx) {
		_, err := leads.StoreRule(ctx, tx, name, []byte(payload), tester)
		require.NoError(w.t, err)
	})
}

func (w world) score(tenant leads.TenantID, opts leads.ScoreOptions) (report leads.ScoreReport) {
	w.t.Helper()
	if opts.Now.IsZero() {
		opts.Now = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	}
	w.as(tenant, func(ctx context.Context, tx postgres.TenantTx) {
		var err error
		report, err = leads.Score(ctx, tx, opts, tester)
		require.NoError(w.t, err)
	})
	return report
}

// names lists the tenant's leads, best first.
func (w world) names(tenant leads.TenantID) (names []string) {
	w.t.Helper()
	w.as(tenant, func(ctx context.Context, tx postgres.TenantTx) {
		top, err := leads.Latest(ctx, tx, 100, leads.Filter{}, leads.Cursor{})
		require.NoError(w.t, err)
		for _, l := range top.Items {
			names = append(names, fmt.Sprint(*l.Name))
		}
	})
	return names
}

// rows renders every row of a query as the superuser sees it.
func (w world) rows(sql string) (out []string) {
	w.t.Helper()
	rows, err := w.Owner.Query(w.t.Context(), `SELECT r::text FROM (`+sql+`) r`)
	require.NoError(w.t, err)
	defer rows.Close()
	for rows.Next() {
		var s string
		require.NoError(w.t, rows.Scan(&s))
		out = append(out, s)
	}
	require.NoError(w.t, rows.Err())
	return out
}
