package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/websession"
	"github.com/leadctl/leadctl/pkg/wire"
	"github.com/leadctl/leadctl/pkg/workspace"
)

func newTenantUser(a *app) *cobra.Command {
	return groupCommand(&cobra.Command{
		Use: "user", Short: "Add, list and remove a tenant's users",
	}, newTenantUserAdd(a), newTenantUserList(a), newTenantUserRemove(a))
}

func newTenantUserAdd(a *app) *cobra.Command {
	var roles []string
	cmd := &cobra.Command{
		Use:   "add TENANT EMAIL",
		Short: "Add a user, or replace a user's roles",
		Long: "Add a user by e-mail address, or replace the roles of an existing user. The first person who signs\n" +
			"in with that address, verified by the provider, becomes this user.",
		Example: "  leadctl tenant user add 42 bob@acme.example --role ops",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			add := func(ctx context.Context, tx postgres.SystemTx, id tenant.ID) error {
				return tenant.AddMember(ctx, tx, id, args[1], roles, operatorBy(""))
			}
			return a.changeUser(cmd.Context(), args[0], args[1], add)
		},
	}
	cmd.Flags().StringSliceVar(&roles, "role", []string{"viewer"}, "roles of the user: viewer, ops, admin")
	return cmd
}

func newTenantUserRemove(a *app) *cobra.Command {
	var wait bool
	cmd := &cobra.Command{
		Use:   "remove TENANT EMAIL",
		Short: "Remove a user, and end the user's sessions and access to Odoo",
		Long: "Remove a user. All the user's sessions and tokens end at once. A job of `leadctl serve` archives the\n" +
			"user in the tenant's Odoo workspace, which ends the sessions there; --wait does that before the\n" +
			"command returns. `leadctl tenant user add` gives the access back.\n\n" +
			"Also disable the account at the identity provider: a token with the tenant's claim admits the user again.",
		Example: "  leadctl tenant user remove 42 bob@acme.example --wait",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.removeUser(cmd.Context(), args[0], args[1], wait)
		},
	}
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until the access to Odoo has ended")
	return cmd
}

func (a *app) removeUser(ctx context.Context, ref, email string, wait bool) error {
	by := operatorBy("")
	err := a.changeUser(ctx, ref, email, func(ctx context.Context, tx postgres.SystemTx, id tenant.ID) error {
		// Before the row is gone: it holds the subject. A person who never signed in has no session.
		if _, err := websession.SignOut(ctx, tx, email, time.Now(), by); err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
		return tenant.RemoveMember(ctx, tx, id, email, by)
	})
	if err != nil || !wait {
		return err
	}
	spaces, t, err := a.openWorkspaceOf(ctx, ref)
	if err != nil {
		return err
	}
	return spaces.SyncAccess(ctx, t.ID, email)
}

// userChange changes a user of a tenant.
type userChange func(context.Context, postgres.SystemTx, tenant.ID) error

// changeUser runs change on the tenant that ref names, and rolls it back if the tenant then exceeds a quota. A job
// makes the user's access to the workspace follow.
func (a *app) changeUser(ctx context.Context, ref, email string, change userChange) error {
	cfg, err := a.config(ctx)
	if err != nil {
		return err
	}
	queue, err := a.openJobs(ctx, false)
	if err != nil {
		return err
	}
	return a.inSystem(ctx, "tenant users", func(ctx context.Context, tx postgres.SystemTx) error {
		t, err := tenant.Find(ctx, tx, ref)
		if err != nil {
			return err
		}
		err = wire.Quotas(cfg).Within(ctx, tx, t.ID, func() error { return change(ctx, tx, t.ID) })
		if err != nil {
			return err
		}
		return workspace.EnqueueAccess(ctx, tx, queue, workspace.AccessArgs{Tenant: t.ID, Email: email})
	})
}

func newTenantUserList(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list TENANT",
		Short:   "List a tenant's users",
		Example: "  leadctl tenant user list 42",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var users []tenant.Member
			err := a.inSystem(cmd.Context(), "list users", func(ctx context.Context, tx postgres.SystemTx) error {
				t, err := tenant.Find(ctx, tx, args[0])
				if err == nil {
					users, err = tenant.Members(ctx, tx, t.ID)
				}
				return err
			})
			return errors.Join(err, a.printResultUnless(err, users))
		},
	}
	return a.addOutputFlag(cmd)
}
