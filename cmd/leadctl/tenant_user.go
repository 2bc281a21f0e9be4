package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
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
			"in with that address, verified by the provider, becomes this user. The user's rights in the Odoo\n" +
			"workspace follow the role: a viewer reads, ops changes leads and exports, an admin also administers\n" +
			"the CRM. Roles in the user's token come before those stored here.",
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
		Long: "Remove a user, and print what ended: open invitations, sessions, and the subjects whose tokens the\n" +
			"tenant refuses from now on. A job of `leadctl serve` archives the user in the tenant's Odoo workspace,\n" +
			"which ends the sessions there; --wait does that before the command returns.\n\n" +
			"A token whose claim names the tenant does not admit the user again. `leadctl tenant user add` and\n" +
			"`leadctl tenant invite` do, and give the access to Odoo back.",
		Example: "  leadctl tenant user remove 42 bob@acme.example --wait",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			removed, err := a.removeUser(cmd.Context(), args[0], args[1], wait)
			return errors.Join(err, a.printResultUnless(err, removed))
		},
	}
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until the access to Odoo has ended")
	return a.addOutputFlag(cmd)
}

func (a *app) removeUser(ctx context.Context, ref, email string, wait bool) (r workspace.UserRemoval, err error) {
	queue, err := a.openJobs(ctx, false)
	if err != nil {
		return r, err
	}
	err = a.inSystem(ctx, "remove user", func(ctx context.Context, tx postgres.SystemTx) error {
		t, err := tenant.Find(ctx, tx, ref)
		if err == nil {
			r, err = workspace.RemoveUser(ctx, tx, queue, t.ID, email, time.Now(), operatorBy(""))
		}
		return err
	})
	if err != nil || !wait {
		return r, err
	}
	spaces, t, err := a.openWorkspaceOf(ctx, ref)
	if err != nil {
		return r, err
	}
	return r, spaces.SyncAccess(ctx, t.ID, email)
}

// userChange changes a user of a tenant.
type userChange func(context.Context, postgres.SystemTx, tenant.ID) error

// changeUser runs change on the tenant that ref names.
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
		return workspace.ChangeUser(ctx, tx, queue, wire.Quotas(cfg), t.ID, email,
			func() error { return change(ctx, tx, t.ID) })
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
