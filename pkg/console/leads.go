package console

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/leads"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/workspace"
)

// pageSize is the number of leads on one page.
const pageSize = 25

// leadsPage is the data of the leads page.
type leadsPage struct {
	Spread    leads.Spread
	Chart     histogram
	Scoring   scoring
	Rules     int64
	Search    search
	Rows      leadRows
	Workspace workspace.View
	Policy    workspace.PushPolicy // zero before there is a workspace
	Ops       bool
}

// search is the filter as entered in the form.
type search struct {
	Text, Industry, Bucket, Least string
	After                         leads.Cursor
}

// leadRows is one page of leads and the query of the next page.
type leadRows struct {
	Leads  []leadRow
	Next   string // query of the next page; "" on the last page
	First  bool   // this is the first page
	Search search
}

// leadRow is a lead with the reasons that its rationale lists.
type leadRow struct {
	leads.Lead
	Reasons []leads.Reason
	CRM     leads.Outcome // zero if the lead was never closed in the CRM
}

// Outcome says what became of the lead in the CRM, "" if it is not closed.
func (l leadRow) Outcome() string {
	switch l.CRM.Outcome {
	case "won":
		return "Won"
	case "not_a_fit":
		return "Not a fit, not proposed again"
	case "lost":
		if l.CRM.LostReason != "" {
			return "Lost: " + l.CRM.LostReason
		}
		return "Lost"
	}
	return ""
}

func readSearch(q url.Values) (s search, f leads.Filter, err error) {
	s = search{Text: strings.TrimSpace(q.Get("q")), Industry: strings.TrimSpace(q.Get("industry")),
		Bucket: q.Get("bucket"), Least: strings.TrimSpace(q.Get("least"))}
	f = leads.Filter{Text: s.Text, Industry: s.Industry, Bucket: s.Bucket}
	if s.Least != "" && s.Least != "0" {
		n, err := strconv.ParseUint(s.Least, 10, 7)
		if err != nil || n > 100 {
			return s, f, fault.New(fault.Invalid, "least score %.20q: must be between 0 and 100", s.Least)
		}
		least := float64(n) / 100
		f.MinScore = &least
	}
	if id := q.Get("id"); id != "" {
		n, err := strconv.ParseUint(id, 10, 31)
		if err != nil {
			return s, f, fault.New(fault.Invalid, "id %.20q: must be a company number", id)
		}
		s.After.AfterID = int32(n)
	}
	if score := q.Get("score"); score != "" {
		n, err := strconv.ParseFloat(score, 64)
		if err != nil {
			return s, f, fault.New(fault.Invalid, "score %.20q: must be a number", score)
		}
		s.After.AfterScore = &n
	}
	return s, f, nil
}

// encodeQuery returns the search as a URL query. If after is not nil, the page starts after that lead.
func (s search) encodeQuery(after *leads.Cursor) string {
	q := url.Values{}
	for name, value := range map[string]string{"q": s.Text, "industry": s.Industry, "bucket": s.Bucket,
		"least": s.Least} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if after != nil {
		q.Set("id", strconv.Itoa(int(after.AfterID)))
		if after.AfterScore != nil {
			q.Set("score", strconv.FormatFloat(*after.AfterScore, 'g', -1, 64))
		}
	}
	return q.Encode()
}

// BucketURL returns the address of the same search limited to bucket. If bucket is selected already, it removes the
// limit.
func (s search) BucketURL(bucket string) string {
	if s.Bucket == bucket {
		bucket = ""
	}
	s.Bucket = bucket
	return "/leads?" + s.encodeQuery(nil)
}

// HasFilter reports whether the search has any condition.
func (s search) HasFilter() bool {
	return s.Text+s.Industry+s.Bucket != "" || s.Least != "" && s.Least != "0"
}

// BucketNames returns the buckets, best first.
func (leadsPage) BucketNames() []string { return leads.Buckets() }

func (c *Console) getLeads(w http.ResponseWriter, r *http.Request, v visitor) error {
	s, filter, err := readSearch(r.URL.Query())
	if err != nil {
		return err
	}
	p := leadsPage{Search: s, Ops: v.hasOps()}
	err = c.deps.DB.ReadTenant(r.Context(), v.Tenant.ID, func(ctx context.Context, tx postgres.TenantTx) error {
		if err := p.readBody(ctx, tx, filter); err != nil || p.Workspace.LoginURL() == "" {
			return err
		}
		p.Policy, err = workspace.ReadPolicy(ctx, tx, c.deps.Policy)
		return err
	})
	if err != nil {
		return err
	}
	p.Chart = newHistogram(p.Spread)
	return c.renderPage(w, r, v, "leads", page{Title: "Leads", Active: "leads", Poll: p.Scoring.UnderWay, Body: p})
}

func (p *leadsPage) readBody(ctx context.Context, tx postgres.TenantTx, filter leads.Filter) (err error) {
	if p.Spread, err = leads.ReadSpread(ctx, tx); err != nil {
		return err
	}
	st, err := leads.ShortlistStatus(ctx, tx)
	if err != nil {
		return err
	}
	if p.Scoring, err = readScoring(ctx, tx, st); err != nil {
		return err
	}
	rules, err := leads.ListRules(ctx, tx)
	if err != nil {
		return err
	}
	p.Rules = int64(len(rules))
	if p.Workspace, err = workspace.ReadView(ctx, tx); err != nil {
		return err
	}
	p.Rows, err = readRows(ctx, tx, p.Search, filter)
	return err
}

func readRows(ctx context.Context, tx postgres.TenantTx, s search, filter leads.Filter) (leadRows, error) {
	found, err := leads.Latest(ctx, tx, pageSize, filter, s.After)
	rows := leadRows{First: s.After == leads.Cursor{}, Search: s}
	if err != nil {
		return rows, err
	}
	companies := make([]int32, len(found.Items))
	for i, l := range found.Items {
		companies[i] = l.CompanyID
	}
	outcomes, err := leads.Outcomes(ctx, tx, companies)
	for _, l := range found.Items {
		rows.Leads = append(rows.Leads, leadRow{l, leads.ParseRationale(textOf(l.Rationale)), outcomes[l.CompanyID]})
	}
	if found.NextCursor != nil {
		rows.Next = s.encodeQuery(found.NextCursor)
	}
	return rows, err
}

// getLeadRows returns the next page of the table. htmx adds it below the previous one.
func (c *Console) getLeadRows(w http.ResponseWriter, r *http.Request, v visitor) error {
	s, filter, err := readSearch(r.URL.Query())
	if err != nil {
		return err
	}
	var rows leadRows
	err = c.deps.DB.ReadTenant(r.Context(), v.Tenant.ID, func(ctx context.Context, tx postgres.TenantTx) error {
		rows, err = readRows(ctx, tx, s, filter)
		return err
	})
	if err != nil {
		return err
	}
	return c.renderPart(w, "leads", "rows", rows)
}

// getDownload redirects to the API's export. Its guard first renews an expired token, which the API's route would
// reject.
func (c *Console) getDownload(w http.ResponseWriter, r *http.Request, _ visitor) error {
	format := r.URL.Query().Get("format")
	if format != "csv" && format != "json" {
		return fault.New(fault.Invalid, "format %.20q: must be csv or json", format)
	}
	c.goTo(w, r, "/export/latest_scores."+format+"?limit=all")
	return nil
}
