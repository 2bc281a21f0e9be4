package workspace

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/leads"
	"github.com/leadctl/leadctl/pkg/odoo/crm"
	"github.com/leadctl/leadctl/pkg/odoo/provision"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// PushOptions of Push. The zero value pushes what the tenant's policy says.
type PushOptions struct {
	Bucket string // only this one: high, medium, low; "": those of the policy
	Limit  *int   // the best so many, whatever the CRM holds; 0: all; nil: as the policy says
	Again  bool   // also push leads that a person deleted in Odoo
	DryRun bool   // count, and write nothing
}

// Pushed counts what became of the leads. At the end, Leads is the sum of Created, Updated, Unchanged, Skipped, Waiting
// and Failed. Skipped ones were deleted in Odoo by a person. Waiting ones have no room in the CRM, by the tenant's
// policy. Withdrawn ones were pushed before, and no longer fit or made way for better ones.
type Pushed struct {
	Leads     int64    `json:"leads"`
	Created   int64    `json:"created"`
	Updated   int64    `json:"updated"`
	Unchanged int64    `json:"unchanged"`
	Skipped   int64    `json:"skipped"`
	Waiting   int64    `json:"waiting"`
	Withdrawn int64    `json:"withdrawn"`
	Failed    int64    `json:"failed"`
	Reasons   []string `json:"reasons"` // of the first failures, by company
}

const (
	pushPageSize  = 200 // leads read and pushed at a time
	reasonsAtMost = 10
)

// Push brings a tenant's scored leads, best first, into its workspace's CRM. Only leads that changed since the last
// push need a call to Odoo. A push may be interrupted at any moment; the next one continues. What salespeople changed
// stays (see crm.Push). A lead that Odoo rejects is counted, and the others are pushed. A second push into the same
// workspace at the same time is a Conflict. Push calls tell after each page. It returns, and records, what was done
// before an error, too.
func (s *Service) Push(ctx context.Context, id tenantid.ID, opts PushOptions, by tenant.By, tell func(Pushed)) (Pushed,
	error) {
	sum, err := s.pushWhileActive(ctx, id, opts, tell)
	if opts.DryRun || err != nil && sum.Created+sum.Updated+sum.Withdrawn == 0 {
		return sum, err
	}
	// Odoo holds the leads already: the line is written even when the caller has gone.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepWithin)
	defer cancel()
	return sum, errors.Join(err, s.DB.InSystem(ctx, "odoo push", func(ctx context.Context, tx postgres.SystemTx) error {
		return tenant.Record(ctx, tx, by, tenant.Act{Tenant: id, Action: "odoo.push", Object: id.String(),
			Detail: map[string]any{"created": sum.Created, "updated": sum.Updated, "withdrawn": sum.Withdrawn,
				"failed": sum.Failed}})
	}))
}

// pushPages is Push without an audit record, for the job that follows a scoring.
func (s *Service) pushPages(ctx context.Context, id tenantid.ID, opts PushOptions, tell func(Pushed)) (Pushed, error) {
	sum := Pushed{Reasons: []string{}}
	if err := s.Configured(); err != nil {
		return sum, err
	}
	release, ok, err := s.DB.Lock(ctx, lockPush, int32(id))
	if err != nil {
		return sum, err
	}
	if !ok {
		return sum, fault.New(fault.Conflict, "push to the workspace of tenant %s: one is running", id)
	}
	defer release()
	p := &pushRun{Service: s, tenant: id, options: opts, sum: &sum}
	if err := p.plan(ctx); err != nil {
		return sum, err
	}
	for after := (&leads.Cursor{}); ; tell(sum) {
		if after, err = p.pushPage(ctx, *after); err != nil {
			return sum, err
		}
		if after == nil {
			break
		}
	}
	if err := p.pushRest(ctx, tell); err != nil {
		return sum, err
	}
	return sum, p.withdraw(ctx, tell)
}

// pushRun is one push of one tenant.
type pushRun struct {
	*Service
	tenant   tenantid.ID
	options  PushOptions
	sum      *Pushed
	buckets  []string
	limit    int            // of leads to look at, best first; 0: all
	room     int            // for new leads in the CRM
	assign   crm.Assign     // to whom they belong
	replace  bool           // pushed leads beyond the limit make way
	visited  map[int32]bool // companies that the push looked at; nil if it looks at all
	prepared bool           // the CRM has this version's fields and views
}

// errPaused is the reason why a tenant's policy allows no push.
var errPaused = errors.New("it is paused")

// plan decides how much the push brings. Options that are given go before the tenant's policy.
func (p *pushRun) plan(ctx context.Context) error {
	return p.DB.ReadTenant(ctx, p.tenant, func(ctx context.Context, tx postgres.TenantTx) error {
		policy, err := ReadPolicy(ctx, tx, p.Defaults)
		if err != nil {
			return err
		}
		if policy.Paused && !p.options.DryRun {
			return fault.New(fault.Conflict, "push to the workspace of tenant %s: %w", p.tenant, errPaused).
				WithHint("`leadctl odoo policy --tenant %s --resume` allows pushes again", p.tenant)
		}
		p.buckets, p.limit, p.room, p.assign = policy.Buckets, policy.MaxLeads, math.MaxInt, policy.Assign
		if p.options.Bucket != "" {
			p.buckets = []string{p.options.Bucket}
		}
		if p.options.Limit != nil {
			p.limit = *p.options.Limit
			return nil
		}
		if p.limit == 0 || p.options.Bucket != "" {
			return nil
		}
		p.visited, p.replace = map[int32]bool{}, policy.WhenFull == Replace
		if !p.replace {
			p.room = max(p.limit-policy.Pushed, 0)
		}
		return nil
	})
}

// pushItem is a lead that needs a call to Odoo.
type pushItem struct {
	crm.Item

	company int32
	hash    string
}

// pushPage reads the next leads, pushes them, and returns the cursor after them; nil when there are no more, or enough.
func (p *pushRun) pushPage(ctx context.Context, after leads.Cursor) (*leads.Cursor, error) {
	size := pushPageSize
	if p.limit > 0 {
		size = min(size, p.limit-int(p.sum.Leads-p.sum.Skipped-p.sum.Failed))
	}
	if size <= 0 {
		return nil, nil
	}
	page, err := p.pushSome(ctx, func(ctx context.Context, tx postgres.TenantTx) ([]leads.Scored, error) {
		return leads.ScoredAfter(ctx, tx, p.buckets, size, after)
	})
	if err != nil || len(page) == 0 {
		return nil, err
	}
	last := page[len(page)-1]
	return &leads.Cursor{AfterScore: &last.Score, AfterID: last.CompanyID}, nil
}

// pushSome reads leads, pushes those that changed, and returns all of them.
func (p *pushRun) pushSome(ctx context.Context,
	read func(context.Context, postgres.TenantTx) ([]leads.Scored, error)) (page []leads.Scored, err error) {
	var ledger map[int32]ledgerEntry
	var people map[int32][]crm.Person
	err = p.DB.ReadTenant(ctx, p.tenant, func(ctx context.Context, tx postgres.TenantTx) (err error) {
		if page, err = read(ctx, tx); err != nil {
			return err
		}
		companies := make([]int32, len(page))
		for i, l := range page {
			companies[i] = l.CompanyID
		}
		if ledger, err = readLedger(ctx, tx, companies); err != nil {
			return err
		}
		people, err = readPeople(ctx, tx, companies)
		return err
	})
	if err != nil {
		return nil, err
	}
	items := p.changedItems(page, ledger, people)
	if len(items) == 0 {
		return page, nil
	}
	err = p.DB.ReadTenant(ctx, p.tenant, func(ctx context.Context, tx postgres.TenantTx) error {
		return readWritten(ctx, tx, items)
	})
	if err != nil {
		return page, err
	}
	return page, p.pushBisecting(ctx, items)
}

// pushRest writes the changes of leads that were pushed before and are not among the best any more. In Replace they
// make way for better ones instead (see withdraw).
func (p *pushRun) pushRest(ctx context.Context, tell func(Pushed)) error {
	if p.visited == nil || p.replace {
		return nil
	}
	for after := int32(0); ; tell(*p.sum) {
		var rest []int32
		err := p.DB.ReadTenant(ctx, p.tenant, func(ctx context.Context, tx postgres.TenantTx) (err error) {
			rest, err = pushedAfter(ctx, tx, after, pushPageSize)
			return err
		})
		if err != nil || len(rest) == 0 {
			return err
		}
		after = rest[len(rest)-1]
		rest = slices.DeleteFunc(rest, func(company int32) bool { return p.visited[company] })
		if len(rest) == 0 {
			continue
		}
		if _, err := p.pushSome(ctx, func(ctx context.Context, tx postgres.TenantTx) ([]leads.Scored, error) {
			return leads.ScoredOf(ctx, tx, rest)
		}); err != nil {
			return err
		}
	}
}

// changedItems returns the leads that differ from the last push, and counts the others.
func (p *pushRun) changedItems(page []leads.Scored, ledger map[int32]ledgerEntry,
	people map[int32][]crm.Person) (items []pushItem) {
	for _, l := range page {
		p.sum.Leads++
		if p.visited != nil {
			p.visited[l.CompanyID] = true
		}
		if l.UEN == "" || l.Name == "" {
			p.countFailure(l.UEN, "without registration number or name")
			continue
		}
		lead := crmLead(l, people[l.CompanyID])
		item := pushItem{crm.Item{Lead: lead, Again: p.options.Again}, l.CompanyID, lead.Hash()}
		known, pushed := ledger[l.CompanyID]
		switch {
		case known.State == crm.StateDeleted && !p.options.Again:
			p.sum.Skipped++
			continue
		case known.State == crm.StatePushed && known.Hash == item.hash:
			p.sum.Unchanged++
			continue
		case known.State != crm.StatePushed && p.room == 0:
			p.sum.Waiting++
			continue
		case known.State != crm.StatePushed:
			p.room--
		}
		if pushed && known.State != crm.StateDeleted {
			item.Known, item.Refill = &known.Entry, known.Hash == ""
		}
		items = append(items, item)
	}
	return items
}

// crmLead is a scored lead as the CRM gets it.
func crmLead(l leads.Scored, people []crm.Person) crm.Lead {
	lead := crm.Lead{UEN: l.UEN, Name: l.Name, Industry: l.IndustryNorm, Employees: int(l.EmployeesEst),
		RevenueBucket: l.RevenueBucket, IncorporationYear: int(l.IncorporationYear), WebsiteDomain: l.WebsiteDomain,
		EntityType: l.EntityType, RegisterStatus: l.EntityStatus, Street: l.Street, Street2: l.Street2,
		PostalCode: l.PostalCode, Score: l.Score, Bucket: l.Bucket, Features: l.Features, People: people}
	for _, r := range leads.ParseRationale(l.Rationale) {
		text := r.Text
		if r.Of > 0 {
			text = fmt.Sprintf("%s (%d of %d)", r.Text, r.Got, r.Of)
		}
		lead.Reasons = append(lead.Reasons, text)
	}
	return lead
}

// pushBisecting pushes items. When Odoo refuses one, it pushes the halves, until only the refused leads are left out.
func (p *pushRun) pushBisecting(ctx context.Context, items []pushItem) error {
	if len(items) == 0 {
		return nil
	}
	left, err := p.pushBatch(ctx, items)
	switch {
	case err == nil:
		return nil
	case !fault.Is(err, fault.Unprocessable) && !fault.Is(err, fault.Invalid):
		return err
	case len(left) == 1:
		p.countFailure(left[0].Lead.UEN, fault.Text(err))
		p.Log.WarnContext(ctx, "lead refused by Odoo", "uen", left[0].Lead.UEN, "error", err)
		return nil
	}
	half := len(left) / 2
	if err := p.pushBisecting(ctx, left[:half]); err != nil {
		return err
	}
	return p.pushBisecting(ctx, left[half:])
}

// pushBatch pushes items, counts and remembers what was done, and returns those that were not reached. It reads the
// workspace each time, because its secret may have been rotated since the last batch.
func (p *pushRun) pushBatch(ctx context.Context, items []pushItem) (left []pushItem, err error) {
	w, err := p.prepare(ctx)
	if err != nil {
		return items, err
	}
	list := make([]crm.Item, len(items))
	for i, item := range items {
		list[i] = item.Item
	}
	outcomes, err := p.Odoo.PushLeads(ctx, w, list, provision.PushOptions{Dry: p.options.DryRun, Assign: p.assign})
	done := make(map[string]crm.Outcome, len(outcomes))
	for _, o := range outcomes {
		done[o.UEN] = o
		p.countOutcome(o.Action)
	}
	ledger := map[int32]ledgerEntry{}
	for _, item := range items {
		if o, reached := done[item.Lead.UEN]; reached {
			ledger[item.company] = ledgerEntry{o.Entry, item.hash}
		} else {
			left = append(left, item)
		}
	}
	if failed := p.remember(ctx, ledger); failed != nil {
		return left, failed
	}
	return left, err
}

// prepare returns the workspace, whose CRM has this version's fields and views; a dry run leaves it as it is.
func (p *pushRun) prepare(ctx context.Context) (provision.Workspace, error) {
	w, err := p.Current(ctx, p.tenant)
	if err != nil || p.prepared || p.options.DryRun {
		return w, err
	}
	err = p.ensureFields(ctx, w)
	p.prepared = err == nil
	return w, err
}

// remember writes what was done in Odoo, even when the caller has gone.
func (p *pushRun) remember(ctx context.Context, ledger map[int32]ledgerEntry) error {
	if p.options.DryRun || len(ledger) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepWithin)
	defer cancel()
	return p.DB.InTenant(ctx, p.tenant, func(ctx context.Context, tx postgres.TenantTx) error {
		return saveLedger(ctx, tx, p.tenant, ledger)
	})
}

func (p *pushRun) countOutcome(a crm.Action) {
	switch a {
	case crm.ActionCreated:
		p.sum.Created++
	case crm.ActionUpdated:
		p.sum.Updated++
	case crm.ActionUnchanged:
		p.sum.Unchanged++
	case crm.ActionSkipped:
		p.sum.Skipped++
	case crm.ActionWithdrawn:
		p.sum.Withdrawn++
	}
}

func (p *pushRun) countFailure(uen, why string) {
	p.sum.Failed++
	if len(p.sum.Reasons) < reasonsAtMost {
		p.sum.Reasons = append(p.sum.Reasons, uen+": "+why)
	}
}
