package crm

import (
	"context"
	"slices"
	"strings"

	"github.com/leadctl/leadctl/pkg/odoo"
)

// ownPart is something of leadctl's in a workspace that Remove deletes.
type ownPart struct {
	name, model string
	id          int64
}

// Remove takes leadctl's views, fields and the viewers' group out of a workspace, and returns what it took. With dry it
// only returns what there is. The values of the fields are lost. Leads, contacts, the team, the source, the tag and the
// lost reason stay, because they are the people's records by now. So do fields of another type than leadctl's. The
// session must have administrator rights. Remove may be repeated.
func Remove(ctx context.Context, s *odoo.Session, dry bool) ([]string, error) {
	var parts []ownPart
	// In this order: Odoo keeps a field that a view shows, and a group that rights refer to.
	for _, find := range []func(context.Context, *odoo.Session) ([]ownPart, error){findFilters, findViews, findGroup,
		findFields, findViewsKey} {
		found, err := find(ctx, s)
		if err != nil {
			return nil, err
		}
		parts = append(parts, found...)
	}
	var gone []string
	for len(parts) > 0 {
		same := slices.IndexFunc(parts, func(p ownPart) bool { return p.model != parts[0].model })
		if same < 0 {
			same = len(parts)
		}
		var ids []int64
		for _, p := range parts[:same] {
			ids = append(ids, p.id)
		}
		if !dry {
			if err := s.Unlink(ctx, parts[0].model, ids); err != nil {
				return gone, err
			}
		}
		for _, p := range parts[:same] {
			gone = append(gone, p.name)
		}
		parts = parts[same:]
	}
	return gone, nil
}

// findFilters finds the filters that people saved and that name a field of leadctl's. Without the field, a page with
// such a filter does not open.
func findFilters(ctx context.Context, s *odoo.Session) (parts []ownPart, err error) {
	found, err := s.SearchRead(ctx, "ir.filters", odoo.Query{Fields: []string{"name", "domain", "context", "sort"},
		Archived: true, Order: "id"})
	for _, r := range found {
		text := r.Text("domain") + r.Text("context") + r.Text("sort")
		if slices.ContainsFunc(FieldNames(Fields()), func(field string) bool { return strings.Contains(text, field) }) {
			parts = append(parts, ownPart{"saved filter " + r.Text("name"), "ir.filters", r.ID()})
		}
	}
	return parts, err
}

// findViews finds leadctl's views of the CRM. The sign-in page, which leadctl extends too, stays as it is.
func findViews(ctx context.Context, s *odoo.Session) ([]ownPart, error) {
	var names []string
	for _, v := range views() {
		names = append(names, v.name)
	}
	return findMarks(ctx, s, "view", "ir.ui.view", names)
}

// findGroup finds the viewers' group after the rights that refer to it.
func findGroup(ctx context.Context, s *odoo.Session) ([]ownPart, error) {
	var names []string
	for _, model := range viewerModels() {
		names = append(names, viewerAccess(model))
	}
	rights, err := findMarks(ctx, s, "right", "ir.model.access", names)
	if err != nil {
		return nil, err
	}
	groups, err := findMarks(ctx, s, "group", "res.groups", []string{viewerMark})
	return append(rights, groups...), err
}

// findMarks finds the records of a model that have one of the marks.
func findMarks(ctx context.Context, s *odoo.Session, kind, model string, marks []string) (parts []ownPart, err error) {
	found, err := s.SearchRead(ctx, "ir.model.data", odoo.Query{Fields: []string{"name", "res_id"}, Order: "id",
		Domain: odoo.Domain{odoo.Where("module", "=", ownModule), odoo.Where("model", "=", model),
			odoo.Where("name", "in", marks)}})
	for _, r := range found {
		parts = append(parts, ownPart{kind + " " + ownModule + "." + r.Text("name"), model, r.Int("res_id")})
	}
	return parts, err
}

func findFields(ctx context.Context, s *odoo.Session) (parts []ownPart, err error) {
	want := Fields()
	found, err := s.SearchRead(ctx, "ir.model.fields", odoo.Query{Fields: []string{"model", "name", "ttype"},
		Order: "id", Domain: odoo.Domain{odoo.Where("model", "in", FieldModels(want)),
			odoo.Where("name", "in", FieldNames(want)), odoo.Where("state", "=", "manual")}})
	for _, r := range found {
		if slices.ContainsFunc(want, func(f Field) bool {
			return f.Model == r.Text("model") && f.Name == r.Text("name") && f.Type == r.Text("ttype")
		}) {
			name := "field " + r.Text("model") + "." + r.Text("name")
			parts = append(parts, ownPart{name, "ir.model.fields", r.ID()})
		}
	}
	return parts, err
}

func findViewsKey(ctx context.Context, s *odoo.Session) (parts []ownPart, err error) {
	found, err := s.SearchRead(ctx, "ir.config_parameter", odoo.Query{Fields: []string{"key"},
		Domain: odoo.Domain{odoo.Where("key", "=", viewsKey)}})
	for _, r := range found {
		parts = append(parts, ownPart{"parameter " + viewsKey, "ir.config_parameter", r.ID()})
	}
	return parts, err
}
