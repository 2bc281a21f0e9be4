package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/odoo/provision"
	"github.com/leadctl/leadctl/pkg/wire"
)

func newOdooTemplate(a *app) *cobra.Command {
	return groupCommand(&cobra.Command{
		Use: "template", Short: "Prepare the Odoo database that workspaces are made from",
	}, newOdooTemplatePrepare(a), newOdooTemplateStatus(a))
}

func newOdooTemplatePrepare(a *app) *cobra.Command {
	var adopt, dry bool
	cmd := &cobra.Command{
		Use:   "prepare",
		Short: "Create or complete the template database",
		Long: "Create or complete the template database ODOO_TEMPLATE_DB, from which each workspace is cloned:\n" +
			"modules, fields, leadctl's account, no outgoing mail or other outgoing traffic, and a lock. With\n" +
			"odoo.mode company, prepare the database ODOO_DEFAULT_DB_NAME, which all tenants share, with the\n" +
			"record rules that separate them.\n\n" +
			"It takes about half a minute on an empty server. It can be run again at any time, and continues a\n" +
			"run that failed.",
		Example: "  leadctl odoo template prepare\n  leadctl odoo template prepare --dry-run",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dry {
				parts, err := a.templateStatus(cmd.Context())
				return errors.Join(err, a.printResultUnless(err, missingParts(parts)))
			}
			checks, err := a.prepareTemplate(cmd.Context(), adopt)
			return errors.Join(err, a.printResultUnless(err, odooChecks(checks)))
		},
	}
	cmd.Flags().BoolVar(&adopt, "adopt", false,
		"use an existing database of that name: its accounts are closed, its data is kept")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "list what is missing, but change nothing")
	return a.addOutputFlag(cmd)
}

func newOdooTemplateStatus(a *app) *cobra.Command {
	return a.addOutputFlag(&cobra.Command{
		Use:   "status",
		Short: "List the parts of the template and their state",
		Long: "List the parts of the template and their state. Nothing is changed. A locked template cannot be\n" +
			"opened, so its state is read from the comment of its database.",
		Example: "  leadctl odoo template status -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			parts, err := a.templateStatus(cmd.Context())
			return errors.Join(err, a.printResultUnless(err, parts))
		},
	})
}

// missingParts returns the parts that are not ready.
func missingParts(parts []provision.Part) []provision.Part {
	out := []provision.Part{}
	for _, p := range parts {
		if p.State != provision.PartReady {
			out = append(out, p)
		}
	}
	return out
}

func (a *app) templateStatus(ctx context.Context) ([]provision.Part, error) {
	server, t, err := a.odooTemplate(ctx)
	if err != nil {
		return nil, err
	}
	return provision.TemplateStatus(ctx, server, t)
}

func (a *app) prepareTemplate(ctx context.Context, adopt bool) ([]provision.Check, error) {
	server, t, err := a.odooTemplate(ctx)
	if err != nil {
		return nil, err
	}
	t.Adopt, t.Progress = adopt, func(c provision.Check) { a.printStep(c.Name, c.Took, c.Err) }
	return provision.PrepareTemplate(ctx, server, t)
}

// odooTemplate returns the Odoo server and the template database of the configuration: the one that is cloned or, with
// odoo.mode company, the one that is shared.
func (a *app) odooTemplate(ctx context.Context) (*odoo.Server, provision.Template, error) {
	cfg, err := a.config(ctx)
	if err != nil {
		return nil, provision.Template{}, err
	}
	server, err := odoo.New(odoo.Options{
		BaseURL: cfg.Odoo.ServerURL, Timeout: 5 * time.Minute, Protocol: cfg.Odoo.Protocol,
	})
	if err != nil {
		return nil, provision.Template{}, err
	}
	t := provision.Template{Name: cfg.Odoo.TemplateDB, Master: odoo.Secret(cfg.Odoo.MasterPassword),
		ClusterDSN: odoo.Secret(cfg.Odoo.PostgresDSN), Secret: odoo.Secret(cfg.Odoo.TemplatePassword),
		LeadType: cfg.Odoo.LeadType, Language: cfg.Odoo.Language}
	if cfg.Odoo.Mode != provision.ModeCompany {
		return server, t, nil
	}
	db, err := a.db(ctx)
	if err != nil {
		return nil, t, err
	}
	t.Name, t.Shared = cfg.Odoo.DefaultDBName, true
	t.Installation, err = wire.Installation(ctx, db)
	return server, t, err
}
