package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/leadctl/leadctl/pkg/odoo/provision"
)

func newOdooSSO(a *app) *cobra.Command {
	return groupCommand(&cobra.Command{Use: "sso", Short: "Sign-in to tenants' workspaces through the identity provider"}, newOdooSSOConfigure(a), newOdooSSOVerify(a))
}

func newOdooSSOConfigure(a *app) *cobra.Command {
	var ref string
	cmd := &cobra.Command{
		Use:   "configure",
		Short: "Make the identity provider a workspace's one way of signing in, and tie its users to their subjects",
		Long: "Make the identity provider a workspace's one way of signing in, and tie everybody who has signed in to leadctl to their subject\n" +
			"there. Provisioning does the same where odoo.sso_client_id is set; again, nothing changes.",
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
		Short:   "Look at everything that a sign-in to a workspace needs, and change nothing",
		Example: "  leadctl odoo sso verify --tenant 42\n  leadctl odoo sso verify --tenant 42 -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			spaces, t, err := a.openWorkspaceOf(cmd.Context(), ref)
			if err != nil {
				return err
			}
			checks, err := spaces.VerifySSO(cmd.Context(), t.ID)
			return errors.Join(err, a.printResultUnless(err, odooChecks(checks)), provision.Report{Checks: checks}.Err())
		},
	}
	tenantFlag(cmd, &ref)
	return a.addOutputFlag(cmd)
}
