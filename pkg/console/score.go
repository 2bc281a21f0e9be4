package console

import (
	"context"
	"net/http"

	"github.com/leadctl/leadctl/pkg/leads"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/web"
)

// scoring is the state of the tenant's last run, as the pages show it.
type scoring struct {
	UnderWay bool
	Failed   string // why the last run failed, "" if it did not
}

// readScoring reads whether a run is waiting, running or failed. It includes runs of other services.
func readScoring(ctx context.Context, tx postgres.TenantTx, st leads.Status) (scoring, error) {
	if st.LastRunID == nil {
		return scoring{}, nil
	}
	switch textOf(st.LastRunStatus) {
	case leads.RunQueued, leads.RunRunning:
		return scoring{UnderWay: true}, nil
	case leads.RunFailed:
		run, err := leads.GetRun(ctx, tx, *st.LastRunID)
		return scoring{Failed: textOf(run.Error)}, err
	}
	return scoring{}, nil
}

// getRun returns the notice that a run is waiting or running. When the run has ended, it makes the page reload.
func (c *Console) getRun(w http.ResponseWriter, r *http.Request, v visitor) error {
	var s scoring
	err := c.deps.DB.ReadTenant(r.Context(), v.Tenant.ID, func(ctx context.Context, tx postgres.TenantTx) error {
		st, err := leads.ShortlistStatus(ctx, tx)
		if err == nil {
			s, err = readScoring(ctx, tx, st)
		}
		return err
	})
	if err != nil {
		return err
	}
	if !s.UnderWay {
		w.Header().Set("HX-Refresh", "true")
	}
	return c.renderPart(w, "leads", "scoring", s)
}

// postScore requests a run that rescores the tenant's companies, as POST /runs does.
func (c *Console) postScore(w http.ResponseWriter, r *http.Request, v visitor) error {
	err := c.deps.DB.InSystem(r.Context(), "console: request run",
		func(ctx context.Context, tx postgres.SystemTx) error {
			_, err := leads.RequestRun(ctx, tx, c.deps.Jobs, v.Tenant.ID, web.ByOf(r.Context()))
			return err
		})
	if err != nil {
		return err
	}
	c.goTo(w, r, "/leads")
	return nil
}
