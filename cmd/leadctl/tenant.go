package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/onboarding"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/wire"
	"github.com/leadctl/leadctl/pkg/workspace"
)

func newTenant(a *app) *cobra.Command {
	return groupCommand(&cobra.Command{
		Use:     "tenant",
		Short:   "Provision, show, suspend and delete tenants",
		GroupID: groupTenancy,
		Example: "  leadctl tenant provision --name Acme --email alice@acme.example --wait\n" +
			"  leadctl tenant list\n  leadctl tenant show 42",
	}, newTenantProvision(a), newTenantList(a), newTenantShow(a),
		newTenantStatus(a, "suspend", tenant.Suspended, "Block a tenant's users until the tenant is resumed"),
		newTenantStatus(a, "resume", tenant.Active,
			"Unblock the users of a suspended or deleted tenant, continue its work"),
		newTenantDelete(a), newTenantUser(a), newTenantInvite(a), newTenantAssignRows(a))
}

func newTenantProvision(a *app) *cobra.Command {
	var req onboarding.Request
	var reason string
	var wait bool
	cmd := &cobra.Command{
		Use:   "provision [TENANT]",
		Short: "Create a tenant with its workspace, or repair one",
		Long: "Create a tenant with its workspace, or repeat the steps for an existing tenant: what exists stays,\n" +
			"what is missing is created. The job is the same as after a first sign-in. A running `leadctl serve`\n" +
			"works it; with --wait, this process can work it too.",
		Example: "  leadctl tenant provision --name Acme --email alice@acme.example --wait\n" +
			"  leadctl tenant provision 42 --wait --reason 'Odoo was restored'",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			req.Tenant = firstArg(args)
			if req.Tenant == "" && req.Name == "" {
				return fault.New(fault.Invalid, "tenant: not named").
					WithHint("name an existing tenant, or use --name for a new one; leadctl tenant provision --help")
			}
			t, err := a.provisionTenant(cmd.Context(), req, reason, wait)
			return errors.Join(err, a.printResultUnless(err, t))
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&req.Name, "name", "", "name of a new tenant")
	flags.StringVar(&req.External, "external-id", "", "external ID of a new tenant: the value of its tenant claim")
	flags.StringVar(&req.Email, "email", "",
		"e-mail address of the first user, who joins at the first sign-in with that verified address")
	flags.StringSliceVar(&req.Roles, "role", []string{"admin"}, "roles of the first user: viewer, ops, admin")
	flags.StringVar(&reason, "reason", "", "reason, recorded in the audit log")
	flags.BoolVar(&wait, "wait", false, "show each finished step and wait until the workspace is ready")
	flags.Bool("retry", false, "no effect: an existing tenant's steps are always repeated")
	return a.addOutputFlag(cmd)
}

// provisionTenant enqueues the onboarding job. With wait, it also works the queue in this process, so that no running
// daemon is needed.
func (a *app) provisionTenant(
	ctx context.Context, req onboarding.Request, reason string, wait bool,
) (tenant.Tenant, error) {
	db, err := a.db(ctx)
	if err != nil {
		return tenant.Tenant{}, err
	}
	client, err := a.openJobs(ctx, wait)
	if err != nil {
		return tenant.Tenant{}, err
	}
	cfg, err := a.config(ctx)
	if err != nil {
		return tenant.Tenant{}, err
	}
	t, err := wire.Onboarding(cfg, db, client).Provision(ctx, req, operatorBy(reason))
	if err != nil || !wait {
		return t, err
	}
	return t, onboarding.Watch(ctx, db, t.ID, func(s onboarding.Step) {
		a.printStep(s.Name, s.Took(), stepError(s))
	})
}

func stepError(s onboarding.Step) error {
	if s.Error == nil {
		return nil
	}
	return errors.New(*s.Error)
}

func newTenantList(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the tenants",
		Example: "  leadctl tenant list -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var list []tenant.Tenant
			read := func(ctx context.Context, tx postgres.SystemTx) (err error) {
				list, err = tenant.List(ctx, tx)
				return err
			}
			err := a.inSystem(cmd.Context(), "list tenants", read)
			return errors.Join(err, a.printResultUnless(err, list))
		},
	}
	return a.addOutputFlag(cmd)
}

func newTenantStatus(a *app, verb, status, short string) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:     verb + " TENANT",
		Short:   short,
		Example: "  leadctl tenant " + verb + " 42 --reason 'ticket 1234'",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.setTenantStatus(cmd.Context(), args[0], status, reason)
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "reason, recorded in the audit log")
	return cmd
}

func newTenantDelete(a *app) *cobra.Command {
	var reason, confirmed, fate string
	cmd := &cobra.Command{
		Use:   "delete TENANT --confirm NAME",
		Short: "Delete a tenant, and archive or drop its workspace",
		Long: "Delete a tenant: its users are blocked at once, and its external ID can be given to another tenant.\n" +
			"Its rows stay in the database.\n\n" +
			"Its Odoo workspace is archived (renamed and locked), dropped or kept, as --workspace says. A\n" +
			"workspace without leadctl's marker is never changed. `leadctl tenant resume` unblocks the users;\n" +
			"then run `leadctl tenant provision` to create a new workspace.",
		Example: "  leadctl tenant delete 42 --confirm Acme\n" +
			"  leadctl tenant delete 42 --confirm Acme --workspace drop",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			done, err := a.deleteTenant(cmd.Context(), args[0], confirmed, workspace.Fate(fate), reason)
			return errors.Join(err, a.printResultUnless(err, done))
		},
	}
	cmd.Flags().StringVar(&confirmed, "confirm", "", "name of the tenant, to confirm the deletion")
	cmd.Flags().StringVar(&fate, "workspace", string(workspace.Archive), "archive, drop or keep the workspace")
	cmd.Flags().StringVar(&reason, "reason", "", "reason, recorded in the audit log")
	return a.addOutputFlag(cmd)
}

func (a *app) deleteTenant(
	ctx context.Context, ref, confirmed string, fate workspace.Fate, reason string,
) (workspace.Closed, error) {
	spaces, t, err := a.openWorkspaceOf(ctx, ref)
	if err != nil {
		return workspace.Closed{}, err
	}
	if confirmed != t.Name {
		return workspace.Closed{}, fault.New(fault.Invalid,
			"--confirm %q: must be %q, the name of tenant %s", confirmed, t.Name, t.ID).
			WithHint("leadctl tenant delete %s --confirm %q", ref, t.Name)
	}
	return spaces.Close(ctx, t.ID, fate, operatorBy(reason))
}

func (a *app) setTenantStatus(ctx context.Context, ref, status, reason string) error {
	db, err := a.db(ctx)
	if err != nil {
		return err
	}
	queue, err := a.openJobs(ctx, false)
	if err != nil {
		return err
	}
	cfg, err := a.config(ctx)
	if err != nil {
		return err
	}
	return wire.Onboarding(cfg, db, queue).SetStatus(ctx, ref, status, operatorBy(reason))
}
