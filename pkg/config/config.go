// Package config loads leadctl's settings into one struct: from flags, the chosen profile, environment variables,
// leadctl.yaml and defaults. An earlier source overrides a later one.
//
// The tags of the struct are the only list of settings. Load (load.go), `leadctl config show` (show.go) and
// docs/config.md use that list through Settings. docs.go describes each setting. serve.go has the rules that concern
// several settings, such as what the daemon needs to start. The meaning of a setting belongs to the package that
// cmd/leadctl passes it to.
//
// The tags of a setting are:
//   - key: the key in leadctl.yaml, below its group's key
//   - env: the environment variables, of which the first that is set counts; the default is LEADCTL_<KEY>
//   - flag: the flag, if the setting has one
//   - default: the default value
//   - check: the name of a check (see check.go)
//   - secret: "all" to hide the whole value, "password" to hide the password in a URL or DSN
//
// The value of a secret can also come from a file, which <VARIABLE>_FILE or <key>_file in leadctl.yaml names. The tag
// doc of a group is its heading in docs/config.md.
package config

import (
	"log/slog"
	"time"

	"github.com/leadctl/leadctl/pkg/tenantid"
)

// Config holds all settings in groups. Load returns one; the zero Config is not usable.
type Config struct {
	Env        string     `key:"env" default:"production" check:"environment"`
	Log        Log        `key:"log" doc:"Logging"`
	Database   Database   `key:"database" doc:"Database"`
	API        API        `key:"api" doc:"API and console server"`
	SSO        SSO        `key:"sso" doc:"Identity provider (OIDC)"`
	Onboarding Onboarding `key:"onboarding" doc:"Onboarding"`
	Quotas     Quotas     `key:"quotas" doc:"Quotas of a tenant"`
	Odoo       Odoo       `key:"odoo" doc:"Odoo server"`
	ACRA       ACRA       `key:"acra" doc:"Company register (ACRA)"`
	Leads      Leads      `key:"leads" doc:"Lead scoring"`
	Secrets    Secrets    `key:"secrets" doc:"Secrets in the database"`
	Console    Console    `key:"console" doc:"Console"`
	Dev        Dev        `key:"dev" doc:"Development"`

	settings []loadedSetting
	problems []string // what Load found wrong
	unmarked string   // the configuration file, if it has no end mark
}

// Log holds the settings of logging.
type Log struct {
	Level  slog.Level `key:"level" flag:"log-level" default:"info"`
	Format string     `key:"format" flag:"log-format" default:"auto" check:"logformat"`
}

// Database holds the settings of the PostgreSQL database of leadctl's tables.
type Database struct {
	DSN      string `key:"dsn" env:"POSTGRES_DSN,DATABASE_URL" secret:"password"`
	MaxConns int    `key:"max_conns" default:"0" check:"natural"`
}

// API holds the settings of the server of API and console.
type API struct {
	Listen         string        `key:"listen" flag:"listen" default:"127.0.0.1:2024" check:"address"`
	MetricsListen  string        `key:"metrics_listen" flag:"metrics-listen" default:"127.0.0.1:9124" check:"address"`
	Settle         time.Duration `key:"settle" default:"5" check:"natural"`
	PublicURL      string        `key:"public_url" check:"url"`
	CORSOrigins    []string      `key:"cors_origins" env:"EXTRA_CORS_ORIGINS" check:"origins"`
	TrustedProxies []string      `key:"trusted_proxies" check:"networks"`
	AccessCookie   string        `key:"access_cookie" env:"ACCESS_COOKIE_NAME" default:"nx_access" check:"cookie"`
	RefreshCookie  string        `key:"refresh_cookie" env:"REFRESH_COOKIE_NAME" default:"nx_refresh" check:"cookie"`
	CookieSecure   bool          `key:"cookie_secure" env:"COOKIE_SECURE" default:"true"`
}

// SSO holds the settings of the identity provider (OIDC).
type SSO struct {
	Issuer        string   `key:"issuer" env:"NEXIUS_ISSUER" check:"url"`
	InternalURL   string   `key:"internal_url" check:"url"`
	Audiences     []string `key:"audiences" env:"NEXIUS_AUDIENCE"`
	ClientID      string   `key:"client_id" env:"NEXIUS_CLIENT_ID"`
	ClientSecret  string   `key:"client_secret" env:"NEXIUS_CLIENT_SECRET" secret:"all"`
	ExtraClients  []string `key:"extra_clients"`
	Algorithms    []string `key:"algorithms" default:"RS256,ES256"`
	TenantClaims  []string `key:"tenant_claims" default:"tenant_id,https://claims/tenant_id"`
	RoleClaims    []string `key:"role_claims" default:"roles,https://claims/roles,realm_access.roles,resource_access.<client>.roles,groups"`
	RoleDelimiter string   `key:"role_delimiter"`
	Membership    string   `key:"membership" default:"claim" check:"membership"`
}

// Onboarding holds the settings that decide who gets a tenant at the first sign-in.
type Onboarding struct {
	Policy      string   `key:"policy" default:"open" check:"policy"`
	Domains     []string `key:"domains"`
	ClaimPolicy string   `key:"claim_policy" default:"create" check:"claimpolicy"`
	FirstRole   string   `key:"first_role" default:"admin" check:"role"`
}

// Quotas holds the limits of one tenant. 0 means no limit.
type Quotas struct {
	Members     int `key:"members" default:"1000" check:"natural"`
	Invitations int `key:"invitations" default:"100" check:"natural"`
	Streams     int `key:"streams" default:"100" check:"natural"`
	UserStreams int `key:"user_streams" default:"10" check:"natural"`
}

// Odoo holds the settings of the Odoo server on which tenants get their workspaces.
type Odoo struct {
	ServerURL        string `key:"server_url" env:"ODOO_SERVER_URL" check:"url"`
	MasterPassword   string `key:"master_password" env:"ODOO_MASTER_PASSWORD" secret:"all"`
	TemplateDB       string `key:"template_db" env:"ODOO_TEMPLATE_DB"`
	TemplatePassword string `key:"template_password" secret:"all"`
	PostgresDSN      string `key:"postgres_dsn" env:"ODOO_POSTGRES_DSN" secret:"password"`
	DefaultDBName    string `key:"default_db_name" env:"ODOO_DEFAULT_DB_NAME"`
	Mode             string `key:"mode" default:"database" check:"odoomode"`
	Protocol         string `key:"protocol" default:"auto" check:"odooprotocol"`
	PublicURL        string `key:"public_url" check:"url"`
	Language         string `key:"language" default:"en_US" check:"language"`
	LeadType         string `key:"lead_type" default:"opportunity" check:"leadtype"`
	PushLimit        int    `key:"push_limit" default:"500" check:"natural"`
	Assign           string `key:"assign" default:"none" check:"assign"`
	SSOClientID      string `key:"sso_client_id"`
	ValidationURL    string `key:"validation_url" check:"url"`
	DatabasePrefix   string `key:"database_prefix" default:"leadctl" check:"prefix"`
}

// ACRA holds the settings of the ingestion of the company register.
type ACRA struct {
	APIURL               string        `key:"api_url" env:"API_URL" default:"https://data.gov.sg/api/action/datastore_search" check:"url"`
	ResourceIDs          []string      `key:"resource_ids" env:"RESOURCE_ID"`
	PageSize             int           `key:"page_size" env:"PAGE_SIZE" default:"2000" check:"positive"`
	APIKey               string        `key:"api_key" secret:"all"`
	Columns              []string      `key:"columns"`
	MaxShrink            int           `key:"max_shrink" default:"5" check:"positive"`
	Interval             time.Duration `key:"interval" env:"INTERVAL_SECONDS" default:"0" check:"natural"`
	DisableScheduler     bool          `key:"disable_scheduler" env:"DISABLE_SCHEDULER" default:"false"`
	DisableStartupIngest bool          `key:"disable_startup_ingest" env:"DISABLE_STARTUP_INGEST" default:"false"`
}

// Leads holds the settings of lead scoring.
type Leads struct {
	Weights []string `key:"weights"`
}

// Secrets holds the settings of secrets in the database.
type Secrets struct {
	Keyset string `key:"keyset" env:"LEADCTL_KEYSET" secret:"all"`
}

// Console holds the settings of the operations pages. If both are unset, no user can open these pages.
type Console struct {
	OperatorTenant tenantid.ID `key:"operator_tenant" default:"0" check:"natural"`
	OperatorRole   string      `key:"operator_role"`
}

// Dev holds settings for development on one machine.
type Dev struct {
	AllowBypass     bool        `key:"allow_bypass" env:"ALLOW_DEV_BYPASS" default:"false" check:"bypass"`
	DefaultTenantID tenantid.ID `key:"default_tenant_id" env:"DEFAULT_TENANT_ID" default:"0" check:"natural"`
}

// Development reports whether env is development. Every other value means production.
func (c Config) Development() bool { return c.Env == "development" || c.Env == "dev" }
