package provision

import "github.com/leadctl/leadctl/pkg/odoo"

// Modes say what a workspace is.
const (
	ModeDatabase = "database" // a database per tenant, cloned from the template
	ModeCompany  = "company"  // a company per tenant in one shared database, separated by record rules
)

// Provisioning holds the settings for making workspaces. With ClusterDSN, workspaces are raw clones on the PostgreSQL
// cluster (0.2 s each, without an effect on other tenants). Without it, Odoo's database service copies the template (1
// to 2 s).
type Provisioning struct {
	Installation string // the installation's name in every marker: letters, digits, ".", "_", "-"
	Template     string // the prepared template's database (ODOO_TEMPLATE_DB)

	ClusterDSN odoo.Secret // Odoo's PostgreSQL, with a role that may create databases (ODOO_POSTGRES_DSN)

	Master         odoo.Secret // Odoo's master password (ODOO_MASTER_PASSWORD), for the database service
	TemplateLogin  string      // the template's administrator, for the database service; "admin" by default
	TemplateSecret odoo.Secret // the administrator's password; a clone refuses it before it gets its final name

	LeadType  string // what pushed leads become: crm.TypeOpportunity (the default) or crm.TypeLead
	PublicURL string // Odoo's address in links of its mails; "": as Odoo detects it
	Language  string // of new users; "en_US" by default

	// In ModeCompany, Shared is the database of all tenants, which PrepareTemplate made. TemplateLogin and
	// TemplateSecret are those of its administrator. ClusterDSN is optional: with it, the tenants' accounts have API
	// keys instead of passwords.
	Mode   string // ModeDatabase by default
	Shared string // ODOO_DEFAULT_DB_NAME
}
