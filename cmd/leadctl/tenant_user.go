package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/wire"
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
			return a.changeUser(cmd.Context(), args[0], add)
		},
	}
	cmd.Flags().StringSliceVar(&roles, "role", []string{"viewer"}, "roles of the user: viewer, ops, admin")
	return cmd
}

func newTenantUserRemove(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "remove TENANT EMAIL",
		Short:   "Remove a user",
		Example: "  leadctl tenant user remove 42 bob@acme.example",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			remove := func(ctx context.Context, tx postgres.SystemTx, id tenant.ID) error {
				return tenant.RemoveMember(ctx, tx, id, args[1], operatorBy(""))
			}
			return a.changeUser(cmd.Context(), args[0], remove)
		},
	}
}

// userChange changes a user of a tenant.
type userChange func(context.Context, postgres.SystemTx, tenant.ID) error

// changeUser runs change on the tenant that ref names, and rolls it back if the tenant then exceeds a quota.
func (a *app) changeUser(ctx context.Context, ref string, change userChange) error {
	cfg, err := a.config(ctx)
	if err != nil {
		return err
	}
	return a.inSystem(ctx, "tenant users", func(ctx context.Context, tx postgres.SystemTx) error {
		t, err := tenant.Find(ctx, tx, ref)
		if err != nil {
			return err
		}
		return wire.Quotas(cfg).Within(ctx, tx, t.ID, func() error { return change(ctx, tx, t.ID) })
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
