package workspace

import (
	"cmp"
	"context"

	"github.com/leadctl/leadctl/pkg/jobs"
	"github.com/leadctl/leadctl/pkg/odoo/crm"
	"github.com/leadctl/leadctl/pkg/odoo/provision"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/sso"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// memberRoles are the roles of a tenant's members by address, as sso.CanonicalEmail gives it.
type memberRoles map[string]sso.Role

// workspaceRoles returns the roles that the tenant's members have in its workspace.
func (s *Service) workspaceRoles(ctx context.Context, id tenantid.ID) (roles memberRoles, err error) {
	err = s.DB.InSystem(ctx, "workspace roles", func(ctx context.Context, tx postgres.SystemTx) (err error) {
		roles, err = tenant.EffectiveRoles(ctx, tx, id)
		return err
	})
	return roles, err
}

// roleOf returns the role of the member with this address. A member without a role reads, like a viewer.
func (m memberRoles) roleOf(email string) crm.Role {
	return crm.Role(cmp.Or(m[sso.CanonicalEmail(email)], sso.Viewer))
}

// userOf returns the person of the workspace that a member becomes.
func (m memberRoles) userOf(member tenant.Member) provision.User {
	return provision.User{Email: member.Email(), Role: m.roleOf(member.Email())}
}

// syncRole gives a member's account in the workspace the groups of the member's role. A member without an account gets
// one at the next sign-in.
func (s *Service) syncRole(ctx context.Context, w provision.Workspace, email string) error {
	roles, err := s.workspaceRoles(ctx, w.Tenant)
	if err != nil {
		return err
	}
	role := roles.roleOf(email)
	changed, err := s.Odoo.SetRole(ctx, w, email, role)
	if changed {
		s.Log.InfoContext(ctx, "role in the workspace changed", "role", string(role))
	}
	return err
}

// NoteRoles stores the roles of a token at sign-in. If they changed, it adds the job that makes the workspace of each
// tenant concerned follow. id 0 means every tenant of the identity.
func NoteRoles(ctx context.Context, tx postgres.SystemTx, queue *jobs.Client, id tenantid.ID, who sso.Identity,
	by tenant.By) error {
	changed, err := tenant.NoteClaimedRoles(ctx, tx, id, who, by)
	for _, m := range changed {
		if err == nil {
			_, err = EnqueueAccess(ctx, tx, queue, AccessArgs{Tenant: m.TenantID, Email: m.Email()})
		}
	}
	return err
}
