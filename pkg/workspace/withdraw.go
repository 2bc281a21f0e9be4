package workspace

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/odoo/crm"
	"github.com/leadctl/leadctl/pkg/postgres"
)

// withdraw takes back the pushed leads whose companies have no score any more and, in Replace, those that are not among
// the best. Without Replace its cost grows with the number of leads that it takes back.
func (p *pushRun) withdraw(ctx context.Context, tell func(Pushed)) error {
	for after := int32(0); ; tell(*p.sum) {
		var page []unfit
		err := p.DB.ReadTenant(ctx, p.tenant, func(ctx context.Context, tx postgres.TenantTx) (err error) {
			page, err = unfitAfter(ctx, tx, p.replace, after, pushPageSize)
			return err
		})
		if err != nil || len(page) == 0 {
			return err
		}
		after = page[len(page)-1].company
		page = slices.DeleteFunc(page, func(u unfit) bool { return u.KeepWorkedOn && p.visited[u.company] })
		if err := p.withdrawPage(ctx, page); err != nil {
			return err
		}
	}
}

// unfit is a pushed lead whose company no longer fits.
type unfit struct {
	crm.Withdrawal

	company int32
	hash    string
}

// withdrawPage takes back leads and remembers it.
func (p *pushRun) withdrawPage(ctx context.Context, page []unfit) error {
	if len(page) == 0 {
		return nil
	}
	w, err := p.prepare(ctx)
	if err != nil {
		return err
	}
	items, leads := make([]crm.Withdrawal, len(page)), map[string]unfit{}
	for i, u := range page {
		items[i], leads[u.UEN] = u.Withdrawal, u
	}
	outcomes, err := p.Odoo.WithdrawLeads(ctx, w, items, p.options.DryRun)
	ledger := map[int32]ledgerEntry{}
	for _, o := range outcomes {
		if o.Action == crm.ActionWithdrawn {
			p.sum.Withdrawn++
		}
		ledger[leads[o.UEN].company] = ledgerEntry{o.Entry, leads[o.UEN].hash}
	}
	if failed := p.remember(ctx, ledger); failed != nil {
		return failed
	}
	return err
}

// unfitAfter returns pushed leads whose companies have no score, in the order of companies; with scored, also those
// that have one. A company that the register no longer has keeps its row, so the reason can be told.
func unfitAfter(ctx context.Context, tx postgres.TenantTx, scored bool, after int32, limit int) (page []unfit,
	err error) {
	rows, err := tx.Query(ctx, `SELECT p.company_id, p.contact_id, p.lead_id, p.state, p.hash, p.written,
			coalesce(c.uen, ''), s.company_id IS NOT NULL,
			CASE WHEN s.company_id IS NOT NULL THEN 'Companies with a higher score take its place.'
				WHEN c.live THEN 'The company no longer fits the profiles.'
				WHEN c.entity_status IS NULL OR c.entity_status ILIKE 'live%'
					THEN 'The company is no longer in the register.'
				ELSE format('The company is closed. Its status in the register: %s.', c.entity_status) END
		FROM public.pushed_leads p LEFT JOIN public.companies c USING (company_id)
			LEFT JOIN public.lead_scores s USING (tenant_id, company_id)
		WHERE p.state = 'pushed' AND p.company_id > $1 AND ($2 OR s.company_id IS NULL)
		ORDER BY p.company_id LIMIT $3`, after, scored, limit)
	if err != nil {
		return nil, err
	}
	var u unfit
	var row ledgerRow
	_, err = pgx.ForEachRow(rows, append(row.columns(), &u.UEN, &u.KeepWorkedOn, &u.Reason), func() (err error) {
		e, err := row.entry()
		u.Known, u.hash, u.company = e.Entry, e.Hash, row.company
		page = append(page, u)
		return err
	})
	return page, err
}
