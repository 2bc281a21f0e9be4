package provision

import (
	"cmp"

	"github.com/leadctl/leadctl/pkg/odoo"
)

// templateVersion changes when a workspace needs something that an older template does not have.
const templateVersion = "4"

// Template holds the settings for making the template of all workspaces.
type Template struct {
	Name   string      // ODOO_TEMPLATE_DB
	Master odoo.Secret // ODOO_MASTER_PASSWORD; needed only to make the database
	// prepare an existing database of that name that leadctl did not make: its accounts are closed and its company is
	// renamed
	Adopt    bool
	Language string // a language that people may have, beside English; "en_US" by default

	// With ClusterDSN a ready template is locked: no session can open it, Odoo does not list it, and a clone never
	// waits for a session. It has no usable account, unless Secret is set too.
	ClusterDSN odoo.Secret

	// The template's administrator, "admin" by default. Without ClusterDSN the database service makes the workspaces,
	// and leadctl needs an account to open a new one.
	Login  string
	Secret odoo.Secret

	// Shared makes the database of all tenants for ModeCompany instead of a template. That database is not locked. It
	// has the marker of Installation, its accounts, and the record rules that separate companies. Secret is required.
	Shared       bool
	Installation string

	LeadType string // as in Provisioning

	Progress func(Check) // called after each step; may be nil
}

func (t Template) withDefaults() Template {
	t.Login, t.Language = cmp.Or(t.Login, "admin"), cmp.Or(t.Language, english)
	return t
}

// version is templateVersion with the language, because loading one takes too long for a sign-in.
func (t Template) version() string {
	if t.Language == english {
		return templateVersion
	}
	return templateVersion + " " + t.Language
}

// begunKey is the parameter that says that leadctl asked for the database and that Odoo finished making it.
const begunKey = "leadctl.template.begun"
