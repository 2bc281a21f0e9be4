package odoo

import "context"

// unnamed is the company name of the template, and so of a workspace nobody has named yet.
const unnamed = "New workspace"

// EnsureBaseline gives the workspace's own company the tenant's name, once: a name that the tenant chose later stays.
func (p *Provisioner) EnsureBaseline(ctx context.Context, w Workspace, companyName string) error {
	s, err := p.Session(ctx, w)
	if err != nil {
		return err
	}
	return s.nameCompany(ctx, unnamed, companyName)
}

// nameCompany renames the database's first company if it is still called from; "" renames it anyway.
func (s *Session) nameCompany(ctx context.Context, from, to string) error {
	found, err := s.SearchRead(ctx, "res.company", Query{Fields: []string{"name"}, Order: "id", Limit: 1})
	if err != nil || len(found) == 0 || found[0].Text("name") == to || from != "" && found[0].Text("name") != from {
		return err
	}
	return s.Write(ctx, "res.company", []int64{found[0].ID()}, Record{"name": to}, quiet())
}
