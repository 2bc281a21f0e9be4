package crm

import (
	"context"
	"time"

	"github.com/leadctl/leadctl/pkg/odoo"
)

// Result is what became of a pushed lead in the CRM.
type Result string

// Results. A lead is won in a stage that counts as won, and lost when a person marked it as lost. An archived lead that
// is not lost is open.
const (
	ResultOpen    Result = "open"
	ResultWon     Result = "won"
	ResultLost    Result = "lost"
	ResultNotAFit Result = "not_a_fit" // lost with leadctl's lost reason "Not a fit"
)

// Feedback is the result of one lead.
type Feedback struct {
	Lead       int64 // its number in Odoo
	Result     Result
	LostReason string // "" unless lost
	Changed    time.Time
}

// lostReasonMark is the external id, in ownModule, of the lost reason "Not a fit".
const lostReasonMark = "lost_reason_not_a_fit"

// EnsureLostReason makes the lost reason with which salespeople say that a company is not a fit. They may rename it.
func EnsureLostReason(ctx context.Context, s *odoo.Session) error {
	return ensureMarked(ctx, s, "crm.lost.reason", lostReasonMark, "Not a fit")
}

// FindLostReason returns the lost reason "Not a fit"; 0 if EnsureLostReason has not run.
func FindLostReason(ctx context.Context, s *odoo.Session) (int64, error) {
	return findMarked(ctx, s, lostReasonMark)
}

// feedbackPageSize is how many leads one call reads.
const feedbackPageSize = 500

// ReadFeedback passes the results of leadctl's leads that changed at since or later to page, in the order of their
// numbers. notAFit is the reason that FindLostReason returned.
func ReadFeedback(ctx context.Context, s *odoo.Session, notAFit int64, since time.Time,
	page func([]Feedback) error) error {
	reason, err := lostReasonField(ctx, s)
	if err != nil || reason == "" {
		return err
	}
	for last := int64(0); ; {
		where := odoo.Domain{odoo.Where("x_pre_sdr_bucket", "!=", false), odoo.Where("id", ">", last)}
		if !since.IsZero() {
			where = append(where, odoo.Where("write_date", ">=", since.UTC().Format(time.DateTime)))
		}
		found, err := s.SearchRead(ctx, "crm.lead", odoo.Query{Domain: where, Archived: true, Order: "id",
			Limit: feedbackPageSize, Fields: []string{"active", "probability", "write_date", reason}})
		if err != nil || len(found) == 0 {
			return err
		}
		list := make([]Feedback, len(found))
		for i, r := range found {
			list[i] = feedbackOf(r, reason, notAFit)
		}
		if err := page(list); err != nil {
			return err
		}
		if len(found) < feedbackPageSize {
			return nil
		}
		last = found[len(found)-1].ID()
	}
}

// lostReasonField returns the name of a lead's field with its lost reason: lost_reason_id since Odoo 16, lost_reason
// before. It returns "" for a workspace whose leads have no field of leadctl's (see Remove).
func lostReasonField(ctx context.Context, s *odoo.Session) (string, error) {
	have, err := s.FieldsGet(ctx, "crm.lead", []string{"lost_reason", "lost_reason_id", "x_pre_sdr_bucket"})
	if _, ok := have["x_pre_sdr_bucket"]; !ok {
		return "", err
	}
	if _, ok := have["lost_reason_id"]; ok {
		return "lost_reason_id", err
	}
	return "lost_reason", err
}

// feedbackOf is the result of a lead. Odoo sets the probability to 100 in a won stage, and to 0 with a loss, which also
// archives the lead.
func feedbackOf(r odoo.Record, reasonField string, notAFit int64) Feedback {
	f := Feedback{Lead: r.ID(), Result: ResultOpen}
	f.Changed, _ = time.Parse(time.DateTime, r.Text("write_date"))
	probability, reason := r.Float("probability"), r.Int(reasonField)
	switch {
	case probability == 100:
		f.Result = ResultWon
	case r.Bool("active") || probability != 0:
	case reason != 0 && reason == notAFit:
		f.Result, f.LostReason = ResultNotAFit, r.Label(reasonField)
	default:
		f.Result, f.LostReason = ResultLost, r.Label(reasonField)
	}
	return f
}
