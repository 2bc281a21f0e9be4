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
		Short: "Let somebody in who signs in with an e-mail address, once and for a limited time",
		Long: "Let somebody in who signs in with an e-mail address, once and for a limited time. The provider must have verified the address.\n" +
			"leadctl sends no mail: tell them where to sign in. With onboarding.policy invite nobody else gets in.",
		Example: "  leadctl tenant invite 42 --email bob@acme.example --role ops\n  leadctl tenant invite 42 --email bob@acme.example --expires 24h",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			invited, err := a.inviteUser(cmd.Context(), args[0], email, roles, time.Now().Add(expires))
			return errors.Join(err, a.printResultUnless(err, invited))
		},
	}
	cmd.Flags().StringVar(&email, "email", "", "whom")
	cmd.Flags().StringSliceVar(&roles, "role", []string{"viewer"}, "viewer, ops, admin")
	cmd.Flags().DurationVar(&expires, "expires", 7*24*time.Hour, "how long they have")
	_ = cmd.MarkFlagRequired("email")
	return a.addOutputFlag(cmd)
}

func (a *app) inviteUser(ctx context.Context, name, email string, roles []string, until time.Time) (m tenant.Member, err error) {
	err = a.changeUser(ctx, name, func(ctx context.Context, tx postgres.SystemTx, id tenant.ID) (err error) {
		m, err = tenant.Invite(ctx, tx, id, email, roles, until, operatorBy(""))
		return err
	})
	return m, err
}
