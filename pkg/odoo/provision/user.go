package provision

import (
	"context"
	"strings"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/odoo/crm"
	"github.com/leadctl/leadctl/pkg/sso"
)

// EnsureUser makes the person's user if there is none, gives it the groups of the role (see crm.EnsureRole), and
// returns its id. An archived user is fault.Conflict, because an administrator took that access away on purpose.
func (p *Provisioner) EnsureUser(ctx context.Context, w Workspace, u User) (int64, error) {
	u.Email = sso.CanonicalEmail(u.Email)
	if !strings.Contains(u.Email, "@") {
		return 0, fault.New(fault.Invalid, "user %q of tenant %s: not an e-mail address", u.Email, w.Tenant)
	}
	if u.Name == "" {
		u.Name = u.Email
	}
	s, err := p.openForSettings(ctx, w)
	if err != nil {
		return 0, err
	}
	if uid, err := findOwnUser(ctx, s, u.Email); err != nil || uid != 0 {
		return uid, ensureRole(ctx, s, uid, u.Role, err)
	}
	uid, err := p.backend.takeSpareUser(ctx, w, u)
	if err == nil && uid != 0 {
		return uid, ensureRole(ctx, s, uid, u.Role, nil) // the spare is in the team already
	}
	if err == nil {
		uid, err = p.createPerson(ctx, s, u)
	}
	if err == nil {
		return uid, crm.JoinTeam(ctx, s, uid)
	}
	// Another attempt may have been faster, or the answer was lost.
	if there, look := findOwnUser(ctx, s, u.Email); look == nil && there != 0 {
		return there, ensureRole(ctx, s, there, u.Role, nil)
	}
	return 0, err
}

func (p *Provisioner) createPerson(ctx context.Context, s *odoo.Session, u User) (int64, error) {
	values, err := withLanguage(ctx, s, p.language, odoo.Record{"login": u.Email, "name": u.Name, "email": u.Email})
	if err != nil {
		return 0, err
	}
	return createUser(ctx, s, values, u.Role.Groups())
}

// ensureRole is crm.EnsureRole unless err is an error already.
func ensureRole(ctx context.Context, s *odoo.Session, uid int64, role crm.Role, err error) error {
	if err == nil {
		_, err = crm.EnsureRole(ctx, s, uid, role)
	}
	return err
}

// SetRole gives the person with this login the groups of the role, if the workspace has such a person who is not
// archived. It reports whether anything changed.
func (p *Provisioner) SetRole(ctx context.Context, w Workspace, login string, role crm.Role) (bool, error) {
	s, err := p.openForSettings(ctx, w)
	if err != nil {
		return false, err
	}
	users, err := findPeople(ctx, s, login)
	if err != nil || login == "" || len(users) == 0 || !users[0].Bool("active") {
		return false, err
	}
	return crm.EnsureRole(ctx, s, users[0].ID(), role)
}
