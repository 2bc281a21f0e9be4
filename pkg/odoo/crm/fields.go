package crm

import (
	"context"
	"slices"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/odoo"
)

// Field is a custom field that leadctl keeps on an Odoo model.
type Field struct {
	Model, Name, Type, Label string
	Index                    bool
}

// Fields are the custom fields of every workspace: what leadctl knows about a company, on the partner, and what it
// thinks of it, on the lead.
func Fields() []Field {
	const partner, lead = "res.partner", "crm.lead"
	return []Field{
		{partner, "x_uen", "char", "UEN", true},
		{partner, "x_industry_norm", "char", "Industry", false},
		{partner, "x_employees_est", "integer", "Employees (estimate)", false},
		{partner, "x_revenue_bucket", "char", "Revenue", false},
		{partner, "x_incorporation_year", "integer", "Incorporated in", false},
		{partner, "x_website_domain", "char", "Website domain", false},
		{partner, "x_enrichment_json", "text", "Enrichment", false},
		{partner, "x_entity_type", "char", "Entity type", false},
		{partner, "x_register_status", "char", "Register status", false},
		{lead, "x_pre_sdr_score", "float", "Fit score (0 to 100)", false},
		{lead, "x_pre_sdr_bucket", "char", "Fit", false},
		{lead, "x_pre_sdr_features", "text", "Features", false},
		{lead, "x_pre_sdr_rationale", "text", "Reasons", false},
		{lead, "x_industry_norm", "char", "Industry", false},
		{lead, "x_source_urls", "text", "Sources", false},
	}
}

// EnsureFields creates missing fields and returns their names. Odoo's "Duplicate" does not copy the values: two
// contacts must not have one registration number.
func EnsureFields(ctx context.Context, s *odoo.Session) ([]string, error) {
	missing, copied, err := compareFields(ctx, s)
	if err != nil {
		return nil, err
	}
	if len(copied) > 0 {
		if err := s.Write(ctx, "ir.model.fields", copied, odoo.Record{"copied": false}, nil); err != nil {
			return nil, err
		}
	}
	if len(missing) == 0 {
		return nil, nil
	}
	if err := createFields(ctx, s, missing); err != nil {
		// Another attempt may have been faster, or the answer of this one was lost.
		if still, _, look := compareFields(ctx, s); look != nil || len(still) > 0 {
			return nil, err
		}
		return nil, nil
	}
	still, _, err := compareFields(ctx, s)
	if err == nil && len(still) > 0 {
		err = fault.New(fault.Unavailable, "Odoo database %s: field %s.%s: absent after it was made", s.Database(),
			still[0].Model, still[0].Name)
	}
	return FieldNames(missing), err
}

// compareFields compares Fields with those of the workspace. It returns the missing ones, and the ids of those that
// Odoo copies with a record, as older versions of leadctl made them.
func compareFields(ctx context.Context, s *odoo.Session) (missing []Field, copied []int64, err error) {
	want := Fields()
	have, err := s.SearchRead(ctx, "ir.model.fields", odoo.Query{
		Domain: odoo.Domain{odoo.Where("model", "in", FieldModels(want)), odoo.Where("name", "in", FieldNames(want))},
		Fields: []string{"model", "name", "ttype", "copied"}})
	if err != nil {
		return nil, nil, err
	}
	types := map[[2]string]string{}
	for _, r := range have {
		types[[2]string{r.Text("model"), r.Text("name")}] = r.Text("ttype")
		if r.Bool("copied") {
			copied = append(copied, r.ID())
		}
	}
	for _, f := range want {
		switch is := types[[2]string{f.Model, f.Name}]; is {
		case f.Type:
		case "":
			missing = append(missing, f)
		default:
			return nil, nil, fault.New(fault.Operator, "Odoo field %s.%s in %s: of type %s instead of %s", f.Model,
				f.Name, s.Database(), is, f.Type).
				WithCode(odoo.CodeMisconfig).WithHint("rename or delete that field in Odoo; leadctl converts none")
		}
	}
	return missing, copied, nil
}

// createFields makes all in one call: Odoo rebuilds its registry once per call, which is what takes the time.
func createFields(ctx context.Context, s *odoo.Session, missing []Field) error {
	ids, err := s.ModelIDs(ctx, FieldModels(missing))
	if err != nil {
		return err
	}
	values := make([]odoo.Record, len(missing))
	for i, f := range missing {
		if ids[f.Model] == 0 {
			return fault.New(fault.Operator, "Odoo model %s in %s: missing, its module is not installed", f.Model,
				s.Database()).
				WithCode(odoo.CodeMisconfig).WithHint("prepare the template again with: leadctl odoo template prepare")
		}
		values[i] = odoo.Record{"name": f.Name, "model_id": ids[f.Model], "field_description": f.Label, "ttype": f.Type,
			"state": "manual", "index": f.Index, "copied": false}
	}
	_, err = s.Create(ctx, "ir.model.fields", values, nil)
	return err
}

// FieldModels returns the models that the fields belong to.
func FieldModels(fields []Field) []string {
	var out []string
	for _, f := range fields {
		if !slices.Contains(out, f.Model) {
			out = append(out, f.Model)
		}
	}
	return out
}

// FieldNames returns the technical names of the fields.
func FieldNames(fields []Field) []string {
	out := make([]string, len(fields))
	for i, f := range fields {
		out[i] = f.Name
	}
	return out
}
