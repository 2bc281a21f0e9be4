package provision

import (
	"context"

	"github.com/leadctl/leadctl/pkg/odoo"
)

// The register is Singapore's, so workspaces begin with its currency, country and time zone. A tenant may change them.
const (
	country  = "base.sg"
	currency = "base.SGD"
	timeZone = "Asia/Singapore"
)

// activateCurrency makes the currency one that companies may use.
func activateCurrency(ctx context.Context, s *odoo.Session) error {
	ids, err := s.ResolveXMLIDs(ctx, []string{currency})
	if err != nil {
		return err
	}
	if ids[currency] == 0 {
		return s.MissingRecord(currency)
	}
	return s.Write(ctx, "res.currency", []int64{ids[currency]}, odoo.Record{"active": true}, nil)
}

// localiseCompany sets currency and country of a new company: the session's, in a database of its own the first. Odoo
// refuses another currency once a company has accounting entries.
func localiseCompany(ctx context.Context, s *odoo.Session) error {
	ids, err := s.ResolveXMLIDs(ctx, []string{country, currency})
	if err != nil {
		return err
	}
	for _, id := range []string{country, currency} {
		if ids[id] == 0 {
			return s.MissingRecord(id)
		}
	}
	company := s.Company()
	if company == 0 {
		first, err := s.SearchRead(ctx, "res.company", odoo.Query{Fields: []string{"name"}, Order: "id", Limit: 1})
		if err != nil || len(first) == 0 {
			return err
		}
		company = first[0].ID()
	}
	return s.Write(ctx, "res.company", []int64{company},
		odoo.Record{"currency_id": ids[currency], "country_id": ids[country]}, odoo.QuietContext())
}

// english is the language that every Odoo database has.
const english = "en_US"

// ensureLanguage makes the language one that people may choose. Odoo then loads the translations of all modules, which
// takes seconds. An unknown language is fault.Operator.
func ensureLanguage(ctx context.Context, s *odoo.Session, language string) error {
	if language == english {
		return nil
	}
	found, err := s.SearchRead(ctx, "res.lang", odoo.Query{Fields: []string{"active"}, Archived: true,
		Domain: odoo.Domain{odoo.Where("code", "=", language)}})
	switch {
	case err != nil:
		return err
	case len(found) == 0:
		return odoo.Misconfigured("odoo.language %s: unknown to Odoo", language).
			WithHint("set it to a code such as en_US, en_GB, zh_CN or ms_MY")
	case found[0].Bool("active"):
		return nil
	}
	const wizard = "base.language.install"
	have, err := s.FieldsGet(ctx, wizard, []string{"lang", "lang_ids"})
	if err != nil {
		return err
	}
	values := odoo.Record{"lang": language, "overwrite": false} // before Odoo 16
	if _, ok := have["lang_ids"]; ok {
		values = odoo.Record{"lang_ids": []any{[]any{6, 0, odoo.IDsOf(found)}}, "overwrite": false}
	}
	made, err := s.Create(ctx, wizard, []odoo.Record{values}, nil)
	if err != nil {
		return err
	}
	_, err = s.Call(ctx, odoo.Call{Model: wizard, Method: "lang_install", IDs: made, Timeout: odoo.DatabaseTimeout})
	return err
}

// withLanguage adds the language to the values of a new user, if the workspace has it.
func withLanguage(ctx context.Context, s *odoo.Session, language string, values odoo.Record) (odoo.Record, error) {
	if language == english {
		return values, nil
	}
	active, err := s.SearchCount(ctx, "res.lang", odoo.Query{Domain: odoo.Domain{odoo.Where("code", "=", language),
		odoo.Where("active", "=", true)}})
	if err != nil || active == 0 {
		return values, err
	}
	return odoo.WithContext(values, "lang", language), nil
}
