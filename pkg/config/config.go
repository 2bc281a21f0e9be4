// Package config is what leadctl can be told from outside: one struct, filled from flags, environment, leadctl.yaml and
// defaults, in that order of strength.
//
// The struct's tags are the only list of settings. Loading (load.go), `leadctl config show` (show.go) and docs/config.md
// all read that list through Settings. What a setting means is up to the package that cmd/leadctl hands it to;
// the rules that span several settings (what a server may start with) are in serve.go.
//
// Tags: key (in leadctl.yaml, under its group's), env (names in order of strength; none means LEADCTL_<KEY>), flag,
// default, check (see check.go), doc, and secret: "all" hides the value, "password" only what stands inside a URL or DSN.
// A secret's value may also come from a file: ENV_NAME_FILE, or <key>_file in leadctl.yaml.
package config

import (
	"log/slog"
	"time"

	"github.com/leadctl/leadctl/pkg/tenantid"
)

// Config is every setting, grouped by what it is about. Load makes one; the zero Config is not usable.
type Config struct {
	Env        string     `key:"env" default:"production" check:"environment" doc:"production or development. Development relaxes what only a laptop may: http, the bypass, one database login."`
	Log        Log        `key:"log" doc:"What is logged, and how"`
	Database   Database   `key:"database" doc:"The PostgreSQL that leadctl keeps its tables in"`
	API        API        `key:"api" doc:"What serve listens on and answers to"`
	SSO        SSO        `key:"sso" doc:"The identity provider (OIDC) whose tokens count"`
	Onboarding Onboarding `key:"onboarding" doc:"Who gets a tenant at the first sign-in"`
	Quotas     Quotas     `key:"quotas" doc:"How much one tenant may have"`
	Odoo       Odoo       `key:"odoo" doc:"The Odoo server that tenants get their workspace on"`
	ACRA       ACRA       `key:"acra" doc:"Where the company register comes from, and when"`
	Leads      Leads      `key:"leads" doc:"How leads are scored"`
	Secrets    Secrets    `key:"secrets" doc:"How secrets are kept in the database"`
	Console    Console    `key:"console" doc:"The pages for people"`
	Dev        Dev        `key:"dev" doc:"For development on one machine only"`

	settings []loadedSetting
	problems []string
}

// Log is what is logged, and how.
type Log struct {
	Level  slog.Level `key:"level" flag:"log-level" default:"info" doc:"debug, info, warn or error"`
	Format string     `key:"format" flag:"log-format" default:"auto" check:"logformat" doc:"json, text, or auto: text on a terminal, else json"`
}

// Database is the PostgreSQL that leadctl keeps its tables in.
type Database struct {
	DSN      string `key:"dsn" env:"POSTGRES_DSN,DATABASE_URL" secret:"password" doc:"Connection URL or key=value text. migrate needs the owner's login, serve one that can become leadctl_app and leadctl_system only."`
	MaxConns int    `key:"max_conns" default:"0" check:"natural" doc:"Most connections one process opens for requests; 0 means 10. Jobs have five of their own."`
}

// API is what serve listens on and answers to.
type API struct {
	Listen         string   `key:"listen" flag:"listen" default:"127.0.0.1:2024" check:"address" doc:"host:port of API and console"`
	MetricsListen  string   `key:"metrics_listen" flag:"metrics-listen" default:"127.0.0.1:9124" check:"address" doc:"host:port of the Prometheus metrics; keep it off public networks"`
	PublicURL      string   `key:"public_url" check:"url" doc:"The API's own URL as browsers see it; redirect URIs are built from it. Empty means http:// and the listen address."`
	CORSOrigins    []string `key:"cors_origins" env:"EXTRA_CORS_ORIGINS" check:"origins" doc:"Browser origins that may call with credentials, exactly as sent: scheme://host[:port]"`
	TrustedProxies []string `key:"trusted_proxies" check:"networks" doc:"Addresses or CIDR ranges of proxies whose X-Forwarded-For tells where a request comes from, for the rate limits; empty means nobody's"`
	AccessCookie   string   `key:"access_cookie" env:"ACCESS_COOKIE_NAME" default:"nx_access" check:"cookie" doc:"Cookie that may carry the ID token"`
	RefreshCookie  string   `key:"refresh_cookie" env:"REFRESH_COOKIE_NAME" default:"nx_refresh" check:"cookie" doc:"Cookie that may carry the refresh token"`
	CookieSecure   bool     `key:"cookie_secure" env:"COOKIE_SECURE" default:"true" doc:"Cookies only over https. False is refused in production."`
}

// SSO is the identity provider (OIDC) whose tokens count.
type SSO struct {
	Issuer        string   `key:"issuer" env:"NEXIUS_ISSUER" check:"url" doc:"Issuer URL, byte for byte as in the tokens (Auth0's ends in a slash, Keycloak's does not)"`
	InternalURL   string   `key:"internal_url" check:"url" doc:"The issuer's URL as this process reaches it, when that differs (containers)"`
	Audiences     []string `key:"audiences" env:"NEXIUS_AUDIENCE" doc:"Accepted aud values; empty means the client id. With both empty the audience is not checked and serve warns."`
	ClientID      string   `key:"client_id" env:"NEXIUS_CLIENT_ID" doc:"Our client at the provider; the console signs in as it"`
	ClientSecret  string   `key:"client_secret" env:"NEXIUS_CLIENT_SECRET" secret:"all" doc:"The client's secret; empty for a public client"`
	ExtraClients  []string `key:"extra_clients" doc:"Further client ids whose tokens count (azp), such as the CLI's own"`
	Algorithms    []string `key:"algorithms" default:"RS256,ES256" doc:"Accepted signature algorithms"`
	TenantClaims  []string `key:"tenant_claims" default:"tenant_id,https://claims/tenant_id" doc:"Claim paths that may name the tenant; they must agree"`
	RoleClaims    []string `key:"role_claims" default:"roles,https://claims/roles,realm_access.roles,resource_access.<client>.roles,groups" doc:"Claim paths that may hold roles; their union counts"`
	RoleDelimiter string   `key:"role_delimiter" doc:"Splits a roles claim that is one text; empty means it is one role"`
}

// Onboarding is who gets a tenant at the first sign-in.
type Onboarding struct {
	Policy      string   `key:"policy" default:"open" check:"policy" doc:"open: anyone the provider vouches for; domains: verified addresses in the domains listed; invite: known users; closed: nobody"`
	Domains     []string `key:"domains" doc:"Mail domains for policy domains"`
	ClaimPolicy string   `key:"claim_policy" default:"create" check:"claimpolicy" doc:"What a tenant claim that names no tenant yet does at first sign-in: create one, or only an existing one counts"`
}

// Quotas is how much one tenant may have. 0 is no limit.
type Quotas struct {
	Members     int `key:"members" default:"1000" check:"natural" doc:"Users of a tenant, with those who were added or invited and have not signed in; 0 means no limit"`
	Invitations int `key:"invitations" default:"100" check:"natural" doc:"Invitations of a tenant that nobody has used yet; 0 means no limit"`
	Streams     int `key:"streams" default:"100" check:"natural" doc:"Event streams of a tenant that one process keeps open; 0 means no limit"`
	UserStreams int `key:"user_streams" default:"10" check:"natural" doc:"Event streams of one user that one process keeps open; 0 means no limit"`
}

// Odoo is the Odoo server that tenants get their workspace on.
type Odoo struct {
	ServerURL        string `key:"server_url" env:"ODOO_SERVER_URL" check:"url" doc:"Base URL of the Odoo server"`
	MasterPassword   string `key:"master_password" env:"ODOO_MASTER_PASSWORD" secret:"all" doc:"Odoo's database manager password; not needed with odoo.postgres_dsn"`
	TemplateDB       string `key:"template_db" env:"ODOO_TEMPLATE_DB" doc:"Prepared database that tenant databases are cloned from"`
	TemplatePassword string `key:"template_password" secret:"all" doc:"Password of the template's administrator; needed in mode company, and without odoo.postgres_dsn, when Odoo's own database service copies the template"`
	PostgresDSN      string `key:"postgres_dsn" env:"ODOO_POSTGRES_DSN" secret:"password" doc:"PostgreSQL under Odoo, as a role that may create databases: cloning without the database manager"`
	DefaultDBName    string `key:"default_db_name" env:"ODOO_DEFAULT_DB_NAME" doc:"The shared database of mode company"`
	Mode             string `key:"mode" default:"database" check:"odoomode" doc:"database: one per tenant; company: one database, a company per tenant"`
	Protocol         string `key:"protocol" default:"auto" check:"odooprotocol" doc:"auto, xmlrpc (every version to date) or json2 (19 and later)"`
	SSOClientID      string `key:"sso_client_id" doc:"Odoo's own client at the identity provider (public, implicit flow); empty means that people do not sign in to Odoo through it"`
	ValidationURL    string `key:"validation_url" check:"url" doc:"This API as Odoo's server reaches it, which has every sign-in's token judged here; empty means api.public_url, else http:// and the listen address"`
	DatabasePrefix   string `key:"database_prefix" default:"leadctl" check:"prefix" doc:"How the names of tenant databases begin"`
}

// ACRA is where the company register comes from, and when.
type ACRA struct {
	APIURL               string        `key:"api_url" env:"API_URL" default:"https://data.gov.sg/api/action/datastore_search" check:"url" doc:"The register's paged API"`
	ResourceIDs          []string      `key:"resource_ids" env:"RESOURCE_ID" doc:"Datasets to read; empty means all of them, one per first letter"`
	PageSize             int           `key:"page_size" env:"PAGE_SIZE" default:"2000" check:"positive" doc:"Rows asked for per page; the API refuses 10000"`
	APIKey               string        `key:"api_key" secret:"all" doc:"data.gov.sg key: raises the rate limit, is not required"`
	Interval             time.Duration `key:"interval" env:"INTERVAL_SECONDS" default:"0" check:"natural" doc:"Time between scheduled runs, as seconds or as 12h; 0 means daily at midnight in Asia/Singapore"`
	DisableScheduler     bool          `key:"disable_scheduler" env:"DISABLE_SCHEDULER" default:"false" doc:"This process keeps no schedule: it neither starts ingestions at a tick nor works those that another started (development keeps none unless interval is set)"`
	DisableStartupIngest bool          `key:"disable_startup_ingest" env:"DISABLE_STARTUP_INGEST" default:"false" doc:"serve does not make up for the latest tick when it starts, neither the first load nor one that was missed: it waits for the next"`
}

// Leads is how leads are scored.
type Leads struct {
	Weights []string `key:"weights" doc:"Weights that differ from the defaults, such as version=acme-2,industry=40,high=0.8. docs/scoring.md names them; changed ones need a version of their own."`
}

// Secrets is how secrets are kept in the database.
type Secrets struct {
	Keyset string `key:"keyset" env:"LEADCTL_KEYSET" secret:"all" doc:"Tink AEAD keyset (JSON) that encrypts tenants' Odoo secrets; best as a file"`
}

// Console is the pages for people. Without either setting nobody reaches the operations pages.
type Console struct {
	OperatorTenant tenantid.ID `key:"operator_tenant" default:"0" check:"natural" doc:"The operator's own tenant: its ops and admin users reach the operations pages; 0 means none"`
	OperatorRole   string      `key:"operator_role" doc:"Name in a roles claim whose holders reach the operations pages, whatever their tenant; empty means none"`
}

// Dev is for development on one machine only.
type Dev struct {
	AllowBypass     bool        `key:"allow_bypass" env:"ALLOW_DEV_BYPASS" default:"false" check:"bypass" doc:"X-Tenant-ID stands in for a token. Refused unless env is development and the listener is on loopback. Only 0 and false switch it off."`
	DefaultTenantID tenantid.ID `key:"default_tenant_id" env:"DEFAULT_TENANT_ID" default:"0" check:"natural" doc:"The bypass's tenant when the header is absent; 0 means none"`
}

// Development reports whether this is somebody's own machine. Everything else is production.
func (c Config) Development() bool { return c.Env == "development" || c.Env == "dev" }
