package provision

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/odoo/crm"
)

// These rules separate the companies of one database. Odoo's own rules are not enough: every user sees contacts and
// leads without a company, internal users see each other, and tags, sources and teams have no company. Group rules
// cannot narrow that, because Odoo joins them with "or". So leadctl adds one global rule for each model. The rules
// restrict every user but the administrator that leadctl signs in as.

// recordRule is a global record rule. Its domain may use Odoo's variables user, company_ids and time.
type recordRule struct {
	model, domain string
	changes       bool // restricts only writing, creating and deleting
	optional      bool // left out where Odoo lacks the model
}

// Domains of the rules. The madeBy domains are for models without a company: they use the company of the record's
// creator. Records of Odoo's own installation (user 1) stay visible to all.
const (
	ownCompany          = `[('company_id','in',company_ids)]`
	ownPeople           = `['|',('company_id','in',company_ids),('user_ids.company_id','in',company_ids)]`
	madeByOdooOrCompany = `['|',('create_uid','=',1),('create_uid.company_id','in',company_ids)]`
	madeByCompany       = `[('create_uid.company_id','in',company_ids)]`
	noRecords           = `[(0,'=',1)]`
)

// sharedSettings are further models without a company that a sales administrator could change for all companies.
var sharedSettings = []string{"crm.recurring.plan", "mail.activity.type", "mail.activity.plan",
	"mail.activity.plan.template", "sms.template", "calendar.event.type", "crm.iap.lead.industry", "crm.iap.lead.role",
	"crm.iap.lead.seniority", "crm.iap.lead.mining.request"}

func companyRules() []recordRule {
	var rules []recordRule
	for _, model := range sharedSettings {
		rules = append(rules, recordRule{model: model, domain: noRecords, changes: true, optional: true})
	}
	return append(rules, []recordRule{
		{model: "res.partner", domain: ownPeople},
		{model: "crm.lead", domain: ownCompany},
		{model: "res.users", domain: ownCompany},
		{model: "crm.team",
			domain: `['|',('company_id','in',company_ids),'&',('company_id','=',False),('create_uid','=',1)]`},
		{model: "mail.alias", domain: madeByOdooOrCompany},
		{model: "crm.tag", domain: madeByOdooOrCompany},
		{model: "utm.campaign", domain: madeByOdooOrCompany},
		{model: "utm.source", domain: madeByOdooOrCompany},
		{model: "utm.medium", domain: madeByOdooOrCompany},
		{model: "res.partner.category", domain: madeByOdooOrCompany},
		{model: "crm.lost.reason", domain: madeByOdooOrCompany},
		{model: "mail.template", domain: madeByOdooOrCompany},
		{model: "calendar.event", domain: madeByCompany},
		{model: "crm.stage", domain: noRecords, changes: true},
		{model: "crm.team", domain: ownCompany, changes: true},
		{model: "crm.tag", domain: madeByCompany, changes: true},
		{model: "utm.campaign", domain: madeByCompany, changes: true},
		{model: "utm.source", domain: madeByCompany, changes: true},
		{model: "utm.medium", domain: madeByCompany, changes: true},
		{model: "res.partner.category", domain: madeByCompany, changes: true},
		{model: "crm.lost.reason", domain: madeByCompany, changes: true},
		{model: "mail.template", domain: madeByCompany, changes: true},
	}...)
}

func (r recordRule) ruleName() string {
	if r.changes {
		return "leadctl: changing " + r.model
	}
	return "leadctl: " + r.model
}

// externalID returns the rule's external id. The model's dots become "_", because a dot separates module and name.
func (r recordRule) externalID() string {
	name := "rule_" + strings.ReplaceAll(r.model, ".", "_")
	if r.changes {
		name += "_changes"
	}
	return ownModule + "." + name
}

// presentRules returns the rules without the optional ones whose model Odoo lacks, and the ids of the models.
func presentRules(ctx context.Context, s *odoo.Session, rules []recordRule) ([]recordRule, map[string]int64, error) {
	names := make([]string, len(rules))
	for i, r := range rules {
		names[i] = r.model
	}
	models, err := s.ModelIDs(ctx, names)
	rules = slices.DeleteFunc(rules, func(r recordRule) bool { return r.optional && models[r.model] == 0 })
	return rules, models, err
}

// ensureRules makes the rules, or restores them when they were changed. Each rule names the administrator by user id.
func ensureRules(ctx context.Context, s *odoo.Session) error {
	all, models, err := presentRules(ctx, s, companyRules())
	if err != nil {
		return err
	}
	shared, err := crm.FindShared(ctx, s)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, r := range all {
		if id := shared[r.model]; id != 0 && !r.changes { // every tenant's pushed leads name this one
			r.domain = fmt.Sprintf(`['|',('id','=',%d),%s`, id, r.domain[1:])
		}
		if models[r.model] == 0 {
			return fault.New(fault.Operator, "Odoo model %s in %s: missing", r.model,
				s.Database()).WithCode(odoo.CodeMisconfig)
		}
		domain := fmt.Sprintf("[(1,'=',1)] if user.id == %d else %s", s.UID(), r.domain)
		rows = append(rows, r.importRow(models[r.model], domain))
	}
	return s.LoadRecords(ctx, "ir.rule", ruleColumns, rows)
}

// ruleColumns are the columns of importRow.
var ruleColumns = []string{"id", "name", "model_id/.id", "domain_force", "perm_read", "perm_write", "perm_create",
	"perm_unlink", "active"}

// importRow returns the rule as a row of Odoo's import.
func (r recordRule) importRow(model int64, domain string) []string {
	return []string{r.externalID(), r.ruleName(), odoo.FormatID(model), domain, xmlBoolean(!r.changes), "1", "1", "1",
		"1"}
}

func xmlBoolean(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

// missingRules returns the names of the rules that are missing or not active.
func missingRules(ctx context.Context, s *odoo.Session) ([]string, error) {
	have, err := s.SearchRead(ctx, "ir.rule", odoo.Query{Domain: odoo.Domain{odoo.Where("name", "=like", "leadctl: %")},
		Fields: []string{"name"}})
	if err != nil {
		return nil, err
	}
	rules, _, err := presentRules(ctx, s, companyRules())
	if err != nil {
		return nil, err
	}
	var missing []string
	for _, r := range rules {
		if !slices.ContainsFunc(have, func(h odoo.Record) bool { return h.Text("name") == r.ruleName() }) {
			missing = append(missing, r.ruleName())
		}
	}
	return missing, nil
}

// setDefaultCompany makes the session's company the default for new contacts and leads, whichever of its users makes
// them. It also sets the company on the company's own contact, which Odoo made before there was a default.
func setDefaultCompany(ctx context.Context, s *odoo.Session) error {
	for _, model := range odoo.CompanyModels {
		_, err := s.Call(ctx, odoo.Call{Model: "ir.default", Method: "set", Args: []odoo.Arg{
			{Name: "model_name", Value: model}, {Name: "field_name", Value: "company_id"},
			{Name: "value", Value: s.Company()},
			{Name: "user_id", Value: false}, {Name: "company_id", Value: s.Company()},
		}})
		if err != nil {
			return err
		}
	}
	contact, err := companyContact(ctx, s)
	if err != nil {
		return err
	}
	own, err := s.SearchRead(ctx, "res.partner", odoo.Query{Domain: odoo.Domain{odoo.Where("id", "=", contact),
		odoo.Where("company_id", "=", false)}, Fields: []string{"name"}})
	if err != nil || len(own) == 0 {
		return err
	}
	return s.Write(ctx, "res.partner", odoo.IDsOf(own), odoo.Record{"company_id": s.Company()}, odoo.QuietContext())
}

// companyContact returns the id of the contact that Odoo made for the session's company.
func companyContact(ctx context.Context, s *odoo.Session) (int64, error) {
	found, err := s.SearchRead(ctx, "res.company",
		odoo.Query{Domain: odoo.Domain{odoo.Where("id", "=", s.Company())}, Fields: []string{"partner_id"}})
	if err != nil || len(found) == 0 {
		return 0, err
	}
	return found[0].Int("partner_id"), nil
}
