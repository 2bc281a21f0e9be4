package httpapi

import (
	"context"
	"encoding/json"
	"time"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/leads"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenantid"
	"github.com/leadctl/leadctl/pkg/web"
)

type runBody struct {
	RunID     int32       `json:"run_id" doc:"Number within the tenant"`
	Tenant    tenantid.ID `json:"tenant_id"`
	Status    string      `json:"status" doc:"queued, running, done, failed, or another service's word"`
	Source    string      `json:"source" doc:"leadctl, or the service that made the run"`
	StartedAt time.Time   `json:"started_at" doc:"Time of the request; once the run starts, its start"`
	EndedAt   *time.Time  `json:"ended_at"`
	Seconds   *float64    `json:"seconds" doc:"Duration of the run"`
	Counts    countsBody  `json:"counts" doc:"queued_seconds, candidates, scores added, changed and removed, full"`
	Error     *string     `json:"error"`
}

// countsBody holds the counts of a run; full is true if the run looked at every company.
type countsBody map[string]json.RawMessage

type runOut struct {
	Location string `header:"Location"`
	Body     runBody
}

// postRun requests a run. While a run is queued, further requests return that run.
func (s *Server) postRun(ctx context.Context, _ *empty) (*runOut, error) {
	owner := web.PrincipalOf(ctx).Tenant.ID
	var run leads.Run
	err := s.db.InSystem(ctx, "request run", func(ctx context.Context, tx postgres.SystemTx) (err error) {
		run, err = leads.RequestRun(ctx, tx, s.jobs, owner, web.ByOf(ctx))
		return err
	})
	if err != nil {
		return nil, err
	}
	out, err := newRunOut(run)
	if err == nil {
		out.Location = "/runs/" + tenantid.ID(run.RunID).String()
	}
	return out, err
}

type runIn struct {
	ID string `path:"id"`
}

func (s *Server) getRun(ctx context.Context, in *runIn) (*runOut, error) {
	number, ok := tenantid.Parse(in.ID) // a run number has the same strict form as a tenant number
	if !ok {
		return nil, errNoRun
	}
	var run leads.Run
	err := s.db.ReadTenant(ctx, web.PrincipalOf(ctx).Tenant.ID,
		func(ctx context.Context, tx postgres.TenantTx) (err error) {
			run, err = leads.GetRun(ctx, tx, int32(number))
			return err
		})
	if fault.Is(err, fault.NotFound) {
		return nil, errNoRun
	}
	if err != nil {
		return nil, err
	}
	return newRunOut(run)
}

// errNoRun is the answer for another tenant's run, for an unknown run and for an invalid number.
var errNoRun = fault.New(fault.NotFound, "no such run")

func newRunOut(r leads.Run) (*runOut, error) {
	out := &runOut{Body: runBody{RunID: r.RunID, Tenant: r.TenantID, Status: r.Status, Source: r.Source,
		StartedAt: r.StartedAt, EndedAt: r.EndedAt, Error: r.Error}}
	if r.EndedAt != nil {
		took := r.EndedAt.Sub(r.StartedAt).Seconds()
		out.Body.Seconds = &took
	}
	if err := json.Unmarshal(r.Counts, &out.Body.Counts); err != nil {
		out.Body.Counts = countsBody{} // another service stored something other than an object
	}
	for _, own := range []string{"basis", "seen", "run_id"} { // read by the next run only
		delete(out.Body.Counts, own)
	}
	return out, nil
}
