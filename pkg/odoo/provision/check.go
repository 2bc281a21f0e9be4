package provision

import (
	"context"
	"slices"
	"time"

	"github.com/leadctl/leadctl/pkg/odoo"
)

// Report is the result of `odoo test`.
type Report struct {
	BaseURL string  `json:"base_url"`
	Version string  `json:"version"`
	Checks  []Check `json:"checks"`
	// the ways of making workspaces, available or not; leadctl uses the first
	Paths []Check `json:"provisioning"`
}

// Err returns the error of the first failed check, or that of the way in which leadctl makes workspaces.
func (r Report) Err() error {
	for _, c := range slices.Concat(r.Checks, r.Paths) {
		if c.Err != nil && !c.Spare {
			return c.Err
		}
	}
	return nil
}

// Test checks what leadctl needs from this server without a workspace: the version, and each way of making workspaces.
// It makes no workspace.
func Test(ctx context.Context, s *odoo.Server, provisioners ...*Provisioner) Report {
	r := Report{BaseURL: s.BaseURL()}
	r.Checks = []Check{reportBackend("version", true, func() (string, error) {
		v, err := s.Version(ctx)
		r.Version = v.Name
		if err == nil && !v.XMLRPC {
			return v.Name + "; XML-RPC is closed, which is fine", nil
		}
		return v.Name, err
	})}
	for _, p := range provisioners {
		r.Paths = append(r.Paths, p.checkBackends(ctx)...)
	}
	return r
}

// Check is one check of `odoo test` or of the smoke test.
type Check struct {
	Name   string        `json:"name"`
	Detail string        `json:"detail,omitempty"` // the finding; safe to show
	Took   time.Duration `json:"took_ns"`
	Err    error         `json:"-"`
	// a way of making workspaces that leadctl does not use here; its Err is no failure
	Spare bool `json:"spare,omitempty"`
}

// checkList runs checks one after the other until one fails.
type checkList struct {
	checks []Check
	err    error
	after  func(Check) // called after each check; may be nil
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

// checkBackends checks every way of making workspaces on this server, and makes none. The one that this Provisioner
// uses comes first.
func (p *Provisioner) checkBackends(ctx context.Context) []Check {
	if p.shared != nil {
		return []Check{reportBackend("company", true, func() (string, error) { return p.shared.checkAccess(ctx) })}
	}
	clone := p.cluster != nil
	used, _ := p.databases.Backend(ctx) // BackendService after an error, which its own check reports
	by := func(b odoo.Backend) Check {
		return reportBackend(string(b), !clone && used == b, func() (string, error) { return p.checkCopying(ctx, b) })
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

// checkCopying checks that a backend is available and, where Odoo copies databases, that it has the template.
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

func reportBackend(name string, used bool, try func() (string, error)) Check {
	start := time.Now()
	found, err := try()
	return Check{Name: name, Detail: found, Took: time.Since(start), Err: err, Spare: !used}
}
