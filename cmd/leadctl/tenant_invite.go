package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
)

func newTenantInvite(a *app) *cobra.Command {
	var email string
	var roles []string
	var expires time.Duration
	cmd := &cobra.Command{
		Use:   "invite TENANT",
		Short: "Invite a user to a tenant",
		Long: "Invite a user to a tenant. The invitation is used by the first sign-in with that e-mail address,\n" +
			"which the identity provider must have verified, and expires after --expires. leadctl sends no mail:\n" +
			"tell the user where to sign in. With onboarding.policy invite, only invited users can join.",
		Example: "  leadctl tenant invite 42 --email bob@acme.example --role ops\n" +
			"  leadctl tenant invite 42 --email bob@acme.example --expires 24h",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			invited, err := a.inviteUser(cmd.Context(), args[0], email, roles, time.Now().Add(expires))
			return errors.Join(err, a.printResultUnless(err, invited))
		},
	}
	cmd.Flags().StringVar(&email, "email", "", "e-mail address of the user")
	cmd.Flags().StringSliceVar(&roles, "role", []string{"viewer"}, "roles of the user: viewer, ops, admin")
	cmd.Flags().DurationVar(&expires, "expires", 7*24*time.Hour, "time until the invitation expires")
	_ = cmd.MarkFlagRequired("email")
	return a.addOutputFlag(cmd)
}

func (a *app) inviteUser(
	ctx context.Context, ref, email string, roles []string, until time.Time,
) (m tenant.Member, err error) {
	err = a.changeUser(ctx, ref, email, func(ctx context.Context, tx postgres.SystemTx, id tenant.ID) (err error) {
		m, err = tenant.Invite(ctx, tx, id, email, roles, until, operatorBy(""))
		return err
	})
	return m, err
}
