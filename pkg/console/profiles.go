package console

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/leads"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/web"
)

// profilesPage lists the tenant's ideal customer profiles and edits one of them.
type profilesPage struct {
	Rules   []leads.Rule
	Editor  editor
	Ops     bool
	Saved   bool
	Asked   bool   // show the confirmation of the deletion
	Deleted string // the name of a profile that was just deleted
	Matches *match
}

// editor is one profile as the form shows it. Lists have one element a line.
type editor struct {
	Name       string
	Existing   bool
	Fields     []field
	Unknown    bool   // it has members that the form cannot show, so the form must not save it
	Unreadable string // why the stored profile cannot be edited
}

// field is one input of the form.
type field struct {
	Name, Label, Help, Value string
	Number                   bool
}

// match is the result of trying the form's profile.
type match struct {
	leads.Trial
	Fault string // why the profile cannot be tried
}

// Percent returns the share of live companies that match.
func (m match) Percent() float64 {
	if m.Live == 0 {
		return 0
	}
	return 100 * float64(m.Matches) / float64(m.Live)
}

func (c *Console) getProfiles(w http.ResponseWriter, r *http.Request, v visitor) error {
	p := profilesPage{Ops: v.hasOps(), Saved: r.URL.Query().Has("saved"), Deleted: r.URL.Query().Get("deleted")}
	err := c.deps.DB.ReadTenant(r.Context(), v.Tenant.ID, func(ctx context.Context, tx postgres.TenantTx) (err error) {
		p.Rules, err = leads.ListRules(ctx, tx)
		return err
	})
	if err != nil {
		return err
	}
	p.Editor = chooseRule(p.Rules, r.URL.Query())
	p.Asked = p.Ops && p.Editor.Existing && r.URL.Query().Has("delete")
	return c.renderPage(w, r, v, "profiles", page{Title: "Customer profiles", Active: "profiles", Body: p})
}

// chooseRule returns the rule named in the query, else the newest, else an empty form.
func chooseRule(rules []leads.Rule, q url.Values) editor {
	if q.Has("new") || len(rules) == 0 {
		return editor{Fields: fieldsOf(leads.Profile{})}
	}
	rule := rules[0]
	for _, r := range rules {
		if r.Name == q.Get("name") {
			rule = r
		}
	}
	e := editor{Name: rule.Name, Existing: true}
	profile, err := leads.ParseProfile(rule.Payload)
	if err != nil {
		e.Unreadable = fault.Text(err)
	}
	e.Fields, e.Unknown = fieldsOf(profile), len(profile.Unknown) > 0
	return e
}

func fieldsOf(p leads.Profile) []field {
	x := p.Exclusions
	return []field{
		{Name: "industries", Label: "Industries",
			Help:  "Section letter, two-digit division, title or common word; one per line",
			Value: joinLines(p.Industries)},
		{Name: "ssic_codes", Label: "SSIC codes", Help: "Two to five digits; fewer than five match as a prefix",
			Value: joinLines(p.SSICCodes)},
		{Name: "keywords", Label: "Words in the name",
			Help: "Raise the score; select companies if no industry is given", Value: joinLines(p.Keywords)},
		{Name: "entity_types", Label: "Legal forms", Help: "As in the register, such as Local Company",
			Value: joinLines(p.EntityTypes)},
		{Name: "year_min", Label: "Incorporated from", Value: formatBound(p.IncorporationYear.Min), Number: true},
		{Name: "year_max", Label: "Incorporated until", Value: formatBound(p.IncorporationYear.Max), Number: true},
		{Name: "employees_min", Label: "Employees from", Value: formatBound(p.EmployeeRange.Min), Number: true},
		{Name: "employees_max", Label: "Employees until", Value: formatBound(p.EmployeeRange.Max), Number: true},
		{Name: "not_industries", Label: "Not these industries", Value: joinLines(x.Industries)},
		{Name: "not_ssic_codes", Label: "Not these SSIC codes", Value: joinLines(x.SSICCodes)},
		{Name: "not_keywords", Label: "Not with these words", Value: joinLines(x.Keywords)},
		{Name: "not_entity_types", Label: "Not these legal forms", Value: joinLines(x.EntityTypes)},
		{Name: "not_uens", Label: "Not these companies (UEN)", Value: joinLines(x.UENs)},
	}
}

func joinLines(values []string) string { return strings.Join(values, "\n") }

func formatBound(n *int) string {
	if n == nil {
		return ""
	}
	return strconv.Itoa(*n)
}

// payloadOf returns the form as a rule's payload. It omits empty fields.
func payloadOf(form url.Values) ([]byte, error) {
	payload, exclusions := map[string]any{}, map[string]any{}
	for _, name := range []string{"industries", "ssic_codes", "keywords", "entity_types"} {
		putList(payload, name, form.Get(name))
		putList(exclusions, name, form.Get("not_"+name))
	}
	putList(exclusions, "uens", form.Get("not_uens"))
	for member, prefix := range map[string]string{"incorporation_year": "year", "employee_range": "employees"} {
		bounds := map[string]int{}
		for _, end := range []string{"min", "max"} {
			value := strings.TrimSpace(form.Get(prefix + "_" + end))
			if value == "" {
				continue
			}
			n, err := strconv.Atoi(value)
			if err != nil {
				return nil, fault.New(fault.Invalid, "%s %s %.20q: must be a whole number", prefix, end, value)
			}
			bounds[end] = n
		}
		if len(bounds) > 0 {
			payload[member] = bounds
		}
	}
	if len(exclusions) > 0 {
		payload["exclusions"] = exclusions
	}
	return json.Marshal(payload)
}

func putList(into map[string]any, name, value string) {
	var list []string
	for line := range strings.Lines(value) {
		if line = strings.TrimSpace(line); line != "" {
			list = append(list, line)
		}
	}
	if len(list) > 0 {
		into[name] = list
	}
}

// postDeleteProfile deletes a profile and requests a run with the others. The page has asked for confirmation before.
func (c *Console) postDeleteProfile(w http.ResponseWriter, r *http.Request, v visitor) error {
	var rule leads.Rule
	err := c.deps.DB.InSystem(r.Context(), "console: delete profile",
		func(ctx context.Context, tx postgres.SystemTx) (err error) {
			rule, err = leads.DeleteRule(ctx, tx, c.deps.Jobs, v.Tenant.ID, r.PostFormValue("name"),
				web.ByOf(r.Context()))
			return err
		})
	if err != nil {
		return err
	}
	c.goTo(w, r, "/profiles?"+url.Values{"deleted": {rule.Name}}.Encode())
	return nil
}

// postTry counts the companies that match the form's profile. htmx gets the counts; without JavaScript the whole page
// is rendered.
func (c *Console) postTry(w http.ResponseWriter, r *http.Request, v visitor) error {
	m, err := c.tryForm(r, v)
	if err != nil {
		return err
	}
	if r.Header.Get("HX-Request") != "" {
		return c.renderPart(w, "profiles", "match", m)
	}
	p := profilesPage{Ops: true, Matches: &m}
	err = c.deps.DB.ReadTenant(r.Context(), v.Tenant.ID, func(ctx context.Context, tx postgres.TenantTx) (err error) {
		p.Rules, err = leads.ListRules(ctx, tx)
		return err
	})
	if err != nil {
		return err
	}
	p.Editor = editor{Name: r.PostForm.Get("name"), Existing: r.PostForm.Has("existing"),
		Fields: fieldsOf(leads.Profile{})}
	for i, f := range p.Editor.Fields {
		p.Editor.Fields[i].Value = r.PostForm.Get(f.Name)
	}
	return c.renderPage(w, r, v, "profiles", page{Title: "Customer profiles", Active: "profiles", Body: p})
}

func (c *Console) tryForm(r *http.Request, v visitor) (m match, err error) {
	if err := r.ParseForm(); err != nil {
		return m, fault.New(fault.Invalid, "form: malformed").Because(err)
	}
	payload, err := payloadOf(r.PostForm)
	var profile leads.Profile
	if err == nil {
		profile, err = leads.ParseProfile(payload)
	}
	if err == nil {
		err = c.deps.DB.ReadTenant(r.Context(), v.Tenant.ID,
			func(ctx context.Context, tx postgres.TenantTx) (err error) {
				m.Trial, err = leads.TryProfile(ctx, tx, profile)
				return err
			})
	}
	if fault.Is(err, fault.Invalid) { // the user may still be typing
		m.Fault, err = fault.Text(err), nil
	}
	return m, err
}

// postProfile saves the form's profile and requests a run, as POST /icp/rules does.
func (c *Console) postProfile(w http.ResponseWriter, r *http.Request, v visitor) error {
	if err := r.ParseForm(); err != nil {
		return fault.New(fault.Invalid, "form: malformed").Because(err)
	}
	payload, err := payloadOf(r.PostForm)
	if err != nil {
		return err
	}
	var rule leads.Rule
	err = c.deps.DB.InSystem(r.Context(), "console: change profile",
		func(ctx context.Context, tx postgres.SystemTx) error {
			rule, err = leads.SetRule(ctx, tx, c.deps.Jobs, v.Tenant.ID, r.PostForm.Get("name"), payload,
				web.ByOf(r.Context()))
			return err
		})
	if err != nil {
		return err
	}
	c.goTo(w, r, "/profiles?"+url.Values{"name": {rule.Name}, "saved": {""}}.Encode())
	return nil
}
