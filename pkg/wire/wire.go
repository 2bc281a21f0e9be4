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

// Verifier makes the judge of tokens that cfg describes.
func Verifier(cfg config.Config, log *slog.Logger) (*sso.Verifier, error) {
	return sso.NewVerifier(SSO(cfg, log))
}

// SSO is cfg's identity provider as package sso wants it.
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

// Check is the gate: the schema is this binary's, and nothing in it could show a tenant another's row. In production
// (strict) the login must be harmless too. Faults: Operator with the exact reason.
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
		if err := errors.Join(schema.Refusal(found), st.Problem()); err != nil {
			return err
		}
		if found, err = schema.Gate(ctx, q); err != nil {
			return err
		}
		return schema.Refusal(found)
	})
}

// Onboarding is the enqueuing side: what the API and `leadctl tenant provision` call.
func Onboarding(cfg config.Config, db *postgres.DB, client *jobs.Client) *onboarding.Service {
	return &onboarding.Service{DB: db, Jobs: client, Quotas: Quotas(cfg), Policy: onboarding.Policy{
		Mode: cfg.Onboarding.Policy, Domains: cfg.Onboarding.Domains,
		ExistingOnly: cfg.Onboarding.ClaimPolicy == "existing",
	}}
}

// Quotas are what a tenant may have of users.
func Quotas(cfg config.Config) tenant.Quotas {
	return tenant.Quotas{Members: cfg.Quotas.Members, Invitations: cfg.Quotas.Invitations}
}

// Sessions sign browsers in; nil where cfg names no client of ours at the provider. addr is where the API listens, for
// an installation that has no public URL.
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

// Workers are the working side: every kind of job, ready to be registered with River.
func Workers(cfg config.Config, db *postgres.DB, spaces *workspace.Service, log *slog.Logger) *river.Workers {
	workers := river.NewWorkers()
	river.AddWorker(workers, &onboarding.Worker{DB: db, Workspaces: spaces, Log: log})
	river.AddWorker(workers, &workspace.UsersWorker{Workspaces: spaces})
	river.AddWorker(workers, &workspace.PushWorker{Workspaces: spaces})
	river.AddWorker(workers, &acra.Worker{DB: db, Source: func() (acra.Source,
		error) {
		return registerSource(cfg, log)
	}, After: refreshAfterIngest(db, log), Log: log})
	river.AddWorker(workers, &leads.Worker{DB: db,
		Weights: func() (leads.Weights, error) { return leads.ParseWeights(cfg.Leads.Weights) }, After: pushAfterScoring(spaces),
		Log: log})
	return workers
}

// Register is the service that publishes the register, as cfg names it.
func Register(cfg config.Config, log *slog.Logger) acra.Service {
	service := acra.NewService(cfg.ACRA.APIURL, cfg.ACRA.APIKey)
	service.Log = log
	return service
}

// pushAfterScoring brings a tenant's new scores into its CRM.
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

// registerSource is what `leadctl acra ingest` reads when it is told nothing.
func registerSource(cfg config.Config, log *slog.Logger) (acra.Source, error) {
	return acra.Choose(acra.Choice{Service: Register(cfg, log), Datasets: cfg.ACRA.ResourceIDs,
		PageSize: cfg.ACRA.PageSize})
}

// Companies brings the companies to what an ingestion found, and what an earlier one left undone, and makes the scores
// due that follow from them. Whoever ingests calls it.
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

// Workspaces is what there is to do to tenants' workspaces.
func Workspaces(ctx context.Context, cfg config.Config, db *postgres.DB, log *slog.Logger) (*workspace.Service, error) {
	keys, err := secret.Parse([]byte(cfg.Secrets.Keyset))
	if err != nil {
		return nil, err
	}
	provisioner, err := Provisioner(ctx, cfg, db, log)
	return &workspace.Service{DB: db, Keys: keys, Odoo: provisioner, BaseURL: cfg.Odoo.ServerURL,
		Prefix: cfg.Odoo.DatabasePrefix, OdooLogin: odooLogin(cfg, log), Log: log}, err
}

// odooLogin is how people sign in to Odoo; nil where cfg names no client for that.
func odooLogin(cfg config.Config, log *slog.Logger) *workspace.OdooLogin {
	if cfg.Odoo.SSOClientID == "" || cfg.SSO.Issuer == "" {
		return nil
	}
	return &workspace.OdooLogin{ClientID: cfg.Odoo.SSOClientID, Issuer: cfg.SSO.Issuer, BaseURL: cmp.Or(cfg.Odoo.ValidationURL, cfg.API.PublicURL, "http://"+cfg.API.Listen),
		Discover: func(ctx context.Context) (sso.Discovery, error) { return sso.Discover(ctx, SSO(cfg, log)) }}
}

// OdooVerifier judges the tokens that people sign in to Odoo with: those of Odoo's own client and no others. nil where
// there is none.
func OdooVerifier(cfg config.Config, log *slog.Logger) (*sso.Verifier, error) {
	if odooLogin(cfg, log) == nil {
		return nil, nil
	}
	own := SSO(cfg, log)
	own.Audiences, own.ClientIDs = []string{cfg.Odoo.SSOClientID}, []string{cfg.Odoo.SSOClientID}
	return sso.NewVerifier(own)
}

// Provisioner makes workspaces on cfg's Odoo; nil when none is configured. The installation's own id goes into every
// ownership marker, so that a new database never takes an old one's workspaces for its own.
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
	})
}

// Installation is what this leadctl database is called in every ownership marker.
func Installation(ctx context.Context, db *postgres.DB) (id string, err error) {
	err = db.InSystem(ctx, "installation id", func(ctx context.Context, tx postgres.SystemTx) error {
		return tx.QueryRow(ctx, `SELECT id::text FROM installation`).Scan(&id)
	})
	return id, err
}

// Audience is the audience that tokens must name.
func Audience(cfg config.Config) string {
	return cmp.Or(slices.Concat(cfg.SSO.Audiences, []string{cfg.SSO.ClientID})...)
}

// Origins adds what a UI under development is served from.
func Origins(cfg config.Config) []string {
	if !cfg.Development() {
		return cfg.API.CORSOrigins
	}
	return append([]string{"http://localhost:3000", "http://127.0.0.1:3000"}, cfg.API.CORSOrigins...)
}
