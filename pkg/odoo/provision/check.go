package provision

import (
	"context"
	"slices"
	"time"

	"github.com/leadctl/leadctl/pkg/odoo"
)

// Report is what `odoo test` prints.
type Report struct {
	BaseURL string  `json:"base_url"`
	Version string  `json:"version"`
	Checks  []Check `json:"checks"`
	// the ways of making workspaces, open or closed; the first is the one that is taken
	Paths []Check `json:"provisioning"`
}

// Err is the error of the first failed check, or of the way in which workspaces are made, when that is closed.
func (r Report) Err() error {
	for _, c := range slices.Concat(r.Checks, r.Paths) {
		if c.Err != nil && !c.Spare {
			return c.Err
		}
	}
	return nil
}

// Test tries what leadctl needs from this server without a workspace: the version, and each way of making one, of which
// none is made.
func Test(ctx context.Context, s *odoo.Server, provisioners ...*Provisioner) Report {
	r := Report{BaseURL: s.BaseURL()}
	r.Checks = []Check{reportBackend("version", true, func() (string, error) {
		v, err := s.Version(ctx)
		r.Version = v.Name
		if err == nil && !v.XMLRPC {
			return v.Name + "; XML-RPC is shut, which it can do without", nil
		}
		return v.Name, err
	})}
	for _, p := range provisioners {
		r.Paths = append(r.Paths, p.checkBackends(ctx)...)
	}
	return r
}

// Check is one thing that was tried, as `odoo test` and the smoke test report it.
type Check struct {
	Name   string        `json:"name"`
	Detail string        `json:"detail,omitempty"` // what was found; safe to show
	Took   time.Duration `json:"took_ns"`
	Err    error         `json:"-"`
	// a way of provisioning that is not taken here; Err, when it is closed, is no failure
	Spare bool `json:"spare,omitempty"`
}

// checkList runs checks one after the other until one fails.
type checkList struct {
	checks []Check
	err    error
	after  func(Check) // told after each check; may be nil
}

func (t *checkList) runCheck(name string, check func() error) {
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

// checkBackends tries every way of making workspaces on this server, and makes none. The one that this Provisioner
// takes comes first.
func (p *Provisioner) checkBackends(ctx context.Context) []Check {
	if p.shared != nil {
		return []Check{reportBackend("company", true, func() (string, error) { return p.shared.checkAccess(ctx) })}
	}
	clone := p.cluster != nil
	taken, _ := p.databases.Backend(ctx) // BackendService after an error, which its own check reports
	by := func(b odoo.Backend) Check {
		return reportBackend(string(b), !clone && taken == b, func() (string, error) { return p.checkCopying(ctx, b) })
	}
	all := []Check{
		reportBackend("raw clone", clone, func() (string, error) { return p.cluster.checkAccess(ctx) }),
		by(odoo.BackendService),
		by(odoo.BackendForms),
	}
	at := slices.IndexFunc(all, func(c Check) bool { return !c.Spare })
	first := all[at]
	return slices.Insert(slices.Delete(all, at, at+1), 0, first)
}

// checkCopying reports whether a backend is open and, where databases are copied, has the template.
func (p *Provisioner) checkCopying(ctx context.Context, by odoo.Backend) (string, error) {
	detail, err := p.databases.CheckBackend(ctx, by)
	m, copies := p.backend.(*manager)
	if err != nil || !copies {
		return detail, err
	}
	there, err := p.databases.BackendHas(ctx, by, m.template)
	if err == nil && !there {
		err = notPrepared(m.template)
	}
	return detail, err
}

func reportBackend(name string, taken bool, try func() (string, error)) Check {
	start := time.Now()
	found, err := try()
	return Check{Name: name, Detail: found, Took: time.Since(start), Err: err, Spare: !taken}
}
