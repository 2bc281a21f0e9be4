package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/odoo/provision"
	"github.com/leadctl/leadctl/pkg/serve"
)

func newOdoo(a *app) *cobra.Command {
	return groupCommand(&cobra.Command{
		Use: "odoo", Short: "Test Odoo and prepare the template of workspaces", GroupID: groupTenancy,
		Example: "  leadctl odoo test --tenant 42\n  leadctl odoo template prepare",
	}, newOdooTest(a), newOdooTemplate(a), newOdooFields(a), newOdooRotateKey(a), newOdooPush(a), newOdooSSO(a))
}

// odooCheck is one line of what the commands here tried.
type odooCheck struct {
	Check  string  `json:"check"`
	State  string  `json:"state"`
	Detail string  `json:"detail"`
	Millis float64 `json:"ms"`
}

func newOdooTest(a *app) *cobra.Command {
	var ref string
	cmd := &cobra.Command{
		Use:   "test",
		Short: "Try the Odoo server: version, ways of provisioning and, in a tenant's workspace, sign-in, read, write and delete",
		Long: "Try the Odoo server, and each way of making workspaces there: the first of them is the one that is taken, of the others it says\n" +
			"whether they are open. With --tenant the smoke test of provisioning runs in that tenant's workspace: leadctl's account signs in,\n" +
			"makes, changes and deletes one marked record, looks for its fields and for the way people sign in, and tries to reach what is\n" +
			"not this tenant's.",
		Example: "  leadctl odoo test\n  leadctl odoo test --tenant 42 -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			report, err := a.odooTest(cmd.Context(), ref)
			if err != nil {
				return err
			}
			return errors.Join(a.printResult(odooChecks(append(report.Checks, report.Paths...))), report.Err())
		},
	}
	cmd.Flags().StringVar(&ref, "tenant", "", "tenant whose workspace to try, by number or external id")
	return a.addOutputFlag(cmd)
}

func (a *app) odooTest(ctx context.Context, ref string) (provision.Report, error) {
	cfg, err := a.config(ctx)
	if err != nil {
		return provision.Report{}, err
	}
	if cfg.Odoo.ServerURL == "" {
		return provision.Report{}, fault.New(fault.Invalid, "ODOO_SERVER_URL: not set").WithHint("set it to the base URL of the Odoo server")
	}
	server, err := odoo.New(odoo.Options{BaseURL: cfg.Odoo.ServerURL})
	if err != nil {
		return provision.Report{}, err
	}
	db, err := a.db(ctx)
	if err != nil {
		return provision.Report{}, err
	}
	log, err := a.log(ctx)
	if err != nil {
		return provision.Report{}, err
	}
	provisioner, err := serve.Provisioner(ctx, cfg, db, log)
	if err != nil {
		return provision.Report{}, err
	}
	report := provision.Test(ctx, server, provisioner)
	if ref == "" {
		return report, nil
	}
	spaces, t, err := a.openWorkspaceOf(ctx, ref)
	if err != nil {
		return provision.Report{}, err
	}
	w, err := spaces.Current(ctx, t.ID)
	if err != nil {
		return provision.Report{}, err
	}
	checks, err := spaces.Smoke(ctx, w)
	report.Checks = append(report.Checks, checks...)
	if report.Err() != nil { // the failed check's own error
		err = nil
	}
	return report, err
}

func odooChecks(checks []provision.Check) []odooCheck {
	rows := make([]odooCheck, len(checks))
	for i, c := range checks {
		rows[i] = odooCheck{c.Name, "passed", c.Detail, float64(c.Took.Round(10*time.Microsecond)) / float64(time.Millisecond)}
		if c.Spare {
			rows[i].State = "open"
		}
		if c.Err == nil {
			continue
		}
		rows[i].State, rows[i].Detail = "failed", c.Err.Error()
		if c.Spare {
			rows[i].State = "closed"
		}
	}
	return rows
}

func newOdooRotateKey(a *app) *cobra.Command {
	var ref string
	cmd := &cobra.Command{
		Use:   "rotate-key",
		Short: "Give a tenant's workspace another key; the old one is refused from then on",
		Long: "Give leadctl's account in a tenant's workspace another key. The new one is stored before Odoo learns it, so a run that is stopped is\n" +
			"finished by the next one, or by whoever needs the workspace next. When the command ends well, Odoo refuses the old key.",
		Example: "  leadctl odoo rotate-key --tenant 42",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			spaces, t, err := a.openWorkspaceOf(cmd.Context(), ref)
			if err != nil {
				return err
			}
			return spaces.Rotate(cmd.Context(), t.ID, operatorBy(""))
		},
	}
	tenantFlag(cmd, &ref)
	return cmd
}
