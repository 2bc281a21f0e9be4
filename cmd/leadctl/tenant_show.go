package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/onboarding"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/workspace"
)

// tenantView is the output of `tenant show`.
type tenantView struct {
	tenant.Tenant
	Onboarding string            `json:"onboarding"`
	Step       *string           `json:"step"`
	Error      *string           `json:"error"`
	Attempt    int               `json:"attempt"`
	Users      []tenant.Member   `json:"users"`
	Timeline   []onboarding.Step `json:"timeline"`

	SmokeAt     *time.Time             `json:"smoke_test_at"` // time of the latest smoke test; null before the first
	SmokePassed *bool                  `json:"smoke_test_passed"`
	SmokeTest   []workspace.SmokeCheck `json:"smoke_test"`
}

func newTenantShow(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show TENANT",
		Short: "Show a tenant",
		Long: "Show a tenant: status, users, the timeline of its onboarding, and the latest smoke test of its\n" +
			"workspace.",
		Example: "  leadctl tenant show 42\n  leadctl tenant show acme -o json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var view tenantView
			read := func(ctx context.Context, tx postgres.SystemTx) (err error) {
				view, err = showTenant(ctx, tx, args[0])
				return err
			}
			err := a.inSystem(cmd.Context(), "show tenant", read)
			return errors.Join(err, a.printResultUnless(err, view))
		},
	}
	return a.addOutputFlag(cmd)
}

func showTenant(ctx context.Context, tx postgres.SystemTx, ref string) (view tenantView, err error) {
	if view.Tenant, err = tenant.Find(ctx, tx, ref); err != nil {
		return view, err
	}
	if view.Users, err = tenant.Members(ctx, tx, view.ID); err != nil {
		return view, err
	}
	smoke, err := workspace.LatestSmoke(ctx, tx, view.ID)
	if err != nil {
		return view, err
	}
	view.SmokeTest = []workspace.SmokeCheck{}
	if smoke != nil {
		view.SmokeAt, view.SmokePassed, view.SmokeTest = &smoke.At, &smoke.Passed, smoke.Checks
	}
	st, steps, err := onboarding.Progress(ctx, tx, view.ID)
	if fault.Is(err, fault.NotFound) {
		view.Onboarding = "not begun"
		return view, nil
	}
	view.Onboarding, view.Step, view.Error, view.Attempt = st.Status, st.Step, st.Error, st.Attempt
	view.Timeline = steps
	return view, err
}
