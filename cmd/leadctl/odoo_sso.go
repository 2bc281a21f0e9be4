package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/leadctl/leadctl/pkg/odoo/provision"
)

func newOdooSSO(a *app) *cobra.Command {
	return groupCommand(&cobra.Command{
		Use: "sso", Short: "Manage sign-in to workspaces by the identity provider",
	}, newOdooSSOConfigure(a), newOdooSSOVerify(a))
}

func newOdooSSOConfigure(a *app) *cobra.Command {
	var ref string
	cmd := &cobra.Command{
		Use:   "configure",
		Short: "Make the identity provider the only sign-in to a workspace",
		Long: "Make the identity provider the only sign-in to a workspace, and link each user who has signed in to\n" +
			"leadctl to the subject at the provider. Provisioning does this too if odoo.sso_client_id is set. A\n" +
			"second run changes nothing.",
		Example: "  leadctl odoo sso configure --tenant 42",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.configureSSO(cmd.Context(), ref)
		},
	}
	tenantFlag(cmd, &ref)
	return cmd
}

func (a *app) configureSSO(ctx context.Context, ref string) error {
	spaces, t, err := a.openWorkspaceOf(ctx, ref)
	if err != nil {
		return err
	}
	w, err := spaces.Current(ctx, t.ID)
	if err != nil {
		return err
	}
	left, err := spaces.ConfigureSSO(ctx, w, operatorBy(""))
	return errors.Join(append(left, err)...)
}

func newOdooSSOVerify(a *app) *cobra.Command {
	var ref string
	cmd := &cobra.Command{
		Use:     "verify",
		Short:   "Check everything that sign-in to a workspace needs",
		Example: "  leadctl odoo sso verify --tenant 42\n  leadctl odoo sso verify --tenant 42 -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			spaces, t, err := a.openWorkspaceOf(cmd.Context(), ref)
			if err != nil {
				return err
			}
			checks, err := spaces.VerifySSO(cmd.Context(), t.ID)
			report := provision.Report{Checks: checks}
			return errors.Join(err, a.printResultUnless(err, odooChecks(checks)), report.Err())
		},
	}
	tenantFlag(cmd, &ref)
	return a.addOutputFlag(cmd)
}
