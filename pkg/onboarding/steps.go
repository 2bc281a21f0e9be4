package onboarding

import (
	"context"
	"slices"

	"github.com/leadctl/leadctl/pkg/jobs"
	"github.com/leadctl/leadctl/pkg/leads"
	"github.com/leadctl/leadctl/pkg/odoo/provision"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/workspace"
)

// step is one part of the work: idempotent, in order, with the status that callers see while it runs.
type step struct {
	name   string
	status string
	run    func(context.Context, *task) error
}

// orderedSteps are the whole way. Each looks first, acts, and looks again, so any of them may be repeated at any time.
func (w *Worker) orderedSteps() []step {
	place := "odoo_database"
	if o := w.Workspaces.Odoo; o != nil && o.Mode() == provision.ModeCompany {
		place = "odoo_company"
	}
	all := []step{
		{"tenant", Provisioning, checkTenant},
		{place, Provisioning, makeDatabase},
		{"odoo_fields", Provisioning, makeFields},
		{"odoo_service_account", Provisioning, makeServiceAccount},
		{"odoo_user", Provisioning, makeUsers},
		{"odoo_sso", Provisioning, configureSSO},
		{"smoke_test", Provisioning, smokeTest},
		{"baseline", Syncing, ensureBaseline},
		{"icp_template", Syncing, icpTemplate},
	}
	if w.Workspaces.OdooLogin == nil {
		all = slices.DeleteFunc(all, func(s step) bool { return s.name == "odoo_sso" })
	}
	return all
}

// actor is who the audit log names for what the steps do by themselves.
const actor = "onboarding"

// task is one attempt's state: what the first steps read and the later ones use.
type task struct {
	worker             *Worker
	tenant             tenant.ID
	name               string
	workspace          provision.Workspace
	provisionedMembers []tenant.Member // who was there when accounts were made
}

// checkTenant refuses a tenant that is gone or suspended, and reads or makes the secret of its workspace.
func checkTenant(ctx context.Context, t *task) error {
	if err := t.worker.Workspaces.Configured(); err != nil {
		return err
	}
	err := t.worker.DB.InSystem(ctx, "onboarding tenant", func(ctx context.Context, tx postgres.SystemTx) error {
		found, err := tenant.Find(ctx, tx, t.tenant.String())
		if err != nil {
			return err
		}
		t.name = found.Name
		return found.Usable()
	})
	if err != nil {
		return err
	}
	t.workspace, err = t.worker.Workspaces.Prepare(ctx, t.tenant, tenant.By{Actor: actor})
	return err
}

func makeDatabase(ctx context.Context, t *task) error {
	_, err := t.worker.Workspaces.Odoo.EnsureDatabase(ctx, t.workspace)
	return err
}

func makeFields(ctx context.Context, t *task) error {
	_, err := t.worker.Workspaces.Odoo.EnsureFields(ctx, t.workspace)
	return err
}

func makeServiceAccount(ctx context.Context, t *task) error {
	_, err := t.worker.Workspaces.Odoo.EnsureServiceAccount(ctx, t.workspace)
	return err
}

// makeUsers gives every user of the tenant an account in the workspace.
func makeUsers(ctx context.Context, t *task) error {
	err := t.worker.DB.InSystem(ctx, "onboarding users", func(ctx context.Context, tx postgres.SystemTx) (err error) {
		t.provisionedMembers, err = tenant.Members(ctx, tx, t.tenant)
		return err
	})
	if err != nil {
		return err
	}
	left, err := t.worker.Workspaces.EnsureUsers(ctx, t.workspace, t.provisionedMembers)
	t.logLeftAlone(ctx, left)
	return err
}

// enqueueLateUsers gives those who signed in since then accounts as everybody gets one who comes to a ready workspace: by a
// job. One is enough for all of them.
func enqueueLateUsers(ctx context.Context, tx postgres.SystemTx, t *task) error {
	now, err := tenant.Members(ctx, tx, t.tenant)
	late := slices.DeleteFunc(now, func(m tenant.Member) bool {
		return m.Subject == nil || slices.ContainsFunc(t.provisionedMembers,
			func(s tenant.Member) bool { return s.Subject != nil && *s.Subject == *m.Subject })
	})
	if err != nil || len(late) == 0 {
		return err
	}
	queue, err := jobs.Working(ctx)
	if err != nil {
		return err
	}
	_, _, err = queue.Enqueue(ctx, tx, workspace.UsersArgs{Tenant: t.tenant, Subject: *late[0].Subject})
	return err
}

// configureSSO lets them sign in to it as they signed in here.
func configureSSO(ctx context.Context, t *task) error {
	left, err := t.worker.Workspaces.ConfigureSSO(ctx, t.workspace, tenant.By{Actor: actor})
	t.logLeftAlone(ctx, left)
	return err
}

// logLeftAlone logs accounts that were left alone: they are one person's affair, and no reason to keep a workspace from the
// others.
func (t *task) logLeftAlone(ctx context.Context, left []error) {
	for _, err := range left {
		t.worker.Log.WarnContext(ctx, "Odoo account left alone", "error", err)
	}
}

// smokeTest proves the workspace with a record of its own; only then does the connection count as active.
func smokeTest(ctx context.Context, t *task) error {
	if _, err := t.worker.Workspaces.Smoke(ctx, t.workspace); err != nil {
		return err
	}
	return t.worker.Workspaces.Activate(ctx, t.workspace)
}

func ensureBaseline(ctx context.Context, t *task) error {
	return t.worker.Workspaces.Odoo.EnsureBaseline(ctx, t.workspace, t.name)
}

// icpTemplate gives the tenant a first ideal customer profile, unless it has one, and has it scored.
func icpTemplate(ctx context.Context, t *task) error {
	queue, err := jobs.Working(ctx)
	if err != nil {
		return err
	}
	return t.worker.DB.InSystem(ctx, "onboarding profile", func(ctx context.Context, tx postgres.SystemTx) error {
		var rules []leads.Rule
		err := tx.AsTenant(ctx, t.tenant, func(ctx context.Context, tx postgres.TenantTx) (err error) {
			rules, err = leads.ListRules(ctx, tx)
			return err
		})
		if err != nil || len(rules) > 0 {
			return err
		}
		_, err = leads.SetRule(ctx, tx, queue, t.tenant, leads.DefaultRuleName, []byte(leads.DefaultPayload),
			tenant.By{Actor: actor})
		return err
	})
}
