package odoo

import (
	"context"
	"time"

	"github.com/leadctl/leadctl/pkg/fault"
)

// Check is one thing that was tried, as `odoo test` and the smoke test report it.
type Check struct {
	Name   string        `json:"name"`
	Detail string        `json:"detail,omitempty"` // what was found; safe to show
	Took   time.Duration `json:"took_ns"`
	Err    error         `json:"-"`
	Spare  bool          `json:"spare,omitempty"` // a way of provisioning that is not taken here; Err, when it is closed, is no failure
}

// smokeRef marks the partners of smoke tests, so that what a crash left behind is found and removed.
const smokeRef = "leadctl-smoke-"

// SmokeTest proves that the workspace can be used: it signs in, finds the CRM and the fields of Fields, and makes, reads, changes
// and deletes one marked partner. It proves, too, that Odoo's default password does not open the administrator's account, and that
// people sign in one way alone. The checks made so far are returned with the error of the one that failed.
func (p *Provisioner) SmokeTest(ctx context.Context, w Workspace) ([]Check, error) {
	var s *Session
	t := checkList{}
	t.run("sign in", func() (err error) {
		p.uids.Delete(w.signInKey())
		s, err = p.Session(ctx, w)
		return err
	})
	if t.err == nil {
		s.runSmokeChecks(ctx, &t)
		t.run("sign-on", func() error { return p.demandClosedSignOn(ctx, w) })
		t.run("default password", func() error { return p.assertNoDefault(ctx, s.Database()) })
		t.run("neighbours", func() error { return p.leakCheck(ctx, s) })
	}
	return t.checks, t.err
}

// checkList runs checks one after the other until one fails.
type checkList struct {
	checks []Check
	err    error
	after  func(Check) // told after each check; may be nil
}

func (t *checkList) run(name string, check func() error) {
	if t.err != nil {
		return
	}
	start := time.Now()
	t.err = check()
	done := Check{Name: name, Took: time.Since(start), Err: t.err}
	t.checks = append(t.checks, done)
	if t.after != nil {
		t.after(done)
	}
}

func (s *Session) runSmokeChecks(ctx context.Context, t *checkList) {
	t.run("crm and fields", func() error { return s.demandFields(ctx) })
	s.tryRoundTrip(ctx, t)
}

// tryRoundTrip takes one marked partner through its life.
func (s *Session) tryRoundTrip(ctx context.Context, t *checkList) {
	ref := smokeRef + string(NewSecret())
	var ids []int64
	t.run("write", func() (err error) {
		ids, err = s.Create(ctx, "res.partner", []Record{{"name": "leadctl smoke test", "ref": ref}}, QuietContext())
		return
	})
	t.run("read", func() error {
		n, err := s.SearchCount(ctx, "res.partner", Query{Domain: Domain{Where("ref", "=", ref)}})
		if err == nil && n != 1 {
			err = lostWrite(s.Database())
		}
		return err
	})
	t.run("change", func() error {
		return s.Write(ctx, "res.partner", ids, Record{"comment": "leadctl smoke test"}, QuietContext())
	})
	t.run("delete", func() error { return s.Unlink(ctx, "res.partner", ids) })
	t.run("tidy", func() error { return s.tidySmoke(ctx, ref) })
}

// demandClosedSignOn: where people sign in through a provider, it must be one alone, and admit nobody whom leadctl did not link.
func (p *Provisioner) demandClosedSignOn(ctx context.Context, w Workspace) error {
	s, err := p.openForSettings(ctx, w)
	if err != nil {
		return err
	}
	on, err := s.readProviders(ctx, Where("enabled", "=", true))
	if err != nil || len(on) == 0 {
		return err
	}
	if len(on) > 1 {
		return Misconfigured("Odoo database %s: %d providers offered for signing in", s.Database(), len(on)).WithHint("leadctl odoo sso configure --tenant %s", w.Tenant)
	}
	off, err := s.DifferingParameters(ctx, ssoParameters())
	if err != nil || len(off) == 0 {
		return err
	}
	return Misconfigured("Odoo database %s: %s is %q instead of %q", s.Database(), off[0].Key, off[0].Is, off[0].Want).
		WithHint("leadctl odoo sso configure --tenant %s", w.Tenant)
}

func lostWrite(db string) error {
	return fault.New(fault.Unprocessable, "Odoo database %s: a write was confirmed and is not there", db).WithCode(CodeRejected)
}

// QuietContext keeps Odoo from writing followers and log notes for records that a machine makes; it also makes writes several times
// faster.
func QuietContext() map[string]any {
	return map[string]any{"tracking_disable": true, "mail_create_nosubscribe": true, "mail_create_nolog": true}
}

// demandFields asks the models themselves, which a user without any rights to settings may do. A model that is not there is a
// module that is not installed.
func (s *Session) demandFields(ctx context.Context) error {
	for _, model := range fieldModels(Fields()) {
		have, err := s.FieldsGet(ctx, model, fieldsOf(model))
		if err != nil {
			return err
		}
		for _, f := range Fields() {
			if f.Model == model && have[f.Name].Text("type") != f.Type {
				return Misconfigured("Odoo database %s: field %s.%s: missing or not of type %s", s.Database(), model, f.Name, f.Type)
			}
		}
	}
	return nil
}

// tidySmoke makes sure that the test's own partner is gone, and deletes those of tests that crashed more than ten minutes ago;
// younger ones may belong to a running test.
func (s *Session) tidySmoke(ctx context.Context, own string) error {
	left, err := s.SearchRead(ctx, "res.partner", Query{Fields: []string{"ref", "create_date"}, Archived: true,
		Domain: Domain{Where("ref", "=like", smokeRef+"%")}})
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
