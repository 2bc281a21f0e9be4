package console

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
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
	Ending  ending // of the removed person's access to Odoo
}

// ending is the state of the job that ends a removed person's access to Odoo.
type ending struct {
	Job    int64  // 0: there is no workspace
	State  string // "done", "ending" or "failed"
	Reason string // of a failed attempt
	Again  string // address that shows the state again
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
	q := r.URL.Query()
	var members []tenant.Member
	end := ending{Again: r.URL.RequestURI()}
	err := c.deps.DB.InSystem(r.Context(), "console: members",
		func(ctx context.Context, tx postgres.SystemTx) (err error) {
			if members, err = tenant.Members(ctx, tx, v.Tenant.ID); err != nil || q.Get("job") == "" {
				return err
			}
			return c.readEnding(ctx, tx, v, q.Get("job"), &end)
		})
	if err != nil {
		return err
	}
	p := membersPage{Ending: end, Roles: []sso.Role{sso.Viewer, sso.Ops, sso.Admin}, Invited: q.Get("invited"),
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

// readEnding reads the state of the job that ends the access to Odoo. It leaves end as it is for another tenant's job
// and for one that is gone.
func (c *Console) readEnding(ctx context.Context, tx postgres.SystemTx, v visitor, id string, end *ending) error {
	number, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return nil
	}
	job, err := c.deps.Jobs.Get(ctx, tx, number)
	switch {
	case fault.Is(err, fault.NotFound) || err == nil && (job.Tenant == nil || *job.Tenant != v.Tenant.ID):
		return nil
	case err != nil:
		return err
	}
	end.Job, end.State, end.Reason = job.ID, "ending", job.LastError
	switch job.State {
	case "completed":
		end.State = "done"
	case "cancelled", "discarded":
		end.State = "failed"
	}
	return nil
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
	var gone workspace.UserRemoval
	err := c.deps.DB.InSystem(r.Context(), "console: remove member",
		func(ctx context.Context, tx postgres.SystemTx) (err error) {
			gone, err = workspace.RemoveUser(ctx, tx, c.deps.Jobs, v.Tenant.ID, email, c.now(), web.ByOf(r.Context()))
			return err
		})
	if err != nil {
		return err
	}
	to := url.Values{"removed": {email}}
	if gone.OdooJob != 0 {
		to.Set("job", strconv.FormatInt(gone.OdooJob, 10))
	}
	c.goTo(w, r, "/members?"+to.Encode())
	return nil
}
