// Package wire builds the packages of leadctl from the configuration: database, verifier, sessions, workers,
// workspaces. The daemon (serve), demo, doctor and the command line use it. It starts nothing; each function opens at
// most what it returns.
package wire

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"

	"github.com/riverqueue/river"

	"github.com/leadctl/leadctl/migrations"
	"github.com/leadctl/leadctl/pkg/acra"
	"github.com/leadctl/leadctl/pkg/config"
	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/jobs"
	"github.com/leadctl/leadctl/pkg/leads"
	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/odoo/crm"
	"github.com/leadctl/leadctl/pkg/odoo/provision"
	"github.com/leadctl/leadctl/pkg/onboarding"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/schema"
	"github.com/leadctl/leadctl/pkg/secret"
	"github.com/leadctl/leadctl/pkg/sso"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/tenantid"
	"github.com/leadctl/leadctl/pkg/websession"
	"github.com/leadctl/leadctl/pkg/workspace"
)

// Verifier returns the token verifier that cfg describes.
func Verifier(cfg config.Config, log *slog.Logger) (*sso.Verifier, error) {
	return sso.NewVerifier(SSO(cfg, log))
}

// SSO returns cfg's identity provider as package sso's configuration.
func SSO(cfg config.Config, log *slog.Logger) sso.Config {
	clients := slices.DeleteFunc(append([]string{cfg.SSO.ClientID}, cfg.SSO.ExtraClients...),
		func(c string) bool { return c == "" })
	return sso.Config{
		Issuer: cfg.SSO.Issuer, InternalURL: cfg.SSO.InternalURL, Audiences: cfg.SSO.Audiences, ClientIDs: clients,
		Algorithms: cfg.SSO.Algorithms,
		Claims: sso.ClaimPaths{Tenant: cfg.SSO.TenantClaims, Roles: cfg.SSO.RoleClaims,
			RoleDelimiter: cfg.SSO.RoleDelimiter},
		AllowInsecure: cfg.Development(), Log: log,
	}
}

// Database opens cfg's database.
func Database(ctx context.Context, cfg config.Config, log *slog.Logger) (*postgres.DB, error) {
	if cfg.Database.DSN == "" {
		return nil, fault.New(fault.Invalid, "POSTGRES_DSN: not set").WithHint(
			"set POSTGRES_DSN, or try `leadctl demo`, which needs no database")
	}
	return postgres.Open(ctx, cfg.Database.DSN, postgres.Options{MaxConns: int32(cfg.Database.MaxConns), Log: log})
}

// Check runs the gate: the schema has this binary's version, and the catalog shows no way for a tenant to read another
// tenant's row. If strict (in production), it checks the login's rights too. Faults: Operator with the exact reason.
func Check(ctx context.Context, db *postgres.DB, strict bool) error {
	return db.ReadCatalog(ctx, func(q schema.Querier) error {
		st, err := schema.ReadStatus(ctx, q, migrations.FS)
		if err != nil {
			return err
		}
		var found []schema.Violation
		if strict {
			if found, err = schema.GateLogin(ctx, q); err != nil {
				return err
			}
		}
		if err := st.Problem(); err != nil {
			return errors.Join(schema.Refusal(found), err)
		}
		tables, err := schema.Gate(ctx, q)
		return cmp.Or(err, schema.Refusal(append(found, tables...)))
	})
}

// Onboarding returns the service that enqueues first sign-ins, for the API and `leadctl tenant provision`.
func Onboarding(cfg config.Config, db *postgres.DB, client *jobs.Client) *onboarding.Service {
	return &onboarding.Service{DB: db, Jobs: client, Quotas: Quotas(cfg), Policy: onboarding.Policy{
		Mode: cfg.Onboarding.Policy, Domains: cfg.Onboarding.Domains,
		ExistingOnly: cfg.Onboarding.ClaimPolicy == "existing", FirstRole: sso.Role(cfg.Onboarding.FirstRole),
	}, Membership: tenant.Membership(cfg.SSO.Membership)}
}

// Quotas returns how many members and invitations a tenant may have.
func Quotas(cfg config.Config) tenant.Quotas {
	return tenant.Quotas{Members: cfg.Quotas.Members, Invitations: cfg.Quotas.Invitations}
}

// Sessions returns the manager that signs browsers in, nil if cfg names no client. addr is the API's address, used if
// there is no public URL.
func Sessions(cfg config.Config, addr string, db *postgres.DB, keys *secret.Keyring,
	verifier *sso.Verifier) *websession.Manager {
	if cfg.SSO.ClientID == "" {
		return nil
	}
	base := strings.TrimSuffix(cmp.Or(cfg.API.PublicURL, "http://"+addr), "/")
	return websession.New(websession.Config{
		ClientID: cfg.SSO.ClientID, ClientSecret: cfg.SSO.ClientSecret, CallbackURL: base + "/auth/callback",
		HomeURL: base + "/", Origins: Origins(cfg),
	}, db, keys, verifier, func(ctx context.Context) (sso.Discovery, error) { return sso.Discover(ctx, SSO(cfg, nil)) })
}

// Workers returns a worker for every kind of job.
func Workers(cfg config.Config, db *postgres.DB, spaces *workspace.Service, log *slog.Logger) *river.Workers {
	workers := river.NewWorkers()
	river.AddWorker(workers, &onboarding.Worker{DB: db, Workspaces: spaces, Log: log})
	river.AddWorker(workers, &workspace.UsersWorker{Workspaces: spaces})
	river.AddWorker(workers, &workspace.AccessWorker{Workspaces: spaces})
	river.AddWorker(workers, &workspace.VisitEndWorker{Workspaces: spaces})
	river.AddWorker(workers, &workspace.PushWorker{Workspaces: spaces})
	river.AddWorker(workers, &workspace.FeedbackWorker{Workspaces: spaces})
	source := func() (acra.Source, error) { return registerSource(cfg, log) }
	river.AddWorker(workers, &acra.Worker{DB: db, Source: source, MaxShrink: float64(cfg.ACRA.MaxShrink) / 100,
		Columns: cfg.ACRA.Columns, After: refreshAfterIngest(db, log), Log: log})
	weights := func() (leads.Weights, error) { return leads.ParseWeights(cfg.Leads.Weights) }
	river.AddWorker(workers, &leads.Worker{DB: db, Weights: weights, After: pushAfterScoring(spaces), Log: log})
	return workers
}

// Register returns the service that publishes the register.
func Register(cfg config.Config, log *slog.Logger) acra.Service {
	service := acra.NewService(cfg.ACRA.APIURL, cfg.ACRA.APIKey)
	service.Log = log
	return service
}

// pushAfterScoring returns a function that enqueues the push of a tenant's new scores to its CRM, nil without Odoo.
func pushAfterScoring(spaces *workspace.Service) func(context.Context, postgres.SystemTx, tenantid.ID) error {
	if spaces.Odoo == nil {
		return nil
	}
	return func(ctx context.Context, tx postgres.SystemTx, id tenantid.ID) error {
		queue, err := jobs.QueueFrom(ctx)
		if err == nil {
			_, _, err = queue.Enqueue(ctx, tx, workspace.PushArgs{Tenant: id})
		}
		return err
	}
}

// registerSource returns the source that `leadctl acra ingest` reads by default.
func registerSource(cfg config.Config, log *slog.Logger) (acra.Source, error) {
	return acra.Choose(acra.Choice{Service: Register(cfg, log), Datasets: cfg.ACRA.ResourceIDs,
		PageSize: cfg.ACRA.PageSize})
}

// Companies updates the companies after an ingestion, and after an earlier one that was interrupted, and enqueues the
// scoring that follows. Every ingestion calls it.
func Companies(ctx context.Context, db *postgres.DB, queue *jobs.Client, rep acra.Report) (done leads.CompaniesReport,
	err error) {
	err = db.InSystem(ctx, "companies", func(ctx context.Context, tx postgres.SystemTx) error {
		done, err = leads.FollowRegister(ctx, tx, queue, !rep.NothingToDo)
		return err
	})
	return done, err
}

func refreshAfterIngest(db *postgres.DB, log *slog.Logger) func(context.Context, acra.Report) error {
	return func(ctx context.Context, rep acra.Report) error {
		queue, err := jobs.QueueFrom(ctx)
		if err != nil {
			return err
		}
		done, err := Companies(ctx, db, queue, rep)
		if err == nil {
			log.InfoContext(ctx, "companies follow the register", "added", done.Added, "updated", done.Updated,
				"closed", done.Closed)
		}
		return err
	}
}

// Workspaces returns the service that makes and changes tenants' workspaces.
func Workspaces(ctx context.Context, cfg config.Config, db *postgres.DB, log *slog.Logger) (*workspace.Service, error) {
	keys, err := secret.Parse([]byte(cfg.Secrets.Keyset))
	if err != nil {
		return nil, err
	}
	provisioner, err := Provisioner(ctx, cfg, db, log)
	return &workspace.Service{DB: db, Keys: keys, Odoo: provisioner,
		BaseURL: cmp.Or(cfg.Odoo.PublicURL, cfg.Odoo.ServerURL), Defaults: PolicyDefaults(cfg),
		Prefix: cfg.Odoo.DatabasePrefix, OdooLogin: odooLogin(cfg, log), Log: log}, err
}

// odooLogin returns how members sign in to Odoo through the provider, nil if cfg names no client for it.
func odooLogin(cfg config.Config, log *slog.Logger) *workspace.OdooLogin {
	if cfg.Odoo.SSOClientID == "" || cfg.SSO.Issuer == "" {
		return nil
	}
	return &workspace.OdooLogin{ClientID: cfg.Odoo.SSOClientID, Issuer: cfg.SSO.Issuer,
		BaseURL:  cmp.Or(cfg.Odoo.ValidationURL, cfg.API.PublicURL, "http://"+cfg.API.Listen),
		PagesURL: cmp.Or(cfg.API.PublicURL, "http://"+cfg.API.Listen),
		Discover: func(ctx context.Context) (sso.Discovery, error) { return sso.Discover(ctx, SSO(cfg, log)) }}
}

// OdooVerifier returns the verifier for the tokens of Odoo's own client, nil if cfg names no such client.
func OdooVerifier(cfg config.Config, log *slog.Logger) (*sso.Verifier, error) {
	if odooLogin(cfg, log) == nil {
		return nil, nil
	}
	own := SSO(cfg, log)
	own.Audiences, own.ClientIDs = []string{cfg.Odoo.SSOClientID}, []string{cfg.Odoo.SSOClientID}
	return sso.NewVerifier(own)
}

// Provisioner returns what makes workspaces on cfg's Odoo, nil without Odoo. Every ownership marker contains the
// installation's id, so that a new leadctl database does not take over the workspaces of an old one.
func Provisioner(ctx context.Context, cfg config.Config, db *postgres.DB, log *slog.Logger) (*provision.Provisioner,
	error) {
	if cfg.Odoo.ServerURL == "" {
		return nil, nil
	}
	server, err := odoo.New(odoo.Options{BaseURL: cfg.Odoo.ServerURL, Protocol: cfg.Odoo.Protocol, Log: log})
	if err != nil {
		return nil, err
	}
	installation, err := Installation(ctx, db)
	if err != nil {
		return nil, err
	}
	return provision.NewProvisioner(server, provision.Provisioning{
		Installation: installation, Template: cfg.Odoo.TemplateDB, ClusterDSN: odoo.Secret(cfg.Odoo.PostgresDSN),
		Master: odoo.Secret(cfg.Odoo.MasterPassword), TemplateSecret: odoo.Secret(cfg.Odoo.TemplatePassword),
		Mode: cfg.Odoo.Mode, Shared: cfg.Odoo.DefaultDBName,
		LeadType: cfg.Odoo.LeadType, PublicURL: cfg.Odoo.PublicURL, Language: cfg.Odoo.Language,
	})
}

// PolicyDefaults returns the installation's settings for pushes.
func PolicyDefaults(cfg config.Config) workspace.PolicyDefaults {
	return workspace.PolicyDefaults{MaxLeads: cfg.Odoo.PushLimit, Assign: crm.Assign(cfg.Odoo.Assign)}
}

// Installation returns the id of this leadctl database, as ownership markers contain it.
func Installation(ctx context.Context, db *postgres.DB) (id string, err error) {
	err = db.InSystem(ctx, "installation id", func(ctx context.Context, tx postgres.SystemTx) error {
		return tx.QueryRow(ctx, `SELECT id::text FROM installation`).Scan(&id)
	})
	return id, err
}

// Audience returns the audience that tokens must name.
func Audience(cfg config.Config) string {
	return cmp.Or(slices.Concat(cfg.SSO.Audiences, []string{cfg.SSO.ClientID})...)
}

// Origins returns the origins whose pages may call the API. In development it adds the usual addresses of a UI.
func Origins(cfg config.Config) []string {
	if !cfg.Development() {
		return cfg.API.CORSOrigins
	}
	return append([]string{"http://localhost:3000", "http://127.0.0.1:3000"}, cfg.API.CORSOrigins...)
}
