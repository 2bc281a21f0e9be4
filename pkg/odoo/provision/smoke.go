package provision

import (
	"context"
	"time"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/odoo/crm"
)

// smokeRef marks the partners of smoke tests, so that a later test can remove what a crash left.
const smokeRef = "leadctl-smoke-"

// SmokeTest checks that the workspace works: it signs in, finds the CRM and crm.Fields, and makes, reads, changes and
// deletes one marked partner. It also checks that Odoo's default password does not open the administrator's account,
// that people can sign in in only one way (requireClosedDoors), and that the groups of the roles are right. With an
// error it returns the checks up to the failed one.
func (p *Provisioner) SmokeTest(ctx context.Context, w Workspace) ([]Check, error) {
	var s *odoo.Session
	t := checkList{}
	t.runCheck("sign in", func() (err error) {
		p.uids.Delete(w.signInKey())
		s, err = p.Session(ctx, w)
		return err
	})
	if t.err == nil {
		runSmokeChecks(ctx, s, &t)
		signOn := false
		t.runCheck("sign-on", func() (err error) {
			signOn, err = p.checkProviders(ctx, w)
			return err
		})
		t.runCheck("side doors", func() error {
			if !signOn {
				return nil // people sign in with passwords
			}
			return p.CheckDoors(ctx, w)
		})
		t.runCheck("roles", func() error { return p.checkRoles(ctx, w) })
		t.runCheck("default password", func() error { return p.requireNoDefaultPassword(ctx, s.Database()) })
		t.runCheck("neighbours", func() error { return p.checkLeaks(ctx, s) })
	}
	return t.checks, t.err
}

func runSmokeChecks(ctx context.Context, s *odoo.Session, t *checkList) {
	t.runCheck("crm and fields", func() error { return requireFields(ctx, s) })
	tryRoundTrip(ctx, s, t)
}

// tryRoundTrip makes, reads, changes and deletes one marked partner.
func tryRoundTrip(ctx context.Context, s *odoo.Session, t *checkList) {
	ref := smokeRef + string(odoo.NewSecret())
	var ids []int64
	t.runCheck("write", func() (err error) {
		ids, err = s.Create(ctx, "res.partner", []odoo.Record{{"name": "leadctl smoke test", "ref": ref}},
			odoo.QuietContext())
		return
	})
	t.runCheck("read", func() error {
		n, err := s.SearchCount(ctx, "res.partner", odoo.Query{Domain: odoo.Domain{odoo.Where("ref", "=", ref)}})
		if err == nil && n != 1 {
			err = lostWrite(s.Database())
		}
		return err
	})
	t.runCheck("change", func() error {
		return s.Write(ctx, "res.partner", ids, odoo.Record{"comment": "leadctl smoke test"}, odoo.QuietContext())
	})
	t.runCheck("delete", func() error { return s.Unlink(ctx, "res.partner", ids) })
	t.runCheck("tidy", func() error { return tidySmoke(ctx, s, ref) })
}

// checkProviders checks that at most one sign-in provider is enabled, and reports whether one is.
func (p *Provisioner) checkProviders(ctx context.Context, w Workspace) (bool, error) {
	s, err := p.openForSettings(ctx, w)
	if err != nil {
		return false, err
	}
	on, err := readProviders(ctx, s, odoo.Where("enabled", "=", true))
	if err == nil && len(on) > 1 {
		err = p.doorOpen(s, w, "%d sign-in providers are enabled, want one", len(on))
	}
	return len(on) > 0, err
}

// checkRoles checks that the role viewer only reads, and that no person in a shared database has rights to settings,
// which concern all companies.
func (p *Provisioner) checkRoles(ctx context.Context, w Workspace) error {
	s, err := p.openForSettings(ctx, w)
	if err != nil {
		return err
	}
	if err := crm.CheckViewerGroup(ctx, s); err != nil || p.shared == nil {
		return err
	}
	return crm.CheckNoSettings(ctx, s)
}

func lostWrite(db string) error {
	return fault.New(fault.Unprocessable, "Odoo database %s: Odoo confirmed a write that did not take effect",
		db).WithCode(odoo.CodeRejected)
}

// requireFields checks that the models have crm.Fields. It asks the models, which a user without rights to settings may
// do. A missing model is a module that is not installed.
func requireFields(ctx context.Context, s *odoo.Session) error {
	for _, model := range crm.FieldModels(crm.Fields()) {
		have, err := s.FieldsGet(ctx, model, crm.FieldsOf(model))
		if err != nil {
			return err
		}
		for _, f := range crm.Fields() {
			if f.Model == model && have[f.Name].Text("type") != f.Type {
				return odoo.Misconfigured("Odoo database %s: field %s.%s: missing or not of type %s", s.Database(),
					model, f.Name, f.Type).WithHint("`leadctl tenant provision TENANT` creates missing fields")
			}
		}
	}
	return nil
}

// tidySmoke checks that the test's own partner is deleted, and deletes those of tests that crashed more than ten
// minutes ago. Younger ones may belong to a running test.
func tidySmoke(ctx context.Context, s *odoo.Session, own string) error {
	left, err := s.SearchRead(ctx, "res.partner", odoo.Query{Fields: []string{"ref", "create_date"}, Archived: true,
		Domain: odoo.Domain{odoo.Where("ref", "=like", smokeRef+"%")}})
	if err != nil {
		return err
	}
	before := time.Now().UTC().Add(-10 * time.Minute).Format(time.DateTime)
	var old []int64
	for _, r := range left {
		if r.Text("ref") == own {
			return lostWrite(s.Database())
		}
		if r.Text("create_date") < before {
			old = append(old, r.ID())
		}
	}
	if len(old) == 0 {
		return nil
	}
	return s.Unlink(ctx, "res.partner", old)
}
