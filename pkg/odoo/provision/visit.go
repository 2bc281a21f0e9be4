package provision

import (
	"context"
	"time"

	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/odoo/crm"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// A visit lets an operator use a workspace for a short time. The operator's user is archived before and after it. It is
// not deleted, because the workspace's history names who changed what.

// VisitLogin returns the login of the operator's user. It is not an e-mail address, so it never equals a person's
// login.
func VisitLogin(tenant tenantid.ID) string { return "leadctl-operator-t" + tenant.String() }

// visitKey is the parameter that holds the end of the latest visit.
func visitKey(tenant tenantid.ID) string { return "leadctl.visit_until.t" + tenant.String() }

// OpenVisit lets an operator sign in with this password, with the rights of crm.RoleAdmin. It returns the login. The
// side-door check accepts the password until then.
func (p *Provisioner) OpenVisit(ctx context.Context, w Workspace, password odoo.Secret, until time.Time) (string,
	error) {
	s, err := p.openForSettings(ctx, w)
	if err != nil {
		return "", err
	}
	login := VisitLogin(w.Tenant)
	if err := s.SetParameter(ctx, visitKey(w.Tenant), until.UTC().Format(time.RFC3339)); err != nil {
		return "", err
	}
	user, err := findVisitor(ctx, s, w)
	if err != nil {
		return "", err
	}
	uid := user.ID()
	if uid == 0 {
		values := odoo.Record{"login": login, "name": "leadctl operator", "active": false}
		if uid, err = createUser(ctx, s, values, crm.RoleAdmin.Groups()); err != nil {
			return "", err
		}
	} else if _, err := crm.EnsureRole(ctx, s, uid, crm.RoleAdmin); err != nil {
		return "", err
	}
	return login, s.SetPassword(ctx, uid, password, odoo.Record{"active": true})
}

// EndVisit archives the operator's user, which ends its sessions, and makes its password unknown, unless the visit
// lasts longer than until. It reports whether there was a visit to end.
func (p *Provisioner) EndVisit(ctx context.Context, w Workspace, until time.Time) (ended bool, err error) {
	s, err := p.openForSettings(ctx, w)
	if err != nil {
		return false, err
	}
	user, err := findVisitor(ctx, s, w)
	if err != nil || user == nil {
		return false, err
	}
	lasts, err := visitUntil(ctx, s, w)
	if err != nil || lasts.After(until) {
		return false, err
	}
	if !user.Bool("active") { // perhaps by a call that was killed before its last write
		return false, forgetUsers(ctx, s, []int64{user.ID()}, false, false)
	}
	if err := s.SetPassword(ctx, user.ID(), odoo.NewSecret(), odoo.Record{"active": false}); err != nil {
		return false, err
	}
	if err := s.SetParameter(ctx, visitKey(w.Tenant), time.Now().UTC().Format(time.RFC3339)); err != nil {
		return true, err
	}
	return true, forgetUsers(ctx, s, []int64{user.ID()}, false, true)
}

// findVisitor returns the operator's user, nil when there is none.
func findVisitor(ctx context.Context, s *odoo.Session, w Workspace) (odoo.Record, error) {
	found, err := s.SearchRead(ctx, "res.users", odoo.Query{Archived: true, Fields: []string{"active"},
		Domain: odoo.Domain{odoo.Where("login", "=", VisitLogin(w.Tenant))}})
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return found[0], nil
}

// visitUntil returns the end of the latest visit, the zero time when there was none.
func visitUntil(ctx context.Context, s *odoo.Session, w Workspace) (time.Time, error) {
	value, err := s.Parameter(ctx, visitKey(w.Tenant))
	if err != nil {
		return time.Time{}, err
	}
	return parseVisit(s, w, value)
}

// parseVisit parses the value of visitKey.
func parseVisit(s *odoo.Session, w Workspace, value string) (time.Time, error) {
	if value == "" {
		return time.Time{}, nil
	}
	until, err := time.Parse(time.RFC3339, value)
	if err != nil {
		return until, odoo.Misconfigured("Odoo database %s: parameter %s is %q, not a time", s.Database(),
			visitKey(w.Tenant), value)
	}
	return until, nil
}
