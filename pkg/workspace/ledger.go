package workspace

import (
	"context"
	"encoding/json"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/odoo/crm"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// ledgerEntry is what the table pushed_leads holds of one company. With it a push finds its records by number, calls
// Odoo only for what changed, and does not repeat what a person deleted.
type ledgerEntry struct {
	crm.Entry

	Hash string // "": leadctl's fields were removed from the workspace since
}

// readLedger returns the entries of those companies that have one, without what was written: most leads are unchanged,
// and decoding it would take a third of a push that finds nothing to do.
func readLedger(ctx context.Context, tx postgres.TenantTx, companies []int32) (map[int32]ledgerEntry, error) {
	rows, err := tx.Query(ctx, `SELECT company_id, contact_id, lead_id, state, hash FROM public.pushed_leads
		WHERE company_id = ANY ($1)`, companies)
	if err != nil {
		return nil, err
	}
	ledger := make(map[int32]ledgerEntry, len(companies))
	var company int32
	var e ledgerEntry
	_, err = pgx.ForEachRow(rows, []any{&company, &e.Contact, &e.Lead, &e.State, &e.Hash}, func() error {
		ledger[company] = e
		return nil
	})
	return ledger, err
}

// readWritten adds what was written to the entries of the items that have one.
func readWritten(ctx context.Context, tx postgres.TenantTx, items []pushItem) error {
	known := map[int32]*crm.Entry{}
	var companies []int32
	for _, i := range items {
		if i.Known != nil {
			known[i.company], companies = i.Known, append(companies, i.company)
		}
	}
	if len(companies) == 0 {
		return nil
	}
	rows, err := tx.Query(ctx, `SELECT company_id, written FROM public.pushed_leads WHERE company_id = ANY ($1)`,
		companies)
	if err != nil {
		return err
	}
	var company int32
	var written []byte
	_, err = pgx.ForEachRow(rows, []any{&company, &written}, func() error {
		return json.Unmarshal(written, &known[company].Written)
	})
	return err
}

// pushedAfter returns companies whose leads are in the CRM, by their number.
func pushedAfter(ctx context.Context, tx postgres.TenantTx, after int32, limit int) ([]int32, error) {
	rows, err := tx.Query(ctx, `SELECT company_id FROM public.pushed_leads WHERE state = 'pushed' AND company_id > $1
		ORDER BY company_id LIMIT $2`, after, limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[int32])
}

// ledgerRow is a row of pushed_leads as it is read: company_id, contact_id, lead_id, state, hash, written.
type ledgerRow struct {
	company       int32
	contact, lead int64
	state, hash   string
	written       []byte
}

func (r *ledgerRow) columns() []any {
	return []any{&r.company, &r.contact, &r.lead, &r.state, &r.hash, &r.written}
}

func (r *ledgerRow) entry() (e ledgerEntry, err error) {
	e = ledgerEntry{crm.Entry{Contact: r.contact, Lead: r.lead, State: crm.State(r.state)}, r.hash}
	return e, json.Unmarshal(r.written, &e.Written)
}

// saveLedger writes entries by company.
func saveLedger(ctx context.Context, tx postgres.TenantTx, tenant tenantid.ID, ledger map[int32]ledgerEntry) error {
	var (
		companies       []int32
		contacts, leads []int64
		states, hashes  []string
		written         []string
	)
	for company, e := range ledger {
		text, err := json.Marshal(e.Written)
		if err != nil {
			return err
		}
		companies, contacts, leads = append(companies, company), append(contacts, e.Contact), append(leads, e.Lead)
		states, hashes = append(states, string(e.State)), append(hashes, e.Hash)
		written = append(written, string(text))
	}
	_, err := tx.Exec(ctx, `INSERT INTO public.pushed_leads
			(tenant_id, company_id, contact_id, lead_id, state, hash, written)
		SELECT $1, * FROM unnest($2::int[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::jsonb[])
		ON CONFLICT (tenant_id, company_id) DO UPDATE SET contact_id = excluded.contact_id, lead_id = excluded.lead_id,
			state = excluded.state, hash = excluded.hash, written = excluded.written, pushed_at = now()`,
		tenant, companies, contacts, leads, states, hashes, written)
	return err
}

const peopleAtMost = 5 // of one company

// readPeople returns the newest contacts at each company, the tenant's own before the shared ones.
func readPeople(ctx context.Context, tx postgres.TenantTx, companies []int32) (map[int32][]crm.Person, error) {
	rows, err := tx.Query(ctx, `SELECT k.company_id, k.contact_id::text, coalesce(k.name, ''), coalesce(k.title, ''),
			coalesce(k.email, ''), coalesce(k.phone, '')
		FROM unnest($1::int[]) c (id) CROSS JOIN LATERAL (SELECT * FROM public.company_contacts
			WHERE company_id = c.id AND name <> ''
			ORDER BY own DESC, updated_at DESC NULLS LAST, contact_id LIMIT $2) k`,
		companies, peopleAtMost)
	if err != nil {
		return nil, err
	}
	people := map[int32][]crm.Person{}
	var company int32
	var p crm.Person
	_, err = pgx.ForEachRow(rows, []any{&company, &p.Key, &p.Name, &p.Title, &p.Email, &p.Phone}, func() error {
		people[company] = append(people[company], p)
		return nil
	})
	return people, err
}

// forgetHashes makes the next push write all fields of all leads.
func (s *Service) forgetHashes(ctx context.Context, tenant tenantid.ID) error {
	return s.DB.InTenant(ctx, tenant, func(ctx context.Context, tx postgres.TenantTx) error {
		_, err := tx.Exec(ctx, `UPDATE public.pushed_leads SET hash = '' WHERE tenant_id = $1`, tenant)
		return err
	})
}

// clearLedger deletes all entries of a tenant whose workspace, and so whose records, are gone.
func (s *Service) clearLedger(ctx context.Context, tenant tenantid.ID) error {
	return s.DB.InTenant(ctx, tenant, func(ctx context.Context, tx postgres.TenantTx) error {
		_, err := tx.Exec(ctx, `DELETE FROM public.pushed_leads WHERE tenant_id = $1`, tenant)
		return err
	})
}
