package console

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/onboarding"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/web"
	"github.com/leadctl/leadctl/pkg/workspace"
)

// setup is the state of a workspace's setup, for the setup page.
type setup struct {
	Begin     bool // no setup has been requested yet
	AtOnce    bool // the page requests the setup without a click
	Snapshot  onboarding.Snapshot
	Steps     []setupStep
	Workspace workspace.View
	MayRetry  bool
	Elapsed   time.Duration
	Done      int
}

// setupStep is one line of the timeline.
type setupStep struct {
	Label, State string // State: waiting, running, done or failed
	Took         time.Duration
	Attempt      int
	Error, Hint  string
}

// stepLabels returns the steps in order, with the labels that users read. The page shows an optional step once it
// begins.
func stepLabels() []struct {
	name, label string
	optional    bool
} {
	return []struct {
		name, label string
		optional    bool
	}{
		{"tenant", "Your company’s place", false},
		{"odoo_database", "Odoo workspace", false},
		{"odoo_company", "Company in Odoo", true},
		{"odoo_fields", "Fields for leads", false},
		{"odoo_service_account", "Access for leadctl", false},
		{"odoo_user", "Your Odoo account", false},
		{"odoo_sso", "Single sign-on to Odoo", true},
		{"smoke_test", "Trial run", false},
		{"baseline", "Company details", false},
		{"icp_template", "First customer profile", false},
	}
}

// getHome redirects a member of a ready tenant to the leads, an operator without a tenant to the operations pages, and
// any other user to the setup.
func (c *Console) getHome(w http.ResponseWriter, r *http.Request, v visitor) error {
	to := "/setup"
	switch ready, err := c.isReady(r.Context(), v); {
	case err != nil:
		return err
	case ready:
		to = "/leads"
	case v.operator && v.denied != nil:
		to = "/ops"
	}
	c.goTo(w, r, to)
	return nil
}

// isReady reports whether the visitor is a user of a tenant whose workspace is ready.
func (c *Console) isReady(ctx context.Context, v visitor) (bool, error) {
	if !v.isMember() {
		return false, nil
	}
	st, err := c.readSnapshot(ctx, v)
	if fault.Is(err, fault.NotFound) || err == nil && st.Status != onboarding.Ready {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return c.isKnownMember(ctx, v)
}

// isKnownMember reports whether the visitor is stored as a user of the tenant. It is true for a developer without a
// token.
func (c *Console) isKnownMember(ctx context.Context, v visitor) (known bool, err error) {
	if v.Identity.Issuer == "" {
		return true, nil
	}
	err = c.deps.DB.InSystem(ctx, "console: is a member", func(ctx context.Context, tx postgres.SystemTx) error {
		known, err = tenant.IsMember(ctx, tx, v.Tenant.ID, v.Identity)
		return err
	})
	return known, err
}

func (c *Console) readSnapshot(ctx context.Context, v visitor) (snap onboarding.Snapshot, err error) {
	err = c.deps.DB.ReadTenant(ctx, v.Tenant.ID, func(ctx context.Context, tx postgres.TenantTx) error {
		snap, err = onboarding.ReadSnapshot(ctx, tx)
		return err
	})
	return snap, err
}

func (c *Console) getSetup(w http.ResponseWriter, r *http.Request, v visitor) error {
	s, err := c.readSetup(r.Context(), v)
	if err != nil {
		return err
	}
	title := "Setting up your workspace"
	if s.Snapshot.Status == onboarding.Ready {
		title = "Your workspace"
	}
	return c.renderPage(w, r, v, "setup", page{Title: title, Active: "setup", Poll: !s.Begin && !s.Snapshot.Ended(),
		Body: s})
}

// getTimeline returns the steps, which the page polls. When the setup has ended, it replaces the whole setup section,
// which ends the polling.
func (c *Console) getTimeline(w http.ResponseWriter, r *http.Request, v visitor) error {
	s, err := c.readSetup(r.Context(), v)
	if err != nil {
		return err
	}
	if s.Snapshot.Ended() {
		w.Header().Set("HX-Retarget", "#setup")
		w.Header().Set("HX-Reswap", "outerHTML")
		return c.renderPart(w, "setup", "setup", s)
	}
	return c.renderPart(w, "setup", "timeline", s)
}

func (c *Console) readSetup(ctx context.Context, v visitor) (s setup, err error) {
	if !v.isMember() {
		if v.denied != nil && !errors.Is(v.denied, tenant.ErrNoTenant) {
			return s, v.denied
		}
		return setup{Begin: true, AtOnce: !v.operator}, nil // an operator may not want a workspace
	}
	err = c.deps.DB.ReadTenant(ctx, v.Tenant.ID, func(ctx context.Context, tx postgres.TenantTx) error {
		if s.Snapshot, err = onboarding.ReadSnapshot(ctx, tx); err != nil {
			return err
		}
		s.Workspace, err = workspace.ReadView(ctx, tx)
		return err
	})
	if fault.Is(err, fault.NotFound) {
		return setup{Begin: true, AtOnce: true}, nil
	}
	if err != nil {
		return s, err
	}
	known, err := c.isKnownMember(ctx, v)
	s.Begin, s.AtOnce, s.MayRetry = !known, !known, v.hasOps()
	s.describeSteps(c.now())
	return s, err
}

// describeSteps fills Steps with the steps that have begun and those that are still waiting.
func (s *setup) describeSteps(now time.Time) {
	seen := map[string]onboarding.Step{}
	for _, step := range s.Snapshot.Steps {
		seen[step.Name] = step
	}
	for _, l := range stepLabels() {
		step, begun := seen[l.name]
		delete(seen, l.name)
		switch {
		case begun:
			s.addStep(l.label, step, now)
		case !l.optional && s.Snapshot.Status != onboarding.Ready:
			s.Steps = append(s.Steps, setupStep{Label: l.label, State: "waiting"})
		}
	}
	for _, step := range s.Snapshot.Steps {
		if _, unknown := seen[step.Name]; unknown {
			s.addStep(asWords(step.Name), step, now)
		}
	}
}

func (s *setup) addStep(label string, step onboarding.Step, now time.Time) {
	line := setupStep{Label: label, State: step.State, Took: step.Took(), Attempt: step.Attempt,
		Error: textOf(step.Error), Hint: textOf(step.Hint)}
	switch {
	case step.State == onboarding.StepDone:
		s.Done++
	case step.State == onboarding.StepRunning && step.Started != nil:
		line.Took = max(0, now.Sub(*step.Started))
	}
	s.Elapsed += line.Took
	s.Steps = append(s.Steps, line)
}

// postSetup does what POST /onboarding/first_login does. Only users with the role ops can retry a failed setup.
func (c *Console) postSetup(w http.ResponseWriter, r *http.Request, v visitor) error {
	if v.isMember() && !v.hasOps() {
		if st, err := c.readSnapshot(r.Context(), v); err == nil && st.Status == onboarding.Failed {
			return fault.New(fault.Denied, "role ops or higher is needed to try again").WithCode(
				"INSUFFICIENT_ROLE").WithHint("ask an admin of your tenant, or an operator")
		}
	}
	if _, err := c.deps.Onboarding.FirstLogin(r.Context(), v.Identity, web.ByOf(r.Context())); err != nil {
		return err
	}
	c.goTo(w, r, "/setup")
	return nil
}
