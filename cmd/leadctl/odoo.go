package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/serve"
)

func newOdoo(a *app) *cobra.Command {
	return noun(&cobra.Command{
		Use: "odoo", Short: "Test Odoo and prepare the template of workspaces", GroupID: groupTenancy,
		Example: "  leadctl odoo test --tenant 42\n  leadctl odoo template prepare",
	}, newOdooTest(a), newOdooTemplate(a), newOdooRotateKey(a), newOdooPush(a), newOdooSSO(a))
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
		Long: "Try the Odoo server. With --tenant the test signs in to that tenant's workspace as leadctl and makes, changes and deletes one\n" +
			"marked record; without it only the server and the ways of making workspaces are tried.",
		Example: "  leadctl odoo test\n  leadctl odoo test --tenant 42 -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			report, err := a.odooTest(cmd.Context(), ref)
			if err != nil {
				return err
			}
			return errors.Join(a.print(odooChecks(append(report.Checks, report.Paths...))), report.Err())
		},
	}
	cmd.Flags().StringVar(&ref, "tenant", "", "tenant whose workspace to try, by number or external id")
	return a.reads(cmd)
}

func (a *app) odooTest(ctx context.Context, ref string) (odoo.Report, error) {
	cfg, err := a.config(ctx)
	if err != nil {
		return odoo.Report{}, err
	}
	if cfg.Odoo.ServerURL == "" {
		return odoo.Report{}, fault.New(fault.Invalid, "ODOO_SERVER_URL: not set").WithHint("set it to the base URL of the Odoo server")
	}
	server, err := odoo.New(odoo.Options{BaseURL: cfg.Odoo.ServerURL})
	if err != nil {
		return odoo.Report{}, err
	}
	var login *odoo.Login
	if ref != "" {
		if login, err = a.odooLogin(ctx, ref); err != nil {
			return odoo.Report{}, err
		}
	}
	db, err := a.db(ctx)
	if err != nil {
		return odoo.Report{}, err
	}
	log, err := a.log(ctx)
	if err != nil {
		return odoo.Report{}, err
	}
	provisioner, err := serve.Provisioner(ctx, cfg, db, log)
	if err != nil {
		return odoo.Report{}, err
	}
	return server.Test(ctx, login, provisioner), nil
}

// odooLogin opens the stored secret of a tenant's workspace.
func (a *app) odooLogin(ctx context.Context, ref string) (*odoo.Login, error) {
	spaces, t, err := a.workspaceOf(ctx, ref)
	if err != nil {
		return nil, err
	}
	w, err := spaces.Current(ctx, t.ID)
	return &odoo.Login{Database: w.Database, Login: odoo.ServiceLogin, Secret: w.Secret}, err
}

func odooChecks(checks []odoo.Check) []odooCheck {
	rows := make([]odooCheck, len(checks))
	for i, c := range checks {
		rows[i] = odooCheck{c.Name, "passed", c.Detail, float64(c.Took.Round(10*time.Microsecond)) / float64(time.Millisecond)}
		switch {
		case c.Closed:
			rows[i].State = "closed"
		case c.Err != nil:
			rows[i].State, rows[i].Detail = "failed", c.Err.Error()
		}
	}
	return rows
}

func newOdooTemplate(a *app) *cobra.Command {
	return noun(&cobra.Command{Use: "template", Short: "The database that workspaces are cloned from"}, newOdooTemplatePrepare(a))
}

func newOdooTemplatePrepare(a *app) *cobra.Command {
	var adopt bool
	cmd := &cobra.Command{
		Use:   "prepare",
		Short: "Make the template once: modules, fields, leadctl's account, everything outbound switched off, locked",
		Long: "Make the database ODOO_TEMPLATE_DB that every workspace is cloned from. It takes about half a minute on an empty server, may be run\n" +
			"again at any time, and goes on where a broken run stopped.",
		Example: "  leadctl odoo template prepare",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			checks, err := a.prepareTemplate(cmd.Context(), adopt)
			return errors.Join(err, a.printUnless(err, odooChecks(checks)))
		},
	}
	cmd.Flags().BoolVar(&adopt, "adopt", false, "take an existing database of that name: its accounts are closed, its data is kept")
	return a.reads(cmd)
}

func (a *app) prepareTemplate(ctx context.Context, adopt bool) ([]odoo.Check, error) {
	cfg, err := a.config(ctx)
	if err != nil {
		return nil, err
	}
	server, err := odoo.New(odoo.Options{BaseURL: cfg.Odoo.ServerURL, Timeout: 5 * time.Minute})
	if err != nil {
		return nil, err
	}
	return odoo.PrepareTemplate(ctx, server, odoo.Template{
		Name: cfg.Odoo.TemplateDB, Master: odoo.Secret(cfg.Odoo.MasterPassword), Adopt: adopt, ClusterDSN: odoo.Secret(cfg.Odoo.PostgresDSN),
		Secret: odoo.Secret(cfg.Odoo.TemplatePassword), Progress: func(c odoo.Check) { a.step(c.Name, c.Took, c.Err) },
	})
}
