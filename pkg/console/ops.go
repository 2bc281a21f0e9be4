package console

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/leadctl/leadctl/pkg/acra"
	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/jobs"
	"github.com/leadctl/leadctl/pkg/onboarding"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// The number of lines that the operations pages show.
const (
	tenantsShown    = 50
	runsShown       = 12
	jobsShown       = 100
	auditLinesShown = 100
)

// opsPage is the data of any operations page. Tab selects the page.
type opsPage struct {
	Tab     string
	Health  report
	Tenants []onboarding.Standing
	More    tenantid.ID // the last tenant shown if there are more, else 0
	Probes  bool
	Runs    []ingestion
	Spark   spark
	Jobs    []jobs.Job
	State   string // of the jobs shown; "" for all
	Acts    []tenant.Recorded
}

// JobStates returns the states by which the jobs page can be filtered. "" means all.
func (opsPage) JobStates() []string {
	return []string{"", "available", "running", "retryable", "scheduled", "completed", "cancelled", "discarded"}
}

func (c *Console) showOps(w http.ResponseWriter, r *http.Request, v visitor, title string, p opsPage) error {
	return c.renderPage(w, r, v, "ops", page{Title: title, Active: "ops", Body: p})
}

// getOps shows the last report if it is fresh. Otherwise the page requests a new report after it has loaded.
func (c *Console) getOps(w http.ResponseWriter, r *http.Request, v visitor) error {
	return c.showOps(w, r, v, "Health", opsPage{Tab: "health", Health: c.health.freshReport(c.now())})
}

// getHealth runs the checks and waits for their report.
func (c *Console) getHealth(w http.ResponseWriter, r *http.Request, v visitor) error {
	p := opsPage{Tab: "health", Health: c.health.readReport(r.Context(), c.deps.Examine, c.now)}
	if r.Header.Get("HX-Request") != "" {
		return c.renderPart(w, "ops", "health", p)
	}
	return c.showOps(w, r, v, "Health", p)
}

func (c *Console) getTenants(w http.ResponseWriter, r *http.Request, v visitor) error {
	after := tenantid.ID(0)
	if a := r.URL.Query().Get("after"); a != "" {
		var ok bool
		if after, ok = tenantid.Parse(a); !ok {
			return fault.New(fault.Invalid, "after %.20q: must be a tenant number", a)
		}
	}
	p := opsPage{Tab: "tenants", Probes: c.deps.Probe != nil}
	err := c.deps.DB.InSystem(r.Context(), "console: tenants",
		func(ctx context.Context, tx postgres.SystemTx) (err error) {
			p.Tenants, err = onboarding.Standings(ctx, tx, after, tenantsShown+1)
			return err
		})
	if err != nil {
		return err
	}
	if len(p.Tenants) > tenantsShown {
		p.Tenants = p.Tenants[:tenantsShown]
		p.More = p.Tenants[tenantsShown-1].ID
	}
	return c.showOps(w, r, v, "Tenants", p)
}

// getLatency returns one cell of the tenants table. The page requests it after it has loaded.
func (c *Console) getLatency(w http.ResponseWriter, r *http.Request, _ visitor) error {
	id, ok := tenantid.Parse(r.PathValue("id"))
	if !ok || c.deps.Probe == nil {
		return errHidden
	}
	return c.renderPart(w, "ops", "latency", c.probes.probeWorkspace(r.Context(), id, c.deps.Probe, c.now))
}

// ingestion is a run of the register's load, with values computed for the page.
type ingestion struct {
	acra.Run
	Took    time.Duration
	Rate    float64 // records a second
	Reasons []counted
}

type counted struct {
	Text  string
	Count int64
}

func (c *Console) getIngestion(w http.ResponseWriter, r *http.Request, v visitor) error {
	runs, err := acra.Runs(r.Context(), c.deps.DB, runsShown)
	if err != nil {
		return err
	}
	p := opsPage{Tab: "ingestion"}
	var rates []float64
	for _, run := range runs {
		in := ingestion{Run: run, Took: run.UpdatedAt.Sub(run.StartedAt), Reasons: sortCounts(run.Detail.Reasons)}
		if run.FinishedAt != nil {
			in.Took = run.FinishedAt.Sub(run.StartedAt)
		}
		if s := in.Took.Seconds(); s > 0 {
			in.Rate = float64(run.Read) / s
		}
		p.Runs, rates = append(p.Runs, in), append(rates, in.Rate)
	}
	slices.Reverse(rates)
	p.Spark = newSpark(rates)
	return c.showOps(w, r, v, "Ingestion", p)
}

func sortCounts(counts map[string]int64) (list []counted) {
	for text, n := range counts {
		list = append(list, counted{text, n})
	}
	slices.SortFunc(list, func(a, b counted) int { return int(b.Count - a.Count) })
	return list
}

func (c *Console) getJobs(w http.ResponseWriter, r *http.Request, v visitor) error {
	p := opsPage{Tab: "jobs", State: r.URL.Query().Get("state")}
	f := jobs.Filter{Limit: jobsShown}
	if p.State != "" {
		f.States = []string{p.State}
	}
	err := c.deps.DB.InSystem(r.Context(), "console: jobs",
		func(ctx context.Context, tx postgres.SystemTx) (err error) {
			p.Jobs, err = c.deps.Jobs.List(ctx, tx, f)
			return err
		})
	if err != nil {
		return err
	}
	return c.showOps(w, r, v, "Jobs", p)
}

func (c *Console) getAudit(w http.ResponseWriter, r *http.Request, v visitor) error {
	p := opsPage{Tab: "audit"}
	err := c.deps.DB.InSystem(r.Context(), "console: audit log",
		func(ctx context.Context, tx postgres.SystemTx) (err error) {
			p.Acts, err = tenant.Acts(ctx, tx, tenant.ActFilter{Limit: auditLinesShown})
			return err
		})
	if err != nil {
		return err
	}
	return c.showOps(w, r, v, "Audit log", p)
}

// RoundedRate returns the rate as a whole number.
func (i ingestion) RoundedRate() string { return formatNumber(int64(i.Rate + 0.5)) }

// Position returns the position of the run's checkpoint.
func (i ingestion) Position() string {
	if i.At.Part == "" {
		return "at the beginning"
	}
	return i.At.Part + ", line " + strconv.FormatInt(i.At.Line, 10)
}
