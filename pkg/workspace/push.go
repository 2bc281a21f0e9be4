package workspace

import (
	"context"
	"errors"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/leads"
	"github.com/leadctl/leadctl/pkg/odoo/crm"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// PushOptions of Push. The zero value pushes every scored lead.
type PushOptions struct {
	Bucket string // high, medium, low; "" means all
	Limit  int    // the best so many; 0 means all
	DryRun bool   // count, and write nothing
}

// Pushed counts what became of the leads: Created + Updated + Unchanged + Failed = Leads, once it is over.
type Pushed struct {
	Leads     int64    `json:"leads"`
	Created   int64    `json:"created"`
	Updated   int64    `json:"updated"`
	Unchanged int64    `json:"unchanged"`
	Failed    int64    `json:"failed"`
	Reasons   []string `json:"reasons"` // of the first failures, by company
}

const (
	pushPageSize  = 200 // leads read and pushed at a time
	reasonsAtMost = 10
)

// Push brings a tenant's scored leads, best first, into its workspace's CRM. It looks before it writes, so it may be
// stopped at any moment and run again, and goes on where there is something left to do; what salespeople changed stays
// as it is (see odoo.PushLeads). A lead that Odoo refuses is counted and the others go on. One push per workspace runs
// at a time: another is a Conflict. tell hears of each page. What was done is returned with an error, too, and
// recorded.
func (s *Service) Push(ctx context.Context, id tenantid.ID, opts PushOptions, by tenant.By, tell func(Pushed)) (Pushed,
	error) {
	sum, err := s.pushPages(ctx, id, opts, tell)
	if opts.DryRun || err != nil && sum.Created+sum.Updated == 0 {
		return sum, err
	}
	// Odoo holds the leads already: the line is written even when the caller has gone.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepWithin)
	defer cancel()
	return sum, errors.Join(err, s.DB.InSystem(ctx, "odoo push", func(ctx context.Context, tx postgres.SystemTx) error {
		return tenant.Record(ctx, tx, by, tenant.Act{Tenant: id, Action: "odoo.push", Object: id.String(),
			Detail: map[string]any{"created": sum.Created, "updated": sum.Updated, "failed": sum.Failed}})
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
	p := &pushRun{Service: s, tenant: id, dry: opts.DryRun, sum: &sum}
	for after := (leads.Cursor{}); ; {
		page, err := p.nextPage(ctx, opts, after)
		if err != nil || len(page) == 0 {
			return sum, err
		}
		if err := p.pushPage(ctx, page); err != nil {
			return sum, err
		}
		tell(sum)
		last := page[len(page)-1]
		after = leads.Cursor{AfterScore: &last.Score, AfterID: last.CompanyID}
	}
}

type pushRun struct {
	*Service
	tenant tenantid.ID
	dry    bool
	sum    *Pushed
}

// nextPage reads the next leads; none when there are no more, or enough.
func (p *pushRun) nextPage(ctx context.Context, opts PushOptions, after leads.Cursor) (page []leads.Scored, err error) {
	size := pushPageSize
	if opts.Limit > 0 {
		size = min(size, opts.Limit-int(p.sum.Leads))
	}
	if size <= 0 {
		return nil, nil
	}
	err = p.DB.ReadTenant(ctx, p.tenant, func(ctx context.Context, tx postgres.TenantTx) error {
		page, err = leads.ScoredAfter(ctx, tx, opts.Bucket, size, after)
		return err
	})
	return page, err
}

// pushPage pushes one page.
func (p *pushRun) pushPage(ctx context.Context, page []leads.Scored) error {
	var list []crm.Lead
	for _, l := range page {
		p.sum.Leads++
		if l.UEN == "" || l.Name == "" {
			p.countFailure(l.UEN, "without registration number or name")
			continue
		}
		list = append(list, crm.Lead{UEN: l.UEN, Name: l.Name, Industry: l.IndustryNorm, Employees: int(l.EmployeesEst),
			RevenueBucket:     l.RevenueBucket,
			IncorporationYear: int(l.IncorporationYear), WebsiteDomain: l.WebsiteDomain, Score: l.Score,
			Bucket: l.Bucket, Features: l.Features, Rationale: l.Rationale})
	}
	created, updated, failed := p.sum.Created, p.sum.Updated, p.sum.Failed
	err := p.pushBisecting(ctx, list)
	if err == nil {
		// By difference: halves that were pushed again would count what the first attempt did as unchanged.
		changed := (p.sum.Created - created) + (p.sum.Updated - updated) + (p.sum.Failed - failed)
		p.sum.Unchanged += int64(len(list)) - changed
	}
	return err
}

// pushBisecting pushes list. When Odoo refuses it, it pushes the halves, until only the refused leads are left out.
func (p *pushRun) pushBisecting(ctx context.Context, list []crm.Lead) error {
	if len(list) == 0 {
		return nil
	}
	done, err := p.pushBatch(ctx, list)
	p.sum.Created += int64(done.Created)
	p.sum.Updated += int64(done.Updated)
	switch {
	case err == nil:
		return nil
	case !fault.Is(err, fault.Unprocessable) && !fault.Is(err, fault.Invalid):
		return err
	case len(list) == 1:
		p.countFailure(list[0].UEN, fault.Text(err))
		p.Log.WarnContext(ctx, "lead refused by Odoo", "uen", list[0].UEN, "error", err)
		return nil
	}
	half := len(list) / 2
	if err := p.pushBisecting(ctx, list[:half]); err != nil {
		return err
	}
	return p.pushBisecting(ctx, list[half:])
}

// pushBatch reads the workspace each time, because its secret may have been rotated since the last batch.
func (p *pushRun) pushBatch(ctx context.Context, list []crm.Lead) (crm.Pushed, error) {
	w, err := p.Current(ctx, p.tenant)
	if err != nil {
		return crm.Pushed{}, err
	}
	if p.dry {
		return p.Odoo.CompareLeads(ctx, w, list)
	}
	return p.Odoo.PushLeads(ctx, w, list)
}

func (p *pushRun) countFailure(uen, why string) {
	p.sum.Failed++
	if len(p.sum.Reasons) < reasonsAtMost {
		p.sum.Reasons = append(p.sum.Reasons, uen+": "+why)
	}
}
