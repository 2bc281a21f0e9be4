package crm

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"strings"
	"text/template"

	"github.com/leadctl/leadctl/pkg/odoo"
)

// ownModule is the module of leadctl's external ids. No module of that name is installed, so no upgrade of another
// module touches the records.
const ownModule = "leadctl"

// view is a view that leadctl owns. It extends one of Odoo's.
type view struct {
	name, model, extends, file string
}

// views are what makes the custom fields visible: without a view Odoo shows no custom field.
func views() []view {
	const lead, partner = "crm.lead", "res.partner"
	return []view{
		{"view_lead_form", lead, "crm.crm_lead_view_form", "lead_form.xml"},
		{"view_opportunity_list", lead, "crm.crm_case_tree_view_oppor", "lead_list.xml"},
		{"view_lead_list", lead, "crm.crm_case_tree_view_leads", "lead_list.xml"},
		{"view_pipeline", lead, "crm.crm_case_kanban_view_leads", "pipeline.xml"},
		{"view_opportunity_search", lead, "crm.view_crm_case_opportunities_filter", "lead_search.xml"},
		{"view_lead_search", lead, "crm.view_crm_case_leads_filter", "lead_search.xml"},
		{"view_contact_form", partner, "base.view_partner_form", "contact_form.xml"},
	}
}

// viewPriority puts leadctl's extensions after those of other modules.
const viewPriority = "99"

// viewsKey is the system parameter that holds the hash of the views that were written last.
const viewsKey = "leadctl.views"

//go:embed views/*.xml
var viewFiles embed.FS

// EnsureViews writes leadctl's views unless the workspace has exactly those of this version. The session must have the
// right to change views. Odoo refuses a view that does not fit the view that it extends, and then all are unchanged.
func EnsureViews(ctx context.Context, s *odoo.Session, major int) error {
	rows, err := viewRows(major)
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(fmt.Sprint(rows)))
	want := hex.EncodeToString(sum[:8])
	have, err := s.Parameter(ctx, viewsKey)
	if err != nil {
		return err
	}
	if have == want {
		missing, err := missingViews(ctx, s)
		if err != nil || len(missing) == 0 {
			return err
		}
	}
	fields := []string{"id", "name", "model", "inherit_id/id", "priority", "arch"}
	if err := s.LoadRecords(ctx, "ir.ui.view", fields, rows); err != nil {
		return err
	}
	return s.SetParameter(ctx, viewsKey, want)
}

// missingViews returns the external ids of those of leadctl's views that the workspace lacks.
func missingViews(ctx context.Context, s *odoo.Session) ([]string, error) {
	var ids, missing []string
	for _, v := range views() {
		ids = append(ids, ownModule+"."+v.name)
	}
	have, err := s.ResolveXMLIDs(ctx, ids)
	for _, id := range ids {
		if err == nil && have[id] == 0 {
			missing = append(missing, id)
		}
	}
	return missing, err
}

// viewRows renders the views for a major version of Odoo, as rows of Odoo's import.
func viewRows(major int) ([][]string, error) {
	var rows [][]string
	for _, v := range views() {
		arch, err := renderView(v.file, major)
		if err != nil {
			return nil, err
		}
		rows = append(rows, []string{ownModule + "." + v.name, "leadctl: " + v.name, v.model, v.extends, viewPriority,
			arch})
	}
	return rows, nil
}

// renderView fills in what differs between versions: lists are <tree> before 18, and conditions are attrs before 17.
func renderView(file string, major int) (string, error) {
	text, err := viewFiles.ReadFile("views/" + file)
	if err != nil {
		return "", err
	}
	hideUnless := func(field string) string {
		if major < 17 {
			return `attrs="{'invisible': [('` + field + `', '=', False)]}"`
		}
		return `invisible="not ` + field + `"`
	}
	hideIf := func(field string) string {
		if major < 17 {
			return `<attribute name="attrs">{'invisible': [('` + field + `', '!=', False)]}</attribute>`
		}
		return `<attribute name="invisible">` + field + `</attribute>`
	}
	parsed, err := template.New(file).Funcs(template.FuncMap{"hideUnless": hideUnless, "hideIf": hideIf}).
		Parse(string(text))
	if err != nil {
		return "", err
	}
	list := "list"
	if major < 18 {
		list = "tree"
	}
	var out strings.Builder
	err = parsed.Execute(&out, struct{ List string }{list})
	return out.String(), err
}
