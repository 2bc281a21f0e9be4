package config

// docs describes each setting, by its key. Flags and docs/config.md show these texts.
var docs = map[string]string{
	"env": "production or development. Development allows http, the development bypass and one database " +
		"login for all roles.",

	"log.level":  "debug, info, warn or error.",
	"log.format": "json, text or auto. auto means text on a terminal, else json.",

	"database.dsn": "Connection URL or keyword=value pairs. `leadctl migrate` needs the owner's login; " +
		"`leadctl serve` needs a login that is a member of leadctl_app and leadctl_system only.",
	"database.max_conns": "Maximum number of connections of one process for requests; 0 means 10. Jobs use " +
		"up to five more.",

	"api.listen":         "host:port of API and console.",
	"api.metrics_listen": "host:port of the Prometheus metrics. It must not be reachable from public networks.",
	"api.settle": "How long a process that is told to stop still answers new requests after `/readyz` has begun to " +
		"fail: seconds, or a duration such as 10s. It must be longer than the load balancer takes to notice.",
	"api.public_url": "URL of the API as browsers see it; redirect URIs are built from it. The default is " +
		"http:// and the listen address.",
	"api.cors_origins": "Browser origins that may send requests with credentials, exactly as browsers send " +
		"them: scheme://host[:port].",
	"api.trusted_proxies": "Addresses or CIDR ranges of proxies. For requests from them, the rate limits " +
		"use the client address in X-Forwarded-For. The default is no proxy.",
	"api.access_cookie":  "Name of the cookie that may carry the ID token.",
	"api.refresh_cookie": "Name of the cookie that may carry the refresh token.",
	"api.cookie_secure":  "Send cookies over https only. Production requires true.",

	"sso.issuer": "Issuer URL, exactly as in the tokens: Auth0's ends with a slash, Keycloak's does not.",
	"sso.internal_url": "URL at which this process reaches the issuer, if it differs from the issuer URL " +
		"(containers).",
	"sso.audiences": "Accepted aud values. The default is the client id. If both are unset, the audience is " +
		"not checked and `leadctl serve` logs a warning.",
	"sso.client_id":     "Client id of leadctl at the provider; the console signs users in with it.",
	"sso.client_secret": "Secret of that client; unset for a public client.",
	"sso.extra_clients": "Further client ids whose tokens are accepted (azp), such as that of the command line.",
	"sso.algorithms":    "Accepted signature algorithms.",
	"sso.tenant_claims": "Paths of claims that may name the tenant. If several are present, they must agree.",
	"sso.role_claims":   "Paths of claims that may hold roles. The roles of all of them count.",
	"sso.role_delimiter": "Separator of the roles in a claim that is one string. By default such a claim is " +
		"one role.",
	"sso.membership": "Who is admitted to the tenant that a token's claim names. claim: every user whose token " +
		"names it, except users who were removed from it; required: only users of the tenant " +
		"(`leadctl tenant user list`).",

	"onboarding.policy": "Who gets a tenant at the first sign-in, besides users who belong to one. open: " +
		"every user of the provider; domains: users with a verified e-mail address in onboarding.domains; " +
		"invite or closed: no user.",
	"onboarding.domains": "E-mail domains for the policy domains.",
	"onboarding.claim_policy": "What happens at the first sign-in if the tenant claim names no existing " +
		"tenant. create: onboarding.policy decides whether leadctl creates it; existing: the sign-in is " +
		"rejected.",
	"onboarding.first_role": "Stored role of the first user of a tenant that a sign-in makes. Roles in the token " +
		"take precedence.",

	"quotas.members": "Maximum number of users of a tenant, including added and invited users who have not " +
		"signed in yet; 0 means no limit.",
	"quotas.invitations":  "Maximum number of open invitations of a tenant; 0 means no limit.",
	"quotas.streams":      "Maximum number of open event streams of a tenant in one process; 0 means no limit.",
	"quotas.user_streams": "Maximum number of open event streams of a user in one process; 0 means no limit.",

	"odoo.server_url":      "Base URL of the Odoo server.",
	"odoo.master_password": "Password of Odoo's database manager; not needed if odoo.postgres_dsn is set.",
	"odoo.template_db":     "Prepared database from which tenant databases are cloned.",
	"odoo.template_password": "Password of the administrator in the template. Needed in mode company, and " +
		"if odoo.postgres_dsn is unset, because Odoo's database service then copies the template.",
	"odoo.postgres_dsn": "Connection URL or keyword=value pairs of Odoo's PostgreSQL, for a role that may " +
		"create databases. leadctl then clones databases without Odoo's database manager.",
	"odoo.default_db_name": "Name of the shared database in mode company.",
	"odoo.mode":            "database: a database per tenant; company: one database with a company per tenant.",
	"odoo.protocol":        "auto, xmlrpc (all versions to date) or json2 (Odoo 19 and later).",
	"odoo.public_url": "URL of Odoo as browsers see it, for links in the console and in Odoo's mails. The default is " +
		"odoo.server_url.",
	"odoo.language": "Language of new users in Odoo, as Odoo writes it: en_US, en_GB, zh_CN, ms_MY. After a change, " +
		"run " +
		"`leadctl odoo template prepare`, so that no sign-in waits for the translations.",
	"odoo.lead_type": "What a pushed lead becomes in Odoo. opportunity: a card in the pipeline; lead: a line of the " +
		"menu Leads, which leadctl switches on.",
	"odoo.push_limit": "Largest number of leads that a push brings to a tenant's CRM, best first. 0: no limit.",
	"odoo.assign": "To whom new leads in a tenant's CRM belong. none: to no person; round_robin: to the salespeople " +
		"of the sales team in turn. `leadctl odoo policy` changes it for a tenant.",
	"odoo.sso_client_id": "Client id of Odoo at the identity provider (public client, implicit flow). By " +
		"default users do not sign in to Odoo through the provider.",
	"odoo.validation_url": "URL at which the Odoo server reaches this API, which checks the token of each " +
		"sign-in to Odoo. The default is api.public_url, else http:// and the listen address.",
	"odoo.database_prefix": "Prefix of the names of tenant databases.",

	"acra.api_url":      "URL of the register's paged API.",
	"acra.resource_ids": "Ids of the datasets to read. The default is all of them, one for each first letter.",
	"acra.page_size":    "Number of rows in one page. The API rejects 10000.",
	"acra.api_key":      "API key of data.gov.sg. It is optional and raises the rate limit.",
	"acra.columns": "Columns that the register has under another name, such as postcode=postal_code. NAME=- ignores " +
		"a column.",
	"acra.max_shrink": "Percentage of rows by which a release may be smaller than the last complete one. Below that, " +
		"the run is incomplete and marks no company absent.",
	"acra.interval": "Time between scheduled runs, in seconds or as a duration such as 12h. 0 means daily " +
		"at midnight in Asia/Singapore.",
	"acra.disable_scheduler": "Do not schedule ingestions in this process, and do not run those that other " +
		"processes schedule. In development, only acra.interval switches the schedule on.",
	"acra.disable_startup_ingest": "Do not start a missed or first ingestion when `leadctl serve` starts, " +
		"but wait for the next scheduled time.",

	"leads.weights": "Weights that differ from the defaults, such as version=acme-2,industry=40,high=0.8. " +
		"docs/scoring.md lists them. Changed weights need their own version.",

	"secrets.keyset": "Tink AEAD keyset (JSON) that encrypts the tenants' Odoo secrets. Prefer the form " +
		"with a file.",

	"console.operator_tenant": "Tenant of the operator. Its users with the role ops or admin can open the " +
		"operations pages; 0 means no tenant.",
	"console.operator_role": "Role whose holders can open the operations pages, whatever their tenant is. " +
		"The default is no role.",

	"dev.allow_bypass": "Accept the header X-Tenant-ID in place of a token. Rejected unless env is " +
		"development and the server listens on loopback. Only 0 and false switch it off.",
	"dev.default_tenant_id": "Tenant of the bypass if the header is absent; 0 means none.",
}
