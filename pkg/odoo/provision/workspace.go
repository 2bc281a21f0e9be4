package provision

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// How a workspace comes to be, and why a crash cannot spoil it.
//
// A tenant's database is cloned under a provisional name, "<name>__new". There it gets its own identity (database uuid
// and secret, no password of the template, leadctl's account with the secret that the caller has already stored) and a
// marker saying which installation and which tenant it belongs to. Only then is it renamed to its final name.
// PostgreSQL makes the rename whole or not at all, so:
//
//   - a database under the final name either carries our marker and our secret, or was made by somebody else;
//   - a crash before the rename leaves a provisional database, which the next attempt finishes where it stopped: nothing is
//     made twice and nothing is thrown away that another attempt may be working on;
//   - two attempts at once both reach the same end: the steps repeat harmlessly, and the second rename finds the work done.
//
// A database of the final name without the marker of this installation and this tenant is never written to, renamed or
// dropped. The marker lives inside the database (ir.config_parameter) because that is the one place both ways of
// provisioning can read, and it survives backup, restore and moves between clusters.

// markerKey names the parameter that says whose a database is; templateKey the one that says it is a prepared template.
const (
	markerKey   = "leadctl.owner"
	templateKey = "leadctl.template"
)

// provisionalSuffix marks a database that is being made.
const provisionalSuffix = "__new"

// Workspace names a tenant's database and the secret of leadctl's account in it. The caller makes the secret with
// NewSecret and stores it, encrypted, before the first step: then no crash can lose it, and every step can install
// exactly that one.
type Workspace struct {
	Tenant   tenantid.ID
	Database string
	Secret   odoo.Secret
}

// DatabaseName is the name of a tenant's database: made of the installation's prefix and the tenant's number alone,
// never of a mail domain or a display name, which two strangers may share.
func DatabaseName(prefix string, tenant tenantid.ID) string {
	return fmt.Sprintf("%s_t%d", prefix, tenant)
}

// Both names must also fit PostgreSQL's 63 bytes and Odoo's rule for names.
var databaseName = regexp.MustCompile(`^[a-z][a-z0-9_]{1,50}$`)

var installationName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

// check refuses a workspace that no step should begin with.
func (w Workspace) check() error {
	switch {
	case !w.Tenant.Valid():
		return fault.New(fault.Internal, "workspace without a tenant")
	case !databaseName.MatchString(w.Database) || strings.HasSuffix(w.Database, provisionalSuffix):
		return fault.New(fault.Operator, "Odoo database name %q: not of the form [a-z][a-z0-9_]{1,50}", w.Database).
			WithCode(odoo.CodeMisconfig)
	case !w.Secret.IsAPIKey():
		return fault.New(fault.Internal, "tenant %s: workspace secret is not one of NewSecret's", w.Tenant)
	}
	return nil
}

// provisionalName is the name under which the workspace's database is made.
func (w Workspace) provisionalName() string { return w.Database + provisionalSuffix }

// markerOf is what the database must say about itself.
func markerOf(installation string, tenant tenantid.ID) string {
	return installation + "/tenant/" + tenant.String()
}

// backend is one way of making workspaces; production has three: raw clones on the PostgreSQL cluster, databases that
// Odoo is asked to make, and companies. No method touches a final database before it has read the marker it expects
// there.
type backend interface {
	// ensureWorkspace makes the workspace's database and reports whether this call did it. What can never become one is
	// removed.
	ensureWorkspace(ctx context.Context, w Workspace) (created bool, err error)
	// installSecret makes w.Secret the one secret of leadctl's account.
	installSecret(ctx context.Context, w Workspace) error
	// takeSpareUser turns a user that the clone came with into a person and returns its id, 0 when there is none to
	// take.
	takeSpareUser(ctx context.Context, w Workspace, u User) (int64, error)
	// dropWorkspace deletes the workspace's database, final and provisional, and reports whether there was one.
	dropWorkspace(ctx context.Context, w Workspace) (bool, error)
	// archiveWorkspace puts the workspace's database aside under another name, and reports whether there was one.
	archiveWorkspace(ctx context.Context, w Workspace, as string) (bool, error)
}

// foreignWorkspace is the answer to every database that is not provably ours.
func foreignWorkspace(w Workspace, why string) error {
	return fault.New(fault.Operator, "Odoo database %s of tenant %s: exists, but %s", w.Database, w.Tenant, why).
		WithCode(odoo.CodeForeign).
		WithHint("leadctl adopts no database it did not make: rename or drop %s, or give this installation "+
			"another prefix", w.Database)
}

// notPrepared is the answer to a template that PrepareTemplate has not brought to its end.
func notPrepared(template string) error {
	return fault.New(fault.Operator, "Odoo template database %s: missing, not locked, or not prepared by leadctl",
		template).
		WithCode(odoo.CodeMisconfig).WithHint("prepare it with: leadctl odoo template prepare")
}

func archiveTaken(as string) error {
	return fault.New(fault.Conflict, "Odoo database %s: there is one already, of an earlier workspace archived today",
		as).
		WithHint("rename or drop it, or drop this workspace instead")
}
