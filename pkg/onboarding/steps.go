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

// step is one part of the job. It is idempotent; status is the tenant's status while it runs.
type step struct {
	name   string
	status string
	run    func(context.Context, *task) error
}

// orderedSteps returns the steps of a job in order. Each checks before and after it acts, so that it can be repeated at
// any time.
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

// actor is the actor of the steps in the audit log.
const actor = "onboarding"

// task is the state of one attempt, which early steps set and later steps use.
type task struct {
	worker             *Worker
	tenant             tenant.ID
	name               string
	workspace          provision.Workspace
	provisionedMembers []tenant.Member // the members when the step odoo_user ran
}

// checkTenant returns an error for a deleted or suspended tenant. It reads the workspace's secret, or makes it.
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

// makeUsers gives every member of the tenant an account in the workspace.
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

// enqueueLateUsers enqueues one users job when members joined after the step odoo_user.
func enqueueLateUsers(ctx context.Context, tx postgres.SystemTx, t *task) error {
	now, err := tenant.Members(ctx, tx, t.tenant)
	late := slices.DeleteFunc(now, func(m tenant.Member) bool {
		return m.Subject == nil || slices.ContainsFunc(t.provisionedMembers,
			func(s tenant.Member) bool { return s.Subject != nil && *s.Subject == *m.Subject })
	})
	if err != nil || len(late) == 0 {
		return err
	}
	queue, err := jobs.QueueFrom(ctx)
	if err != nil {
		return err
	}
	_, _, err = queue.Enqueue(ctx, tx, workspace.UsersArgs{Tenant: t.tenant, Subject: *late[0].Subject})
	return err
}

// enqueueGoneUsers ends the access of members who were removed after the step odoo_user.
func enqueueGoneUsers(ctx context.Context, tx postgres.SystemTx, t *task) error {
	now, err := tenant.Members(ctx, tx, t.tenant)
	if err != nil {
		return err
	}
	for _, m := range t.provisionedMembers {
		if slices.ContainsFunc(now, func(n tenant.Member) bool { return n.Email() == m.Email() }) {
			continue
		}
		queue, err := jobs.QueueFrom(ctx)
		if err != nil {
			return err
		}
		if _, _, err := queue.Enqueue(ctx, tx, workspace.AccessArgs{Tenant: t.tenant, Email: m.Email()}); err != nil {
			return err
		}
	}
	return nil
}

// configureSSO lets the members sign in to the workspace at leadctl's identity provider.
func configureSSO(ctx context.Context, t *task) error {
	left, err := t.worker.Workspaces.ConfigureSSO(ctx, t.workspace, tenant.By{Actor: actor})
	t.logLeftAlone(ctx, left)
	return err
}

// logLeftAlone logs the accounts that Odoo has but that must not change. The job goes on, because each concerns only
// one member.
func (t *task) logLeftAlone(ctx context.Context, left []error) {
	for _, err := range left {
		t.worker.Log.WarnContext(ctx, "Odoo account left alone", "error", err)
	}
}

// smokeTest tests the workspace with a record that it deletes again. It activates the connection when the test passes.
func smokeTest(ctx context.Context, t *task) error {
	if _, err := t.worker.Workspaces.Smoke(ctx, t.workspace); err != nil {
		return err
	}
	return t.worker.Workspaces.Activate(ctx, t.workspace)
}

func ensureBaseline(ctx context.Context, t *task) error {
	return t.worker.Workspaces.Odoo.EnsureBaseline(ctx, t.workspace, t.name)
}

// icpTemplate gives a tenant without a profile the default one, which enqueues a scoring.
func icpTemplate(ctx context.Context, t *task) error {
	queue, err := jobs.QueueFrom(ctx)
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
