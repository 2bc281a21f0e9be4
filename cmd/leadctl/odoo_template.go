package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/odoo/provision"
	"github.com/leadctl/leadctl/pkg/serve"
)

func newOdooTemplate(a *app) *cobra.Command {
	return groupCommand(&cobra.Command{Use: "template", Short: "The database that workspaces are made from, or in"}, newOdooTemplatePrepare(a), newOdooTemplateStatus(a))
}

func newOdooTemplatePrepare(a *app) *cobra.Command {
	var adopt, dry bool
	cmd := &cobra.Command{
		Use:   "prepare",
		Short: "Make the template once: modules, fields, leadctl's account, everything outbound switched off, locked",
		Long: "Make the database ODOO_TEMPLATE_DB that every workspace is cloned from or, with odoo.mode company, ODOO_DEFAULT_DB_NAME that all\n" +
			"tenants share, with the record rules that keep them apart. It takes about half a minute on an empty server, may be run again at any\n" +
			"time, and goes on where a broken run stopped.",
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
	cmd.Flags().BoolVar(&adopt, "adopt", false, "take an existing database of that name: its accounts are closed, its data is kept")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "only tell what is missing")
	return a.addOutputFlag(cmd)
}

func newOdooTemplateStatus(a *app) *cobra.Command {
	return a.addOutputFlag(&cobra.Command{
		Use:   "status",
		Short: "Tell what there is of the template",
		Long: "Tell what there is of the template, without changing anything. A locked template is judged by what it says about itself, since\n" +
			"nobody can open it.",
		Example: "  leadctl odoo template status -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			parts, err := a.templateStatus(cmd.Context())
			return errors.Join(err, a.printResultUnless(err, parts))
		},
	})
}

// missingParts are the parts that are not ready.
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

// odooTemplate is what the configuration says of it: the database that is cloned, or the one that is shared.
func (a *app) odooTemplate(ctx context.Context) (*odoo.Server, provision.Template, error) {
	cfg, err := a.config(ctx)
	if err != nil {
		return nil, provision.Template{}, err
	}
	server, err := odoo.New(odoo.Options{BaseURL: cfg.Odoo.ServerURL, Timeout: 5 * time.Minute, Protocol: cfg.Odoo.Protocol})
	if err != nil {
		return nil, provision.Template{}, err
	}
	t := provision.Template{Name: cfg.Odoo.TemplateDB, Master: odoo.Secret(cfg.Odoo.MasterPassword),
		ClusterDSN: odoo.Secret(cfg.Odoo.PostgresDSN), Secret: odoo.Secret(cfg.Odoo.TemplatePassword)}
	if cfg.Odoo.Mode != provision.ModeCompany {
		return server, t, nil
	}
	db, err := a.db(ctx)
	if err != nil {
		return nil, t, err
	}
	t.Name, t.Shared = cfg.Odoo.DefaultDBName, true
	t.Installation, err = serve.Installation(ctx, db)
	return server, t, err
}
