package provision

import (
	"context"
	"time"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/odoo/crm"
)

// PrepareTemplate makes the template, or brings an existing one up to date: the CRM, contacts and OAuth modules,
// crm.Fields, leadctl's account, files inside the database, free sign-up closed, and the scheduled jobs that report to
// odoo.com off. It takes about 30 s, during which Odoo serves no other database. So an operator runs it, never a
// sign-in.
//
// It may be repeated: every step looks first. A new template has the name "<name>__new" until it is complete. A later
// run finishes what an interrupted run left under that name, or drops a database that Odoo did not finish.
// fault.Operator with CodeForeign means that a database of the final name exists, leadctl did not make it, and Adopt is
// not set.
func PrepareTemplate(ctx context.Context, server *odoo.Server, t Template) ([]Check, error) {
	t = t.withDefaults()
	if t.Secret == "" && (t.Shared || t.ClusterDSN == "") {
		return nil, odoo.Misconfigured(
			"Odoo template %s: neither PostgreSQL nor an administrator password is configured", t.Name).
			WithHint("set ODOO_POSTGRES_DSN or odoo.template_password; a shared database needs odoo.template_password")
	}
	b, err := newTemplateRun(server, t)
	if err != nil {
		return nil, err
	}
	b.steps.after = t.Progress
	b.runSteps(ctx)
	return b.steps.checks, b.steps.err
}

// templateModules are the Odoo modules of a workspace.
var templateModules = []string{"crm", "contacts", "auth_oauth"}

// runSteps runs the steps in order. A locked template of the current version needs none.
func (b *templateRun) runSteps(ctx context.Context) {
	t := &b.steps
	t.runCheck("look", func() error { return b.findDatabase(ctx) })
	if t.err != nil || b.ready {
		return
	}
	t.runCheck("database", func() error { return b.ensureDatabase(ctx) })
	t.runCheck("sign in", func() error { return b.signIn(ctx) })
	t.runCheck("begin", func() error { return b.markBegun(ctx) })
	t.runCheck("files in the database", func() error {
		return b.session.EnsureParameter(ctx, "ir_attachment.location", "db")
	})
	t.runCheck("modules", func() error { return ensureModules(ctx, b.session, templateModules) })
	t.runCheck("language", func() error { return ensureLanguage(ctx, b.session, b.t.Language) })
	t.runCheck("move files", func() error { return moveFiles(ctx, b.session) })
	t.runCheck("quiet", func() error { return disableDefaults(ctx, b.session) })
	t.runCheck("fields", func() error { return b.prepareCRM(ctx) })
	t.runCheck("currency", func() error { return activateCurrency(ctx, b.session) })
	if b.t.Shared {
		t.runCheck("record rules", func() error { return ensureRules(ctx, b.session) })
		t.runCheck("owner", func() error {
			return b.session.EnsureParameter(ctx, markerKey, sharedMarker(b.t.Installation))
		})
	} else {
		t.runCheck("service account", func() error { return ensureServiceUser(ctx, b.session) })
		if b.cluster != nil {
			t.runCheck("spare user", func() error { return ensureSpare(ctx, b.session) })
		}
		t.runCheck("company", func() error {
			if err := localiseCompany(ctx, b.session); err != nil {
				return err
			}
			return nameCompany(ctx, b.session, "", placeholderName)
		})
	}
	t.runCheck("mark", func() error { return b.session.EnsureParameter(ctx, templateKey, b.t.version()) })
	t.runCheck("close", func() error { return b.commitTemplate(ctx) })
}

func (b *templateRun) prepareCRM(ctx context.Context) error {
	version, err := b.server.CachedVersion(ctx)
	if err != nil {
		return err
	}
	_, err = crm.Prepare(ctx, b.session, crm.Setup{Major: version.Major, Type: b.t.LeadType})
	return err
}

// ensureModules installs those modules that are not installed. Odoo refuses while one of its scheduled jobs runs in
// that database, so it tries up to five times.
func ensureModules(ctx context.Context, s *odoo.Session, modules []string) error {
	var err error
	for try := range 5 {
		var missing []int64
		if missing, err = missingModules(ctx, s, modules); err != nil || len(missing) == 0 {
			return err
		}
		_, err = s.Call(ctx, odoo.Call{Model: "ir.module.module", Method: "button_immediate_install", IDs: missing,
			Timeout: odoo.DatabaseTimeout})
		if err != nil && fault.Code(err) != odoo.CodeRejected {
			return err
		}
		if err != nil {
			odoo.Pause(ctx, time.Duration(try+1)*2*time.Second)
		}
	}
	return err
}

func missingModules(ctx context.Context, s *odoo.Session, modules []string) ([]int64, error) {
	found, err := s.SearchRead(ctx, "ir.module.module",
		odoo.Query{Domain: odoo.Domain{odoo.Where("name", "in", modules)}, Fields: []string{"name", "state"}})
	if err != nil {
		return nil, err
	}
	if len(found) < len(modules) {
		return nil, fault.New(fault.Operator, "Odoo modules %v: not all available on this server",
			modules).WithCode(odoo.CodeMisconfig)
	}
	var missing []int64
	for _, m := range found {
		if m.Text("state") != "installed" {
			missing = append(missing, m.ID())
		}
	}
	return missing, nil
}

// moveFiles moves files that Odoo stored on disk into the database, so that a clone needs no copy of a folder. Odoo's
// own method leaves out the images of records. There are about a dozen, which moveFiles reads and writes back one by
// one.
func moveFiles(ctx context.Context, s *odoo.Session) error {
	if _, err := s.Call(ctx, odoo.Call{Model: "ir.attachment", Method: "force_storage",
		Timeout: odoo.DatabaseTimeout}); err != nil {
		return err
	}
	left, err := s.SearchRead(ctx, "ir.attachment", odoo.Query{Fields: []string{"datas"},
		Domain: odoo.Domain{odoo.Where("store_fname", "!=", false), odoo.Where("res_field", "!=", false)}})
	if err != nil {
		return err
	}
	for _, file := range left {
		if err := s.Write(ctx, "ir.attachment", []int64{file.ID()}, odoo.Record{"datas": file.Text("datas")},
			nil); err != nil {
			return err
		}
	}
	return nil
}

// noisyJobs are scheduled jobs that report to odoo.com, send mail, or use time in every workspace.
var noisyJobs = []string{"crm_iap_enrich.ir_cron_lead_enrichment", "mail.ir_cron_module_update_notification",
	"partner_autocomplete.ir_cron_partner_autocomplete", "digest.ir_cron_digest_scheduler_action"}

// disableDefaults switches off what a new Odoo does without being asked: the noisy jobs and the sign-in by odoo.com.
func disableDefaults(ctx context.Context, s *odoo.Session) error {
	if err := s.EnsureParameters(ctx, append(signUpParameters(),
		[2]string{"crm.iap.lead.enrich.setting", "manual"})); err != nil {
		return err
	}
	jobs, err := s.ResolveXMLIDs(ctx, noisyJobs)
	if err != nil {
		return err
	}
	for _, id := range noisyJobs {
		if jobs[id] == 0 {
			continue
		}
		if err := s.Write(ctx, "ir.cron", []int64{jobs[id]}, odoo.Record{"active": false}, nil); err != nil {
			return err
		}
	}
	return disableProviders(ctx, s)
}

// disableProviders disables "Odoo.com Accounts", which the installation enables.
func disableProviders(ctx context.Context, s *odoo.Session) error {
	enabled, err := s.SearchRead(ctx, "auth.oauth.provider", odoo.Query{Fields: []string{"name"},
		Domain: odoo.Domain{odoo.Where("enabled", "=", true), odoo.Where("auth_endpoint", "like", "odoo.com")}})
	if err != nil || len(enabled) == 0 {
		return err
	}
	return s.Write(ctx, "auth.oauth.provider", odoo.IDsOf(enabled), odoo.Record{"enabled": false}, nil)
}

// serviceGroups let leadctl's account make users and fields and set parameters. Deleting leads needs the sales manager.
var serviceGroups = []string{"base.group_user", "base.group_system", "base.group_partner_manager",
	"sales_team.group_sale_manager"}

// ensureServiceUser makes leadctl's account. It has no password: each clone installs the key of its workspace.
func ensureServiceUser(ctx context.Context, s *odoo.Session) error {
	uid, err := findUser(ctx, s, odoo.ServiceLogin)
	if err != nil || uid != 0 {
		return err
	}
	_, err = createUser(ctx, s, odoo.Record{"login": odoo.ServiceLogin, "name": "leadctl"}, serviceGroups)
	return err
}
