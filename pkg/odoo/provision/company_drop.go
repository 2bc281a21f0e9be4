package provision

import (
	"context"
	"fmt"

	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// dropWorkspace removes a tenant from the shared database. It archives the accounts, deletes leads and contacts, and
// takes name and external id off the company: Odoo does not delete a company that was used.
func (c *company) dropWorkspace(ctx context.Context, w Workspace) (bool, error) {
	id, err := c.findCompany(ctx, w.Tenant)
	if err != nil || id == 0 {
		return false, err
	}
	s, err := c.openForCompany(ctx, w)
	if err != nil {
		return false, err
	}
	defer c.companies.Delete(w.Tenant)
	if err := retireUsers(ctx, s); err != nil {
		return false, err
	}
	if err := c.deleteKeys(ctx, id); err != nil {
		return false, err
	}
	for _, model := range []string{"crm.lead", "res.partner"} {
		if err := deleteAll(ctx, s, model); err != nil {
			return false, err
		}
	}
	if err := s.Write(ctx, "res.company", []int64{id},
		odoo.Record{"name": fmt.Sprintf("Deleted workspace %s (%d)", w.Tenant, id)}, odoo.QuietContext()); err != nil {
		return false, err
	}
	return true, c.removeMarker(ctx, s, w.Tenant)
}

// retireUsers archives the company's users. It also changes their logins and removes their OAuth links, so that the
// same people can be users of another workspace: Odoo wants each login and link only once in a database.
func retireUsers(ctx context.Context, s *odoo.Session) error {
	users, err := s.SearchRead(ctx, "res.users", odoo.Query{Domain: odoo.Domain{odoo.Where("company_id", "=",
		s.Company()), odoo.Where("id", "!=", s.UID())},
		Fields: []string{"login"}})
	for _, u := range users {
		if err != nil {
			return err
		}
		login := fmt.Sprintf("deleted-%d-%s", u.ID(), u.Text("login"))
		err = s.Write(ctx, "res.users", []int64{u.ID()},
			odoo.Record{"active": false, "login": login, "oauth_uid": false, "oauth_provider_id": false}, nil)
	}
	if err != nil {
		return err
	}
	return forgetUsers(ctx, s, odoo.IDsOf(users), false, true)
}

// deleteKeys deletes the API keys of a company's accounts. Odoo 14 finds the key of an archived user before the same
// key of an active one.
func (c *company) deleteKeys(ctx context.Context, id int64) error {
	if c.cluster == nil {
		return nil // the accounts have passwords, which an archived account cannot use
	}
	conn, err := c.cluster.connect(ctx, c.database)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = conn.Exec(ctx,
		`DELETE FROM res_users_apikeys k USING res_users u WHERE u.id = k.user_id AND u.company_id = $1`, id)
	return clusterFault("keys in "+c.database, err)
}

// deleteAll deletes the company's records of a model, but not the contacts of its users and of the company itself.
func deleteAll(ctx context.Context, s *odoo.Session, model string) error {
	kept, err := ownContacts(ctx, s)
	if err != nil {
		return err
	}
	own := odoo.Domain{odoo.Where("company_id", "=", s.Company())}
	if model == "res.partner" {
		own = append(own, odoo.Where("id", "not in", kept))
	}
	for {
		some, err := s.SearchRead(ctx, model, odoo.Query{Domain: own, Fields: []string{"name"}, Limit: 500,
			Archived: true})
		if err != nil || len(some) == 0 {
			return err
		}
		if err := s.Unlink(ctx, model, odoo.IDsOf(some)); err != nil {
			return err
		}
	}
}

// ownContacts returns the contacts of the company itself and of its users.
func ownContacts(ctx context.Context, s *odoo.Session) ([]int64, error) {
	contact, err := companyContact(ctx, s)
	if err != nil {
		return nil, err
	}
	users, err := s.SearchRead(ctx, "res.users", odoo.Query{Domain: odoo.Domain{odoo.Where("company_id", "=",
		s.Company())}, Fields: []string{"partner_id"}, Archived: true})
	kept := []int64{contact}
	for _, u := range users {
		kept = append(kept, u.Int("partner_id"))
	}
	return kept, err
}

func (c *company) removeMarker(ctx context.Context, s *odoo.Session, tenant tenantid.ID) error {
	marks, err := s.SearchRead(ctx, "ir.model.data", odoo.Query{Fields: []string{"name"},
		Domain: odoo.Domain{odoo.Where("module", "=", ownModule), odoo.Where("name", "=", companyMark(tenant))}})
	if err != nil || len(marks) == 0 {
		return err
	}
	return s.Unlink(ctx, "ir.model.data", odoo.IDsOf(marks))
}
