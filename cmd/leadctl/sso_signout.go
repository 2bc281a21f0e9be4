package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/websession"
)

func newSSOSignOut(a *app) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "sign-out USER",
		Short: "End all sessions of a user",
		Long: "End all browser sessions of a user, named by e-mail address or subject, and revoke the user's ID\n" +
			"tokens, on all replicas at once. Disable the account at the identity provider first: the session\n" +
			"there continues and would sign the user in again.\n\n" +
			"Access tokens that programs hold stay valid until they expire, usually within minutes.\n" +
			"`leadctl tenant suspend` blocks those too.",
		Example: "  leadctl sso sign-out bob@acme.example --reason 'ticket 1234'\n" +
			"  leadctl sso sign-out 6f1c1f9e-8d0e-4a7e-9d5e-0a4c2f0c7f11 -o json",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ended, err := a.endUserSessions(cmd.Context(), args[0], reason)
			return errors.Join(err, a.printResultUnless(err, ended))
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "reason, recorded in the audit log")
	return a.addOutputFlag(cmd)
}

func (a *app) endUserSessions(ctx context.Context, person, reason string) (ended []websession.Ended, err error) {
	err = a.inSystem(ctx, "sign-out by an operator", func(ctx context.Context, tx postgres.SystemTx) (err error) {
		ended, err = websession.SignOut(ctx, tx, person, time.Now(), operatorBy(reason))
		return err
	})
	return ended, err
}
