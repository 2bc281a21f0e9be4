package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/onboarding"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/serve"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/workspace"
)

func newTenant(a *app) *cobra.Command {
	return groupCommand(&cobra.Command{
		Use:     "tenant",
		Short:   "Provision, look at and repair tenants",
		GroupID: groupTenancy,
		Example: "  leadctl tenant provision --name Acme --email alice@acme.example --wait\n  leadctl tenant list\n  leadctl tenant show 42",
	}, newTenantProvision(a), newTenantList(a), newTenantShow(a), newTenantStatus(a, "suspend", tenant.Suspended, "Refuse a tenant's users until it is resumed"),
		newTenantStatus(a, "resume", tenant.Active, "Let a suspended tenant's users in again"), newTenantDelete(a), newTenantUser(a), newTenantInvite(a))
}

func newTenantProvision(a *app) *cobra.Command {
	var req onboarding.Request
	var reason string
	var wait bool
	cmd := &cobra.Command{
		Use:   "provision [TENANT]",
		Short: "Make a tenant and its workspace, or repair one",
		Long: "Make a tenant and its workspace, or go through an existing one's steps again: what is there stays, what is missing is made.\n" +
			"The job is the one that a first sign-in starts. Without --wait a running `leadctl serve` works it; with --wait this process may.",
		Example: "  leadctl tenant provision --name Acme --email alice@acme.example --wait\n  leadctl tenant provision 42 --wait --reason 'Odoo was restored'",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			req.Tenant = firstArg(args)
			if req.Tenant == "" && req.Name == "" {
				return fault.New(fault.Invalid, "no tenant: name an existing one, or give --name for a new one").WithHint("leadctl tenant provision --help")
			}
			t, err := a.provisionTenant(cmd.Context(), req, reason, wait)
			return errors.Join(err, a.printResultUnless(err, t))
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&req.Name, "name", "", "name of a new tenant")
	flags.StringVar(&req.External, "external-id", "", "value of the token's tenant claim that shall name it")
	flags.StringVar(&req.Email, "email", "", "first user; becomes one at the first sign-in with this verified address")
	flags.StringSliceVar(&req.Roles, "role", []string{"admin"}, "roles of that user: viewer, ops, admin")
	flags.StringVar(&reason, "reason", "", "kept in the audit log")
	flags.BoolVar(&wait, "wait", false, "show the steps as they happen and end when the workspace is ready")
	flags.Bool("retry", false, "go through an existing tenant's steps again (what naming it does anyway)")
	return a.addOutputFlag(cmd)
}

// provisionTenant enqueues and, when asked to wait, works the queue in this process too, so that it needs no running daemon.
func (a *app) provisionTenant(ctx context.Context, req onboarding.Request, reason string, wait bool) (tenant.Tenant, error) {
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
	t, err := serve.Onboarding(cfg, db, client).Provision(ctx, req, operatorBy(reason))
	if err != nil || !wait {
		return t, err
	}
	return t, onboarding.Watch(ctx, db, t.ID, func(s onboarding.Step) { a.printStep(s.Name, s.Took(), stepError(s)) })
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
			err := a.inSystem(cmd.Context(), "list tenants", func(ctx context.Context, tx postgres.SystemTx) (err error) {
				list, err = tenant.List(ctx, tx)
				return err
			})
			return errors.Join(err, a.printResultUnless(err, list))
		},
	}
	return a.addOutputFlag(cmd)
}

// tenantView is what `tenant show` prints.
type tenantView struct {
	tenant.Tenant
	Onboarding string            `json:"onboarding"`
	Step       *string           `json:"step"`
	Error      *string           `json:"error"`
	Attempt    int               `json:"attempt"`
	Users      []tenant.Member   `json:"users"`
	Timeline   []onboarding.Step `json:"timeline"`

	SmokeAt     *time.Time             `json:"smoke_test_at"` // of the workspace's latest smoke test; null before the first
	SmokePassed *bool                  `json:"smoke_test_passed"`
	SmokeTest   []workspace.SmokeCheck `json:"smoke_test"`
}

func newTenantShow(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "show TENANT",
		Short:   "Show one tenant: status, users, the timeline of its onboarding and what the latest smoke test of its workspace found",
		Example: "  leadctl tenant show 42\n  leadctl tenant show acme -o json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var view tenantView
			err := a.inSystem(cmd.Context(), "show tenant", func(ctx context.Context, tx postgres.SystemTx) (err error) {
				view, err = showTenant(ctx, tx, args[0])
				return err
			})
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
	view.Onboarding, view.Step, view.Error, view.Attempt, view.Timeline = st.Status, st.Step, st.Error, st.Attempt, steps
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
	cmd.Flags().StringVar(&reason, "reason", "", "kept in the audit log")
	return cmd
}

func newTenantDelete(a *app) *cobra.Command {
	var reason, confirmed, fate string
	cmd := &cobra.Command{
		Use:   "delete TENANT --confirm NAME",
		Short: "Close a tenant for good, and put its workspace aside or delete it",
		Long: "Close a tenant for good: its users are refused from now on, and its claim value may name another tenant. Its rows stay in the database.\n" +
			"Its Odoo workspace is put aside under another name where nobody opens it (archive), deleted (drop) or left (keep), and never touched\n" +
			"without leadctl's marker in it. `tenant resume` lets the users in again; the workspace has to be provisioned anew.",
		Example: "  leadctl tenant delete 42 --confirm Acme\n  leadctl tenant delete 42 --confirm Acme --workspace drop",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			done, err := a.deleteTenant(cmd.Context(), args[0], confirmed, workspace.Fate(fate), reason)
			return errors.Join(err, a.printResultUnless(err, done))
		},
	}
	cmd.Flags().StringVar(&confirmed, "confirm", "", "the tenant's name, typed out")
	cmd.Flags().StringVar(&fate, "workspace", string(workspace.Archive), "what becomes of it: archive, drop or keep")
	cmd.Flags().StringVar(&reason, "reason", "", "kept in the audit log")
	return a.addOutputFlag(cmd)
}

func (a *app) deleteTenant(ctx context.Context, ref, confirmed string, fate workspace.Fate, reason string) (workspace.Closed, error) {
	spaces, t, err := a.openWorkspaceOf(ctx, ref)
	if err != nil {
		return workspace.Closed{}, err
	}
	if confirmed != t.Name {
		return workspace.Closed{}, fault.New(fault.Invalid, "tenant %s is named %q: not confirmed", t.ID, t.Name).
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
	return groupCommand(&cobra.Command{Use: "user", Short: "Add, list and remove a tenant's users"}, newTenantUserAdd(a), newTenantUserList(a), newTenantUserRemove(a))
}

func newTenantUserAdd(a *app) *cobra.Command {
	var roles []string
	cmd := &cobra.Command{
		Use:     "add TENANT EMAIL",
		Short:   "Add a user by e-mail, or change their roles",
		Long:    "Add a user by e-mail, or change their roles. Who first signs in with that address, verified by the provider, becomes this user.",
		Example: "  leadctl tenant user add 42 bob@acme.example --role ops",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.changeUser(cmd.Context(), args[0], func(ctx context.Context, tx postgres.SystemTx, id tenant.ID) error {
				return tenant.AddMember(ctx, tx, id, args[1], roles, operatorBy(""))
			})
		},
	}
	cmd.Flags().StringSliceVar(&roles, "role", []string{"viewer"}, "viewer, ops, admin")
	return cmd
}

func newTenantUserRemove(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "remove TENANT EMAIL",
		Short:   "Remove a user",
		Example: "  leadctl tenant user remove 42 bob@acme.example",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.changeUser(cmd.Context(), args[0], func(ctx context.Context, tx postgres.SystemTx, id tenant.ID) error {
				return tenant.RemoveMember(ctx, tx, id, args[1], operatorBy(""))
			})
		},
	}
}

func (a *app) changeUser(ctx context.Context, ref string, change func(context.Context, postgres.SystemTx, tenant.ID) error) error {
	cfg, err := a.config(ctx)
	if err != nil {
		return err
	}
	return a.inSystem(ctx, "tenant users", func(ctx context.Context, tx postgres.SystemTx) error {
		t, err := tenant.Find(ctx, tx, ref)
		if err != nil {
			return err
		}
		return serve.Quotas(cfg).Within(ctx, tx, t.ID, func() error { return change(ctx, tx, t.ID) })
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
