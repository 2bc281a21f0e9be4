package provision

import (
	"context"
	"strings"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/odoo/crm"
	"github.com/leadctl/leadctl/pkg/sso"
)

// EnsureUser makes the person's user if there is none, and returns its id. It sets groups only on a new user: later
// changes of the tenant stay. An archived user is fault.Conflict, because an administrator took that access away on
// purpose.
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
		return uid, err
	}
	uid, err := p.backend.takeSpareUser(ctx, w, u)
	if err == nil && uid != 0 {
		return uid, nil // the spare is in the team already
	}
	if err == nil {
		uid, err = createUser(ctx, s, odoo.Record{"login": u.Email, "name": u.Name, "email": u.Email}, ownerGroups)
	}
	if err == nil {
		return uid, crm.JoinTeam(ctx, s, uid)
	}
	// Another attempt may have been faster, or the answer was lost.
	if there, look := findOwnUser(ctx, s, u.Email); look == nil && there != 0 {
		return there, nil
	}
	return 0, err
}
