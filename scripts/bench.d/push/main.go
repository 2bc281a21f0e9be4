// Command push measures how fast leads get into a real Odoo. ../push.sh runs it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/tenantid"
	"github.com/leadctl/leadctl/pkg/workspace"
	"github.com/leadctl/leadctl/scripts/bench.d/gauge"
	"github.com/leadctl/leadctl/scripts/bench.d/odoorig"
)

func main() {
	b := bench{}
	o := odoorig.Options{Cluster: true, Durable: true}
	flag.IntVar(&b.leads, "leads", 10000, "leads that the tenant has")
	flag.IntVar(&b.created, "new", 1000, "leads pushed to measure new ones, and records of the bare create")
	flag.StringVar(&o.Version, "odoo", "19", "version of Odoo: 19 or 14")
	flag.StringVar(&o.Protocol, "protocol", odoo.ProtocolAuto, "protocol for Odoo: auto, xmlrpc or json2")
	flag.Parse()
	err := odoorig.Run(context.Background(), o, func(ctx context.Context, r *odoorig.Rig) error {
		b.Rig = r
		return b.measureAll(ctx)
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench push:", err)
		os.Exit(1)
	}
}

type bench struct {
	*odoorig.Rig

	leads, created int
	tenant         tenantid.ID
}

// Goals of design.md.
const (
	unchangedPerSecond = 20000
	createdPerSecond   = 180
	changedSeconds     = 0.3
)

func (b *bench) measureAll(ctx context.Context) (err error) {
	if b.tenant, err = b.OrderWorkspace(ctx, "pushed"); err != nil {
		return err
	}
	if err := b.WaitReady(ctx, []tenantid.ID{b.tenant}); err != nil {
		return err
	}
	if err := b.insertLeads(ctx); err != nil {
		return err
	}
	bare, err := b.createBare(ctx)
	if err != nil {
		return err
	}
	took, err := b.push(ctx, b.created)
	if err != nil {
		return err
	}
	perSecond := float64(b.created) / took.Seconds()
	gauge.Figure{Name: "push-new", Ours: perSecond, Ref: createdPerSecond, Unit: "/s", Reach: 1, More: true}.Print()
	gauge.Figure{Name: "push-new-against-bare-create", Ours: perSecond, Ref: float64(b.created) / bare.Seconds(),
		Unit: "/s"}.Print()
	if _, err := b.push(ctx, 0); err != nil {
		return err
	}
	return b.measureAgain(ctx)
}

// measureAgain measures pushes after the first: of nothing new, and of one lead that changed.
func (b *bench) measureAgain(ctx context.Context) error {
	var unchanged, changed []float64
	for i := range 5 {
		took, err := b.push(ctx, 0)
		if err != nil {
			return err
		}
		unchanged = append(unchanged, float64(b.leads)/took.Seconds())
		if err := b.exec(ctx, `UPDATE lead_scores SET rationale = $1 WHERE company_id = (SELECT max(company_id)
			FROM companies)`, fmt.Sprint("change ", i)); err != nil {
			return err
		}
		if took, err = b.push(ctx, 0); err != nil {
			return err
		}
		changed = append(changed, took.Seconds())
	}
	gauge.Figure{Name: "push-unchanged", Ours: gauge.Median(unchanged), Ref: unchangedPerSecond, Unit: "/s", Reach: 1,
		More: true}.Print()
	gauge.Figure{Name: fmt.Sprintf("push-1-of-%d", b.leads), Ours: gauge.Median(changed), Ref: changedSeconds,
		Unit: "s", Reach: 1}.Print()
	return nil
}

// push pushes at most limit leads and returns the time it took. All must be in the CRM after it.
func (b *bench) push(ctx context.Context, limit int) (time.Duration, error) {
	start := time.Now()
	sum, err := b.Workspaces.Push(ctx, b.tenant, workspace.PushOptions{Limit: &limit}, tenant.By{Actor: "bench"},
		func(workspace.Pushed) {})
	if err == nil && sum.Created+sum.Updated+sum.Unchanged != sum.Leads {
		err = fmt.Errorf("not all leads were pushed: %+v", sum)
	}
	return time.Since(start), err
}

func (b *bench) exec(ctx context.Context, sql string, args ...any) error {
	conn, err := pgx.Connect(ctx, b.DSN)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, sql, args...)
	return err
}

func (b *bench) insertLeads(ctx context.Context) error {
	return b.exec(ctx, `WITH c AS (INSERT INTO companies (uen, name, industry_norm, incorporation_year, entity_type,
			entity_status, live)
		SELECT format('2020%sK', lpad(i::text, 5, '0')), 'Company ' || i || ' Pte Ltd', 'software', 2001,
			'Local Company', 'Live Company', true FROM generate_series(1, $2::int) i RETURNING company_id)
		INSERT INTO lead_scores (tenant_id, company_id, score, bucket, rationale, source)
		SELECT $1::int, company_id, 0.9, 'high', `+gauge.SampleRationale+`, 'leadctl' FROM c`, int32(b.tenant), b.leads)
}

// createBare creates contacts with leads of the same size in the same database, by nothing but Odoo's create, and
// removes them.
func (b *bench) createBare(ctx context.Context) (took time.Duration, err error) {
	s, err := b.Session(ctx, b.tenant)
	if err != nil {
		return 0, err
	}
	records := make([]odoo.Record, b.created)
	for i := range records {
		name := fmt.Sprintf("Bare %d Pte Ltd", i)
		lead := odoo.Record{"name": name, "type": "opportunity", "priority": "3", "user_id": false,
			"description": "<p>In the industry software<br>Incorporated in 2001</p>", "x_pre_sdr_score": 90.0,
			"x_pre_sdr_bucket": "high", "x_pre_sdr_rationale": "In the industry software\nIncorporated in 2001",
			"x_industry_norm": "software"}
		records[i] = odoo.Record{"name": name, "is_company": true, "city": "Singapore",
			"x_uen": fmt.Sprintf("BARE%05d", i), "x_industry_norm": "software",
			"x_incorporation_year": 2001, "x_entity_type": "Local Company",
			"x_register_status": "Live Company", "x_enrichment_json": "{}",
			"opportunity_ids": []any{[]any{0, 0, lead}}}
	}
	start := time.Now()
	var made []int64
	for batch := range slices.Chunk(records, 200) {
		ids, err := s.Create(ctx, "res.partner", batch, odoo.QuietContext())
		if err != nil {
			return 0, err
		}
		made = append(made, ids...)
	}
	took = time.Since(start)
	leads, err := s.SearchRead(ctx, "crm.lead", odoo.Query{Fields: []string{"name"},
		Domain: odoo.Domain{odoo.Where("partner_id", "in", made)}})
	if err != nil {
		return 0, err
	}
	if err := s.Unlink(ctx, "crm.lead", odoo.IDsOf(leads)); err != nil {
		return 0, err
	}
	return took, s.Unlink(ctx, "res.partner", made)
}
