package main

import (
	"context"
	"errors"
	"time"

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
		newTenantStatus(a, "resume", tenant.Active, "Unblock the users of a suspended or deleted tenant"),
		newTenantDelete(a), newTenantUser(a), newTenantInvite(a))
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

// tenantView is the output of `tenant show`.
type tenantView struct {
	tenant.Tenant
	Onboarding string            `json:"onboarding"`
	Step       *string           `json:"step"`
	Error      *string           `json:"error"`
	Attempt    int               `json:"attempt"`
	Users      []tenant.Member   `json:"users"`
	Timeline   []onboarding.Step `json:"timeline"`

	SmokeAt     *time.Time             `json:"smoke_test_at"` // time of the latest smoke test; null before the first
	SmokePassed *bool                  `json:"smoke_test_passed"`
	SmokeTest   []workspace.SmokeCheck `json:"smoke_test"`
}

func newTenantShow(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show TENANT",
		Short: "Show a tenant",
		Long: "Show a tenant: status, users, the timeline of its onboarding, and the latest smoke test of its\n" +
			"workspace.",
		Example: "  leadctl tenant show 42\n  leadctl tenant show acme -o json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var view tenantView
			read := func(ctx context.Context, tx postgres.SystemTx) (err error) {
				view, err = showTenant(ctx, tx, args[0])
				return err
			}
			err := a.inSystem(cmd.Context(), "show tenant", read)
			return errors.Join(err, a.printResultUnless(err, view))
		},
	}
	return a.addOutputFlag(cmd)
}

func showTenant(ctx context.Context, tx postgres.SystemTx, ref string) (view tenantView, err error) {
	if view.Tenant, err = tenant.Find(ctx, tx, ref); err != nil {
		return view, err
	}
	if view.Users, err = tenant.Members(ctx, tx, view.ID); err != nil {
		return view, err
	}
	smoke, err := workspace.LatestSmoke(ctx, tx, view.ID)
	if err != nil {
		return view, err
	}
	view.SmokeTest = []workspace.SmokeCheck{}
	if smoke != nil {
		view.SmokeAt, view.SmokePassed, view.SmokeTest = &smoke.At, &smoke.Passed, smoke.Checks
	}
	st, steps, err := onboarding.Progress(ctx, tx, view.ID)
	if fault.Is(err, fault.NotFound) {
		view.Onboarding = "not begun"
		return view, nil
	}
	view.Onboarding, view.Step, view.Error, view.Attempt = st.Status, st.Step, st.Error, st.Attempt
	view.Timeline = steps
	return view, err
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
	return a.inSystem(ctx, "tenant status", func(ctx context.Context, tx postgres.SystemTx) error {
		t, err := tenant.Find(ctx, tx, ref)
		if err != nil {
			return err
		}
		_, err = tenant.SetStatus(ctx, tx, t.ID, status, operatorBy(reason))
		return err
	})
}

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
