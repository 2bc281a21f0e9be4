package provision

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/odoo/crm"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// How leadctl makes a workspace, and why a crash cannot spoil it.
//
// leadctl clones a tenant's database under a provisional name, "<name>__new". There the database gets its own identity:
// its uuid and secret, no password of the template, and leadctl's account with the secret that the caller has stored.
// It also gets a marker with the installation and the tenant. Only then leadctl renames it to its final name.
// PostgreSQL renames completely or not at all, so:
//
//   - A database with the final name has leadctl's marker and secret, or leadctl did not make it.
//   - A crash before the rename leaves a provisional database, and the next attempt continues with it. No step makes
//     anything twice, and none drops a database that another attempt may be working on.
//   - Two concurrent attempts have the same outcome. The steps may be repeated, and the second rename finds the work
//     done.
//
// leadctl never writes to, renames or drops a database with the final name but without the marker of this installation
// and this tenant. The marker is inside the database (ir.config_parameter), where SQL and RPC can read it. There it
// survives backup, restore and moves between clusters.

// markerKey is the parameter with the owner of a database; templateKey is the one of a prepared template.
const (
	markerKey   = "leadctl.owner"
	templateKey = "leadctl.template"
)

const ownModule = "leadctl" // of external ids; no such module is installed

// provisionalSuffix ends the name of a database that is not complete.
const provisionalSuffix = "__new"

// Workspace names a tenant's database and the secret of leadctl's account in it. The caller makes the secret with
// NewSecret and stores it, encrypted, before the first step. So no crash can lose it, and every step installs the same
// secret.
type Workspace struct {
	Tenant   tenantid.ID
	Database string
	Secret   odoo.Secret
}

// User is a person who works in a tenant's workspace. People sign in through SSO, so leadctl sets no password.
type User struct {
	Email string   // becomes the login, in lower case
	Name  string   // the e-mail address when ""
	Role  crm.Role // RoleViewer when ""
}

// DatabaseName returns the name of a tenant's database. It consists of the installation's prefix and the tenant's
// number. A mail domain or display name is not part of it, because two tenants may share one.
func DatabaseName(prefix string, tenant tenantid.ID) string {
	return fmt.Sprintf("%s_t%d", prefix, tenant)
}

// databaseName keeps to PostgreSQL's 63 bytes, also with provisionalSuffix, and to Odoo's rule for names.
var databaseName = regexp.MustCompile(`^[a-z][a-z0-9_]{1,50}$`)

var installationName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

// check returns an error for a workspace with an invalid tenant, database name or secret.
func (w Workspace) check() error {
	switch {
	case !w.Tenant.Valid():
		return fault.New(fault.Internal, "workspace: no tenant")
	case !databaseName.MatchString(w.Database) || strings.HasSuffix(w.Database, provisionalSuffix):
		return fault.New(fault.Operator, "Odoo database name %q: not of the form [a-z][a-z0-9_]{1,50}", w.Database).
			WithCode(odoo.CodeMisconfig)
	case !w.Secret.IsAPIKey():
		return fault.New(fault.Internal, "tenant %s: workspace secret does not have the form of an API key", w.Tenant)
	}
	return nil
}

// provisionalName returns the database's name until it is complete.
func (w Workspace) provisionalName() string { return w.Database + provisionalSuffix }

// markerOf returns the marker of a tenant's database.
func markerOf(installation string, tenant tenantid.ID) string {
	return installation + "/tenant/" + tenant.String()
}

// foreignWorkspace returns the fault of a database that leadctl cannot prove to be the workspace's.
func foreignWorkspace(w Workspace, why string) error {
	return fault.New(fault.Operator, "Odoo database %s of tenant %s: exists, but %s", w.Database, w.Tenant, why).
		WithCode(odoo.CodeForeign).
		WithHint("leadctl adopts no database it did not make: rename or drop %s, or give this installation "+
			"another prefix", w.Database)
}

// notPrepared returns the fault of a template that PrepareTemplate has not finished.
func notPrepared(template string) error {
	return fault.New(fault.Operator, "Odoo template database %s: missing, not locked, or not prepared by leadctl",
		template).
		WithCode(odoo.CodeMisconfig).WithHint("prepare it with: leadctl odoo template prepare")
}

func archiveTaken(as string) error {
	return fault.New(fault.Conflict, "Odoo database %s: exists already, from a workspace archived earlier today", as).
		WithHint("rename or drop that database, or drop this workspace instead")
}

func credentialsRefused(login string, w Workspace) error {
	return fault.New(fault.Denied, "Odoo account %s in %s: credentials refused", login, w.Database).
		WithCode(odoo.CodeAccessDenied).
		WithHint("install the stored secret again with: leadctl tenant provision %s --wait", w.Tenant)
}
