package provision

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/odoo"
)

// EnsureBaseline gives the workspace's company the tenant's name, once: a name that the tenant chose later stays. Odoo
// wants each company name only once in a database. So in a shared database, a name that is taken gets the tenant's
// number.
func (p *Provisioner) EnsureBaseline(ctx context.Context, w Workspace, companyName string) error {
	if p.cluster != nil {
		return p.cluster.nameCompany(ctx, w, companyName)
	}
	s, err := p.openForSettings(ctx, w)
	if err != nil {
		return err
	}
	if p.shared == nil {
		return nameCompany(ctx, s, placeholderName, companyName)
	}
	err = nameCompany(ctx, s, placeholderCompanyName(w.Tenant), companyName)
	if fault.Code(err) == odoo.CodeRejected {
		return nameCompany(ctx, s, placeholderCompanyName(w.Tenant), fmt.Sprintf("%s (%s)", companyName, w.Tenant))
	}
	return err
}

// nameCompany renames the session's company if its name is still from; with from "" it renames the company anyway. In a
// database of one tenant it renames the first company.
func nameCompany(ctx context.Context, s *odoo.Session, from, to string) error {
	q := odoo.Query{Fields: []string{"name"}, Order: "id", Limit: 1}
	if s.Company() != 0 {
		q.Domain = odoo.Domain{odoo.Where("id", "=", s.Company())}
	}
	found, err := s.SearchRead(ctx, "res.company", q)
	if err != nil || len(found) == 0 || found[0].Text("name") == to || from != "" && found[0].Text("name") != from {
		return err
	}
	return s.Write(ctx, "res.company", []int64{found[0].ID()}, odoo.Record{"name": to}, odoo.QuietContext())
}

// nameCompany does the same in SQL, because a rename by Odoo takes a tenth of the time of a new workspace. The live
// tests compare the outcome with a company that Odoo renamed.
func (c *cluster) nameCompany(ctx context.Context, w Workspace, to string) error {
	conn, err := c.connectOwned(ctx, w)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return clusterFault("company in "+w.Database, pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		var contact int64
		err := tx.QueryRow(ctx, `UPDATE res_company SET name = $1, write_date = now() AT TIME ZONE 'utc'
			WHERE id = (SELECT min(id) FROM res_company) AND name = $2 RETURNING partner_id`,
			to, placeholderName).Scan(&contact)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil // it has its name
		}
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE res_partner SET name = $2, commercial_company_name = $2,
			write_date = now() AT TIME ZONE 'utc' WHERE id = $1`, contact, to); err != nil {
			return err
		}
		return renamePartner(ctx, tx, contact, to)
	}))
}
