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
	RunID     int32                      `json:"run_id" doc:"Counts within the tenant"`
	Tenant    tenantid.ID                `json:"tenant_id"`
	Status    string                     `json:"status" doc:"queued, running, done or failed; other services may write other words"`
	Source    string                     `json:"source" doc:"leadctl, or the service that made it"`
	StartedAt time.Time                  `json:"started_at" doc:"When it was asked for, and once it runs, when it began"`
	EndedAt   *time.Time                 `json:"ended_at"`
	Seconds   *float64                   `json:"seconds" doc:"From its beginning to its end"`
	Counts    map[string]json.RawMessage `json:"counts" doc:"queued_seconds; candidates judged; scores added, changed and removed; whether it looked at every company (full)"`
	Error     *string                    `json:"error"`
}

type runOut struct {
	Location string `header:"Location"`
	Body     runBody
}

// postRun asks for a run. While one waits, everybody who asks is told that one.
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
	number, ok := tenantid.Parse(in.ID) // the same strict kind of number
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

// errNoRun is the same for a run of another tenant, one that never was, and a number that is none.
var errNoRun = fault.New(fault.NotFound, "no such run")

func newRunOut(r leads.Run) (*runOut, error) {
	out := &runOut{Body: runBody{RunID: r.RunID, Tenant: r.TenantID, Status: r.Status, Source: r.Source,
		StartedAt: r.StartedAt, EndedAt: r.EndedAt, Error: r.Error}}
	if r.EndedAt != nil {
		took := r.EndedAt.Sub(r.StartedAt).Seconds()
		out.Body.Seconds = &took
	}
	if err := json.Unmarshal(r.Counts, &out.Body.Counts); err != nil {
		out.Body.Counts = map[string]json.RawMessage{} // another service's, and no object
	}
	for _, own := range []string{"basis", "seen", "run_id"} { // what the next run needs of this one
		delete(out.Body.Counts, own)
	}
	return out, nil
}
