package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/odoo/provision"
	"github.com/leadctl/leadctl/pkg/wire"
)

func newOdoo(a *app) *cobra.Command {
	return groupCommand(&cobra.Command{
		Use: "odoo", Short: "Test Odoo, prepare its template, push leads", GroupID: groupTenancy,
		Example: "  leadctl odoo test --tenant 42\n  leadctl odoo template prepare",
	}, newOdooTest(a), newOdooTemplate(a), newOdooFields(a), newOdooRotateKey(a), newOdooPush(a), newOdooFeedback(a),
		newOdooPolicy(a), newOdooSSO(a), newOdooOpen(a))
}

// odooCheck is one line in the output of the commands that check Odoo.
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
		Short: "Test the Odoo server and, with --tenant, a tenant's workspace",
		Long: "Test the Odoo server: its version, and each way to create workspaces there. The first way is used;\n" +
			"the state of each other way is open or closed.\n\n" +
			"With --tenant, run the smoke test in that tenant's workspace. leadctl's account signs in, creates,\n" +
			"changes and deletes a marked record, checks leadctl's fields and the sign-in of users, and tries to\n" +
			"read other tenants' records.",
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
	cmd.Flags().StringVar(&ref, "tenant", "", "tenant whose workspace to test: number or external ID")
	return a.addOutputFlag(cmd)
}

func (a *app) odooTest(ctx context.Context, ref string) (provision.Report, error) {
	cfg, err := a.config(ctx)
	if err != nil {
		return provision.Report{}, err
	}
	if cfg.Odoo.ServerURL == "" {
		return provision.Report{}, fault.New(fault.Invalid, "ODOO_SERVER_URL: not set").
			WithHint("set ODOO_SERVER_URL to the base URL of the Odoo server")
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
	provisioner, err := wire.Provisioner(ctx, cfg, db, log)
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
	if report.Err() != nil { // the report contains the error of the failed check
		err = nil
	}
	return report, err
}

func odooChecks(checks []provision.Check) []odooCheck {
	rows := make([]odooCheck, len(checks))
	for i, c := range checks {
		millis := float64(c.Took.Round(10*time.Microsecond)) / float64(time.Millisecond)
		rows[i] = odooCheck{c.Name, "passed", c.Detail, millis}
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
		Short: "Replace the key of leadctl's account in a tenant's workspace",
		Long: "Replace the key of leadctl's account in a tenant's workspace. The new key is stored before it is set\n" +
			"in Odoo. If the command is stopped, the next command or job that uses the workspace finishes the\n" +
			"rotation. When the command succeeds, Odoo rejects the old key.",
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
