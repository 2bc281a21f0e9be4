package provision

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/odoo/crm"
)

// States of a Part.
const (
	PartReady   = "ready"
	PartMissing = "missing" // PrepareTemplate makes it
	PartForeign = "foreign" // exists, but leadctl did not make it: PrepareTemplate changes it only with Adopt
)

// Part is one part of a template or of a shared database.
type Part struct {
	Name   string `json:"part"` // "database", "module crm", "field res.partner.x_uen"
	State  string `json:"state"`
	Detail string `json:"detail,omitempty"`
}

// TemplateStatus reports the parts of the template, and so what PrepareTemplate would still do. It changes nothing. It
// judges a locked template by its comment, because no session can open it.
func TemplateStatus(ctx context.Context, server *odoo.Server, t Template) ([]Part, error) {
	b, err := newTemplateRun(server, t.withDefaults())
	if err != nil {
		return nil, err
	}
	for _, name := range []string{t.Name, t.Name + provisionalSuffix} {
		there, err := b.lookupDatabase(ctx, name)
		if err != nil {
			return nil, err
		}
		if there.exists {
			b.db = name
			return b.readParts(ctx, there)
		}
	}
	return []Part{{"database " + t.Name, PartMissing, "not begun"}}, nil
}

func (b *templateRun) readParts(ctx context.Context, there databaseState) ([]Part, error) {
	database := Part{"database " + b.t.Name, PartReady, "version " + b.t.version()}
	switch {
	case there.locked && there.comment == b.t.comment():
		database.Detail += ", locked"
		return []Part{database}, nil
	case there.locked && there.comment == "":
		return []Part{{database.Name, PartForeign, "locked, without a comment of leadctl"}}, nil
	case there.locked:
		return []Part{{database.Name, PartMissing, "another version: " + there.comment}}, nil
	}
	have, err := b.readContents(ctx)
	if err != nil {
		return nil, err
	}
	switch {
	case !have.begun:
		database.State, database.Detail = PartForeign, "leadctl did not make it, or Odoo did not finish it"
	case b.db != b.t.Name:
		database.State, database.Detail = PartMissing, "begun as "+b.db
	case have.version != b.t.version() || !b.t.Shared && b.cluster != nil:
		database.State, database.Detail = PartMissing, "begun, not finished"
	}
	return append([]Part{database}, have.listParts(b.t)...), nil
}

// templateContents is what a database has of the parts of a template.
type templateContents struct {
	begun   bool
	version string
	modules []string // installed
	fields  []string // "res.partner.x_uen"
	logins  []string
	rules   []string // active
}

func (c templateContents) listParts(t Template) []Part {
	var out []Part
	add := func(name string, there bool) {
		p := Part{Name: name, State: PartMissing}
		if there {
			p.State = PartReady
		}
		out = append(out, p)
	}
	for _, m := range templateModules {
		add("module "+m, slices.Contains(c.modules, m))
	}
	for _, f := range crm.Fields() {
		add("field "+f.Model+"."+f.Name, slices.Contains(c.fields, f.Model+"."+f.Name))
	}
	if !t.Shared {
		add("account "+odoo.ServiceLogin, slices.Contains(c.logins, odoo.ServiceLogin))
		return out
	}
	for _, r := range companyRules() {
		if r.optional {
			continue // made where Odoo has the model
		}
		add("rule "+r.ruleName(), slices.Contains(c.rules, r.ruleName()))
	}
	return out
}

// readContents reads the contents of the database: in SQL with ClusterDSN, else as its administrator.
func (b *templateRun) readContents(ctx context.Context) (templateContents, error) {
	if b.cluster != nil {
		return b.readContentsOnCluster(ctx)
	}
	s, ok, err := b.openAsAdministrator(ctx)
	if err != nil || !ok {
		return templateContents{}, err
	}
	return readContentsOverRPC(ctx, s)
}

func readContentsOverRPC(ctx context.Context, s *odoo.Session) (templateContents, error) {
	var c templateContents
	begun, err := s.Parameter(ctx, begunKey)
	if err != nil {
		return c, err
	}
	c.begun = begun != ""
	if c.version, err = s.Parameter(ctx, templateKey); err != nil {
		return c, err
	}
	for _, q := range []struct {
		into  *[]string
		model string
		where []any
		read  []string
	}{
		{&c.modules, "ir.module.module", odoo.Where("state", "=", "installed"), []string{"name"}},
		{&c.fields, "ir.model.fields", odoo.Where("name", "in", crm.FieldNames(crm.Fields())),
			[]string{"model", "name"}},
		{&c.logins, "res.users", odoo.Where("login", "=", odoo.ServiceLogin), []string{"login"}},
		{&c.rules, "ir.rule", odoo.Where("name", "=like", "leadctl: %"), []string{"name"}},
	} {
		found, err := s.SearchRead(ctx, q.model, odoo.Query{Domain: odoo.Domain{q.where}, Fields: q.read})
		if err != nil {
			return c, err
		}
		for _, r := range found {
			said := r.Text(q.read[0])
			if len(q.read) > 1 {
				said += "." + r.Text(q.read[1])
			}
			*q.into = append(*q.into, said)
		}
	}
	return c, nil
}

func (b *templateRun) readContentsOnCluster(ctx context.Context) (templateContents, error) {
	var c templateContents
	conn, err := b.cluster.connect(ctx, b.db)
	if err != nil {
		return c, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	begun, err := readParameter(ctx, conn, begunKey)
	if err != nil || begun == "" {
		return c, err
	}
	c.begun = true
	if c.version, err = readParameter(ctx, conn, templateKey); err != nil {
		return c, err
	}
	for _, q := range []struct {
		into *[]string
		sql  string
	}{
		{&c.modules, `SELECT name FROM ir_module_module WHERE state = 'installed'`},
		{&c.fields, `SELECT model || '.' || name FROM ir_model_fields WHERE name LIKE 'x\_%'`},
		{&c.logins, `SELECT login FROM res_users WHERE active`},
		{&c.rules, `SELECT name FROM ir_rule WHERE active AND name LIKE 'leadctl: %'`},
	} {
		rows, _ := conn.Query(ctx, q.sql)
		if *q.into, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
			return c, clusterFault("template "+b.db, err)
		}
	}
	return c, nil
}

// FieldState is one of crm.Fields in a workspace.
type FieldState struct {
	crm.Field
	Has string // its type there, "" when it is missing
}

// FieldStates returns the state of each of crm.Fields in the workspace. It changes nothing.
func (p *Provisioner) FieldStates(ctx context.Context, w Workspace) ([]FieldState, error) {
	s, err := p.Session(ctx, w)
	if err != nil {
		return nil, err
	}
	out := make([]FieldState, 0, len(crm.Fields()))
	for _, model := range crm.FieldModels(crm.Fields()) {
		have, err := s.FieldsGet(ctx, model, crm.FieldsOf(model))
		if err != nil {
			return nil, err
		}
		for _, f := range crm.Fields() {
			if f.Model == model {
				out = append(out, FieldState{f, have[f.Name].Text("type")})
			}
		}
	}
	return out, nil
}
