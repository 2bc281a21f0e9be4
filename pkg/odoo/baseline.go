package odoo

import (
	"context"
	"fmt"

	"github.com/leadctl/leadctl/pkg/fault"
)

// unnamed is the company name of the template, and so of a workspace nobody has named yet.
const unnamed = "New workspace"

// EnsureBaseline gives the workspace's own company the tenant's name, once: a name that the tenant chose later stays. In a shared
// database, where Odoo wants each name once, a name that is taken gets the tenant's number.
func (p *Provisioner) EnsureBaseline(ctx context.Context, w Workspace, companyName string) error {
	s, err := p.control(ctx, w)
	if err != nil {
		return err
	}
	if p.shared == nil {
		return s.nameCompany(ctx, unnamed, companyName)
	}
	err = s.nameCompany(ctx, unnamedCompany(w.Tenant), companyName)
	if fault.Code(err) == CodeRejected {
		return s.nameCompany(ctx, unnamedCompany(w.Tenant), fmt.Sprintf("%s (%s)", companyName, w.Tenant))
	}
	return err
}

// nameCompany renames the session's company, in a database of its own the first, if it is still called from; "" renames it anyway.
func (s *Session) nameCompany(ctx context.Context, from, to string) error {
	q := Query{Fields: []string{"name"}, Order: "id", Limit: 1}
	if s.company != 0 {
		q.Domain = Domain{Where("id", "=", s.company)}
	}
	found, err := s.SearchRead(ctx, "res.company", q)
	if err != nil || len(found) == 0 || found[0].Text("name") == to || from != "" && found[0].Text("name") != from {
		return err
	}
	return s.Write(ctx, "res.company", []int64{found[0].ID()}, Record{"name": to}, quiet())
}
