package console

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/sso"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/web"
	"github.com/leadctl/leadctl/pkg/workspace"
)

// invitedFor is how long an invitation can be used.
const invitedFor = 7 * 24 * time.Hour

type membersPage struct {
	Members []memberRow
	Roles   []sso.Role
	Invited string // address of the person who was just invited
	Changed string // of the person whose role was just changed
	Removed string // of the person who was just removed
	Asked   string // of the person to remove; the page asks for confirmation
}

type memberRow struct {
	Email    string
	Role     string
	SignedIn bool
	Since    time.Time
	Until    *time.Time // end of the invitation; nil: none
	Expired  bool
	Own      bool // the visitor
}

// getMembers lists the tenant's users.
func (c *Console) getMembers(w http.ResponseWriter, r *http.Request, v visitor) error {
	var members []tenant.Member
	err := c.deps.DB.InSystem(r.Context(), "console: members",
		func(ctx context.Context, tx postgres.SystemTx) (err error) {
			members, err = tenant.Members(ctx, tx, v.Tenant.ID)
			return err
		})
	if err != nil {
		return err
	}
	q := r.URL.Query()
	p := membersPage{Roles: []sso.Role{sso.Viewer, sso.Ops, sso.Admin}, Invited: q.Get("invited"),
		Changed: q.Get("changed"), Removed: q.Get("removed")}
	for _, m := range members {
		row := c.memberRow(m, v)
		if row.Email == q.Get("remove") && !row.Own {
			p.Asked = row.Email
		}
		p.Members = append(p.Members, row)
	}
	return c.renderPage(w, r, v, "members", page{Title: "Members", Active: "members", Body: p})
}

func (c *Console) memberRow(m tenant.Member, v visitor) memberRow {
	roles := make([]sso.Role, len(m.Roles))
	for i, name := range m.Roles {
		roles[i] = sso.Role(name)
	}
	return memberRow{Email: m.Email(), Role: string(highestRole(roles)), SignedIn: m.Subject != nil, Since: m.CreatedAt,
		Until: m.InvitedUntil, Expired: m.InvitedUntil != nil && m.InvitedUntil.Before(c.now()),
		Own: isOwn(v, m.Email())}
}

func isOwn(v visitor, email string) bool {
	return sso.CanonicalEmail(email) == sso.CanonicalEmail(v.Identity.Email)
}

// requireOther refuses changes of the visitor's own membership: a tenant must not lose its last admin by mistake.
func requireOther(v visitor, email string) error {
	if !isOwn(v, email) {
		return nil
	}
	return fault.New(fault.Conflict, "you cannot change your own membership").
		WithHint("ask another admin of your tenant")
}

// postMember invites a person, or changes the role of one who has signed in.
func (c *Console) postMember(w http.ResponseWriter, r *http.Request, v visitor) error {
	email, roles, by := r.PostFormValue("email"), []string{r.PostFormValue("role")}, web.ByOf(r.Context())
	if err := requireOther(v, email); err != nil {
		return err
	}
	done := "invited"
	err := c.deps.DB.InSystem(r.Context(), "console: member", func(ctx context.Context, tx postgres.SystemTx) error {
		return workspace.ChangeUser(ctx, tx, c.deps.Jobs, c.deps.Quotas, v.Tenant.ID, email, func() error {
			if r.PostForm.Has("member") {
				done = "changed"
				return tenant.AddMember(ctx, tx, v.Tenant.ID, email, roles, by)
			}
			_, err := tenant.Invite(ctx, tx, v.Tenant.ID, email, roles, c.now().Add(invitedFor), by)
			return err
		})
	})
	if err != nil {
		return err
	}
	c.goTo(w, r, "/members?"+url.Values{done: {email}}.Encode())
	return nil
}

// postRemoveMember removes a person. The page has asked for confirmation before.
func (c *Console) postRemoveMember(w http.ResponseWriter, r *http.Request, v visitor) error {
	email := r.PostFormValue("email")
	if err := requireOther(v, email); err != nil {
		return err
	}
	err := c.deps.DB.InSystem(r.Context(), "console: remove member",
		func(ctx context.Context, tx postgres.SystemTx) error {
			_, err := workspace.RemoveUser(ctx, tx, c.deps.Jobs, v.Tenant.ID, email, c.now(), web.ByOf(r.Context()))
			return err
		})
	if err != nil {
		return err
	}
	c.goTo(w, r, "/members?"+url.Values{"removed": {email}}.Encode())
	return nil
}
