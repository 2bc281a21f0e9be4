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
