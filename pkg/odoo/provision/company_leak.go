package provision

import (
	"context"
	"errors"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/odoo"
)

// CodeLeak is the code of a workspace that shows or changes another tenant's records. The operator must not let users
// sign in.
const CodeLeak = "ODOO_LEAK"

// leakProbe tries to see and change other tenants' records as leadctl's account of one tenant. The canaries are such
// records: contacts and leads without a company and of the main company, a tag, a lost reason, a campaign and a team.
// Besides, every record that the account sees must belong to its company.
type leakProbe struct {
	session  *odoo.Session // the tenant's
	admin    *odoo.Session
	canaries map[string][]int64 // model → records that the session must not reach
}

// checkLeaks runs the leak probe in a shared database. A database of one tenant has no other tenants' records.
func (p *Provisioner) checkLeaks(ctx context.Context, s *odoo.Session) error {
	if p.shared == nil {
		return nil
	}
	admin, err := p.shared.openAdministrator(ctx)
	if err != nil {
		return err
	}
	planted, err := p.shared.canaries.Get(func() (map[string][]int64, error) { return plantCanaries(ctx, admin) })
	if err != nil {
		return err
	}
	return leakProbe{s, admin, planted}.lookForLeaks(ctx)
}

// canary is the name of the records that leakProbe looks for.
const canary = "leadctl canary"

// plantCanaries makes the canaries that do not exist yet and returns the records that no tenant may reach.
func plantCanaries(ctx context.Context, s *odoo.Session) (map[string][]int64, error) {
	main, err := s.ResolveXMLIDs(ctx, []string{"base.main_company"})
	if err != nil {
		return nil, err
	}
	company := odoo.FormatID(main["base.main_company"])
	for _, c := range []struct {
		model  string
		fields []string
		rows   [][]string
	}{
		{"res.partner", []string{"id", "name", "company_id/.id"},
			[][]string{{"leadctl.canary_partner_0", canary, ""}, {"leadctl.canary_partner_1", canary, company}}},
		{"crm.lead", []string{"id", "name", "user_id/.id", "company_id/.id"},
			[][]string{{"leadctl.canary_lead_0", canary, "", ""}, {"leadctl.canary_lead_1", canary, "", company}}},
		{"crm.tag", []string{"id", "name"}, [][]string{{"leadctl.canary_tag", canary}}},
		{"crm.lost.reason", []string{"id", "name"}, [][]string{{"leadctl.canary_lost_reason", canary}}},
		{"utm.campaign", []string{"id", "name"}, [][]string{{"leadctl.canary_campaign", canary}}},
		{"crm.team", []string{"id", "name", "company_id/.id"}, [][]string{{"leadctl.canary_team", canary, ""}}},
	} {
		if err := s.LoadRecords(ctx, c.model, c.fields, c.rows); err != nil {
			return nil, err
		}
	}
	out := map[string][]int64{"res.users": {s.UID()}}
	marks, err := s.SearchRead(ctx, "ir.model.data",
		odoo.Query{Domain: odoo.Domain{odoo.Where("module", "=", ownModule), odoo.Where("name", "=like", "canary_%")},
			Fields: []string{"model", "res_id"}})
	for _, m := range marks {
		out[m.Text("model")] = append(out[m.Text("model")], m.Int("res_id"))
	}
	return out, err
}

func (p leakProbe) lookForLeaks(ctx context.Context) error {
	for model, ids := range p.canaries {
		planted := odoo.Query{Domain: odoo.Domain{odoo.Where("id", "in", ids)}}
		if err := p.requireUnseen(ctx, model, planted); err != nil {
			return err
		}
		for _, id := range ids {
			if err := p.requireUnreachable(ctx, model, id); err != nil {
				return err
			}
		}
	}
	for _, model := range []string{"res.partner", "crm.lead", "res.users"} {
		if err := p.requireUnseen(ctx, model, odoo.Query{Domain: odoo.Domain{odoo.Where("company_id", "!=",
			p.session.Company())}}); err != nil {
			return err
		}
	}
	if err := p.requireUnseen(ctx, "res.company", odoo.Query{Domain: odoo.Domain{odoo.Where("id", "!=",
		p.session.Company())}}); err != nil {
		return err
	}
	return p.requireOwnCompanyOnly(ctx)
}

func (p leakProbe) leakFault(what string) error {
	return fault.New(fault.Operator, "Odoo database %s: company %d of a tenant reaches others' records: %s",
		p.session.Database(), p.session.Company(), what).
		WithCode(CodeLeak).
		WithHint("let no user sign in; make the record rules again with: leadctl odoo template prepare")
}

func (p leakProbe) requireUnseen(ctx context.Context, model string, q odoo.Query) error {
	q.Archived = true
	n, err := p.session.SearchCount(ctx, model, q)
	if err == nil && n > 0 {
		err = p.leakFault(model + " searched")
	}
	if fault.Code(err) == odoo.CodeForbidden {
		return nil // the account may not read the model at all
	}
	return err
}

// requireUnreachable tries to read one record by its id, and to write it. The write sets the value that is there
// already.
func (p leakProbe) requireUnreachable(ctx context.Context, model string, id int64) error {
	got, err := p.session.Read(ctx, model, []int64{id}, []string{"display_name"})
	if err == nil && len(got) > 0 {
		err = p.leakFault(model + " read")
	}
	if err := ignoreRefusal(err); err != nil {
		return err
	}
	same := odoo.Record{"name": canary}
	if model == "res.users" || model == "mail.alias" {
		same = odoo.Record{}
	}
	if err = p.session.Write(ctx, model, []int64{id}, same, nil); err == nil {
		return p.leakFault(model + " written")
	}
	return ignoreRefusal(err)
}

// requireOwnCompanyOnly tries to call in another company's context, and to make a contact for that company.
func (p leakProbe) requireOwnCompanyOnly(ctx context.Context) error {
	main, err := p.admin.ResolveXMLIDs(ctx, []string{"base.main_company"})
	if err != nil {
		return err
	}
	other := main["base.main_company"]
	_, err = p.session.Call(ctx, countInCompany(odoo.Query{}, "res.partner", other))
	if err == nil {
		return p.leakFault("another company's context accepted")
	}
	if err := ignoreRefusal(err); err != nil {
		return err
	}
	made, err := p.session.Create(ctx, "res.partner",
		[]odoo.Record{{"name": "leadctl leak probe", "company_id": other}}, odoo.QuietContext())
	if err == nil {
		return errors.Join(p.leakFault("res.partner made elsewhere"), p.admin.Unlink(ctx, "res.partner", made))
	}
	return ignoreRefusal(err)
}

// countInCompany returns a call that counts records in the context of one company.
func countInCompany(q odoo.Query, model string, company int64) odoo.Call {
	c := q.Call(model, "search_count")
	c.Context = odoo.WithContext(c.Context, "allowed_company_ids", []int64{company})
	return c
}

// ignoreRefusal returns nil for a refused access, which is what the probe wants, and any other error unchanged.
func ignoreRefusal(err error) error {
	if fault.Code(err) == odoo.CodeForbidden || fault.Code(err) == odoo.CodeRejected {
		return nil
	}
	return err
}
