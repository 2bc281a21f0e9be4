package workspace

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/odoo/crm"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// FeedbackCounts counts the leads whose outcome changed since the last reading, by the new outcome. Read is the number
// of leads that were looked at.
type FeedbackCounts struct {
	Read    int64 `json:"read"`
	Won     int64 `json:"won"`
	Lost    int64 `json:"lost"`
	NotAFit int64 `json:"not_a_fit"`
	Open    int64 `json:"open"`
}

func (c FeedbackCounts) changed() bool { return c.Won+c.Lost+c.NotAFit+c.Open > 0 }

// feedbackCursor says how far the outcomes of a workspace were read. Times are zero before the first reading.
type feedbackCursor struct {
	newest time.Time // newest change of a lead, by Odoo's clock
	seen   time.Time // when leadctl saw newest first, by its own clock
	read   time.Time // when leadctl looked last
}

// feedbackOverlap is how long Odoo may take to commit a change. A change has the time at which its transaction began,
// so older changes may appear after newer ones.
const feedbackOverlap = 10 * time.Minute

// since returns the time from which changes are read. Once the newest change is old by leadctl's own clock, nothing
// can appear before it. No time of Odoo is compared with one of leadctl.
func (c feedbackCursor) since() time.Time {
	switch {
	case c.newest.IsZero():
		return time.Time{}
	case c.read.Sub(c.seen) >= feedbackOverlap:
		return c.newest.Add(time.Second) // times from Odoo are without fractions
	}
	return c.newest.Add(-feedbackOverlap)
}

// next is the cursor after a reading at now that found newest.
func (c feedbackCursor) next(newest, now time.Time) feedbackCursor {
	if newest.After(c.newest) {
		return feedbackCursor{newest, now, now}
	}
	return feedbackCursor{c.newest, c.seen, now}
}

// Feedback reads what became of the tenant's pushed leads since the last reading, and stores it in lead_outcomes. It
// may be repeated and interrupted at any moment. Withdrawn leads are left out: leadctl archived them itself. It records
// a reading that found changes. Faults: Denied for a tenant that is not active; NotFound without a workspace; those of
// Odoo.
func (s *Service) Feedback(ctx context.Context, id tenantid.ID, by tenant.By) (sum FeedbackCounts, err error) {
	if err := s.Configured(); err != nil {
		return sum, err
	}
	if err := s.requireUsable(ctx, id); err != nil {
		return sum, err
	}
	ctx, stop := tenant.WhileActive(ctx, s.DB, id)
	defer stop()
	sum, err = s.readFeedback(ctx, id, by)
	return sum, tenant.EndReason(ctx, err)
}

func (s *Service) readFeedback(ctx context.Context, id tenantid.ID, by tenant.By) (sum FeedbackCounts, err error) {
	w, err := s.Current(ctx, id)
	if err != nil {
		return sum, err
	}
	cursor, err := s.readFeedbackCursor(ctx, id)
	if err != nil {
		return sum, err
	}
	now, newest := time.Now(), time.Time{}
	err = s.Odoo.ReadFeedback(ctx, w, cursor.since(), func(page []crm.Feedback) error {
		for _, f := range page {
			if f.Changed.After(newest) {
				newest = f.Changed
			}
		}
		return s.storeOutcomes(ctx, id, page, &sum)
	})
	if err != nil {
		return sum, err
	}
	return sum, s.saveFeedbackCursor(ctx, id, cursor.next(newest, now), sum, by)
}

func (s *Service) readFeedbackCursor(ctx context.Context, id tenantid.ID) (c feedbackCursor, err error) {
	var newest, seen, read *time.Time
	err = s.DB.InSystem(ctx, "odoo feedback", func(ctx context.Context, tx postgres.SystemTx) error {
		return tx.QueryRow(ctx, `SELECT feedback_newest, feedback_seen_at, feedback_read_at FROM odoo_connections
			WHERE tenant_id = $1`, id).Scan(&newest, &seen, &read)
	})
	if err == nil && newest != nil && seen != nil && read != nil {
		c = feedbackCursor{*newest, *seen, *read}
	}
	return c, err
}

func (s *Service) saveFeedbackCursor(ctx context.Context, id tenantid.ID, c feedbackCursor, sum FeedbackCounts,
	by tenant.By) error {
	return s.DB.InSystem(ctx, "odoo feedback", func(ctx context.Context, tx postgres.SystemTx) error {
		if !c.newest.IsZero() {
			_, err := tx.Exec(ctx, `UPDATE odoo_connections SET feedback_newest = $2, feedback_seen_at = $3,
				feedback_read_at = $4 WHERE tenant_id = $1`, id, c.newest, c.seen, c.read)
			if err != nil {
				return err
			}
		}
		if !sum.changed() {
			return nil
		}
		return tenant.Record(ctx, tx, by, tenant.Act{Tenant: id, Action: "odoo.feedback", Object: id.String(),
			Detail: map[string]any{"won": sum.Won, "lost": sum.Lost, "not_a_fit": sum.NotAFit, "open": sum.Open}})
	})
}

// storeOutcomes stores the results of pushed leads and counts those that changed. An open lead gets a row only when it
// had another outcome before.
func (s *Service) storeOutcomes(ctx context.Context, id tenantid.ID, page []crm.Feedback, sum *FeedbackCounts) error {
	var leads []int64
	var results, reasons []string
	var at []time.Time
	for _, f := range page {
		leads, at = append(leads, f.Lead), append(at, f.Changed)
		results, reasons = append(results, string(f.Result)), append(reasons, f.LostReason)
	}
	var changed []string
	err := s.DB.InTenant(ctx, id, func(ctx context.Context, tx postgres.TenantTx) error {
		rows, err := tx.Query(ctx, `INSERT INTO public.lead_outcomes AS o
				(tenant_id, company_id, outcome, lost_reason, changed_at)
			SELECT $1, p.company_id, u.outcome, nullif(u.reason, ''), u.at
			FROM unnest($2::bigint[], $3::text[], $4::text[], $5::timestamptz[]) u (lead, outcome, reason, at)
				JOIN public.pushed_leads p ON p.lead_id = u.lead
			WHERE p.state <> 'withdrawn' AND (u.outcome <> 'open'
				OR EXISTS (SELECT FROM public.lead_outcomes x WHERE x.company_id = p.company_id))
			ON CONFLICT (tenant_id, company_id) DO UPDATE SET outcome = excluded.outcome,
				lost_reason = excluded.lost_reason, changed_at = excluded.changed_at, noted_at = now()
			WHERE (o.outcome, o.lost_reason) IS DISTINCT FROM (excluded.outcome, excluded.lost_reason)
			RETURNING outcome`, id, leads, results, reasons, at)
		if err != nil {
			return err
		}
		changed, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	if err != nil {
		return err
	}
	sum.Read += int64(len(page))
	for _, outcome := range changed {
		switch crm.Result(outcome) {
		case crm.ResultWon:
			sum.Won++
		case crm.ResultLost:
			sum.Lost++
		case crm.ResultNotAFit:
			sum.NotAFit++
		case crm.ResultOpen:
			sum.Open++
		}
	}
	return nil
}
