package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/session"
)

func newSSOSignOut(a *app) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "sign-out PERSON",
		Short: "Sign somebody out everywhere",
		Long: "End every browser session of a person, named by e-mail or subject, and every ID token of theirs, at once and on every replica. Disable the account\n" +
			"at the identity provider first: a session there goes on, and would sign them in again. Access tokens that a program of theirs holds end by\n" +
			"themselves, mostly within minutes; suspending the tenant stops those too.",
		Example: "  leadctl sso sign-out bob@acme.example --reason 'ticket 1234'\n  leadctl sso sign-out 6f1c1f9e-8d0e-4a7e-9d5e-0a4c2f0c7f11 -o json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ended, err := a.endUserSessions(cmd.Context(), args[0], reason)
			return errors.Join(err, a.printResultUnless(err, ended))
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "kept in the audit log")
	return a.addOutputFlag(cmd)
}

func (a *app) endUserSessions(ctx context.Context, person, reason string) (ended []session.Ended, err error) {
	err = a.inSystem(ctx, "sign-out by an operator", func(ctx context.Context, tx postgres.SystemTx) (err error) {
		ended, err = session.SignOut(ctx, tx, person, time.Now(), operatorBy(reason))
		return err
	})
	return ended, err
}
