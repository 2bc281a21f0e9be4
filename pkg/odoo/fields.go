package odoo

import (
	"context"
	"slices"

	"github.com/leadctl/leadctl/pkg/fault"
)

// Field is a custom field that leadctl keeps on an Odoo model.
type Field struct {
	Model, Name, Type, Label string
	Index                    bool
}

// Fields are the custom fields of every workspace: what leadctl knows about a company, on the partner, and what it thinks of
// it, on the lead.
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
		{lead, "x_pre_sdr_score", "float", "Score", false},
		{lead, "x_pre_sdr_bucket", "char", "Bucket", false},
		{lead, "x_pre_sdr_features", "text", "Features", false},
		{lead, "x_pre_sdr_rationale", "text", "Rationale", false},
		{lead, "x_source_urls", "text", "Sources", false},
	}
}

// EnsureFields sees to it that the workspace has all Fields and returns the names of those this call made. A field of the same
// name but another type is fault.Operator: converting it could lose what a user stored there.
func (p *Provisioner) EnsureFields(ctx context.Context, w Workspace) ([]string, error) {
	s, err := p.openForSettings(ctx, w)
	if err != nil {
		return nil, err
	}
	return s.EnsureFields(ctx)
}

// EnsureFields is the same for a session that somebody else opened.
func (s *Session) EnsureFields(ctx context.Context) ([]string, error) {
	missing, err := s.missingFields(ctx)
	if err != nil || len(missing) == 0 {
		return nil, err
	}
	if err := s.createFields(ctx, missing); err != nil {
		// Another attempt may have been faster, or this one's answer got lost.
		if still, look := s.missingFields(ctx); look != nil || len(still) > 0 {
			return nil, err
		}
		return nil, nil
	}
	still, err := s.missingFields(ctx)
	if err == nil && len(still) > 0 {
		err = fault.New(fault.Unavailable, "Odoo database %s: field %s.%s: absent after it was made", s.Database(), still[0].Model, still[0].Name)
	}
	return fieldNames(missing), err
}

// missingFields compares what there is with Fields.
func (s *Session) missingFields(ctx context.Context) ([]Field, error) {
	want := Fields()
	have, err := s.SearchRead(ctx, "ir.model.fields", Query{
		Domain: Domain{Where("model", "in", fieldModels(want)), Where("name", "in", fieldNames(want))},
		Fields: []string{"model", "name", "ttype"}})
	if err != nil {
		return nil, err
	}
	types := map[[2]string]string{}
	for _, r := range have {
		types[[2]string{r.Text("model"), r.Text("name")}] = r.Text("ttype")
	}
	var missing []Field
	for _, f := range want {
		switch is := types[[2]string{f.Model, f.Name}]; is {
		case f.Type:
		case "":
			missing = append(missing, f)
		default:
			return nil, fault.New(fault.Operator, "Odoo field %s.%s in %s: of type %s instead of %s", f.Model, f.Name, s.Database(), is, f.Type).
				WithCode(CodeMisconfig).WithHint("rename or delete that field in Odoo; leadctl converts none")
		}
	}
	return missing, nil
}

// createFields makes all in one call: Odoo rebuilds its registry once per call, which is what takes the time.
func (s *Session) createFields(ctx context.Context, missing []Field) error {
	ids, err := s.ModelIDs(ctx, fieldModels(missing))
	if err != nil {
		return err
	}
	values := make([]Record, len(missing))
	for i, f := range missing {
		if ids[f.Model] == 0 {
			return fault.New(fault.Operator, "Odoo model %s in %s: missing, its module is not installed", f.Model, s.Database()).
				WithCode(CodeMisconfig).WithHint("prepare the template again with: leadctl odoo template prepare")
		}
		values[i] = Record{"name": f.Name, "model_id": ids[f.Model], "field_description": f.Label, "ttype": f.Type,
			"state": "manual", "index": f.Index}
	}
	_, err = s.Create(ctx, "ir.model.fields", values, nil)
	return err
}

func (s *Session) ModelIDs(ctx context.Context, models []string) (map[string]int64, error) {
	found, err := s.SearchRead(ctx, "ir.model", Query{Domain: Domain{Where("model", "in", models)}, Fields: []string{"model"}})
	ids := map[string]int64{}
	for _, r := range found {
		ids[r.Text("model")] = r.ID()
	}
	return ids, err
}

func fieldModels(fields []Field) []string {
	var out []string
	for _, f := range fields {
		if !slices.Contains(out, f.Model) {
			out = append(out, f.Model)
		}
	}
	return out
}

func fieldNames(fields []Field) []string {
	out := make([]string, len(fields))
	for i, f := range fields {
		out[i] = f.Name
	}
	return out
}
