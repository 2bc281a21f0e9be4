// Package odoorig is a leadctl with its own database and a job worker, on the real Odoo that scripts/live started. The
// benchmarks that need workspaces use it.
package odoorig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/leadctl/leadctl/migrations"
	"github.com/leadctl/leadctl/pkg/config"
	"github.com/leadctl/leadctl/pkg/jobs"
	"github.com/leadctl/leadctl/pkg/logging"
	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/odoo/provision"
	"github.com/leadctl/leadctl/pkg/onboarding"
	"github.com/leadctl/leadctl/pkg/pgtemp"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/schema"
	"github.com/leadctl/leadctl/pkg/secret"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/tenantid"
	"github.com/leadctl/leadctl/pkg/wire"
	"github.com/leadctl/leadctl/pkg/workspace"
)

// Options say which Odoo, and how leadctl talks to it.
type Options struct {
	Version  string // 19 or 14
	Protocol string
	Cluster  bool // clone databases in Odoo's PostgreSQL; false lets Odoo copy them
	Durable  bool // the database flushes to disk
}

// Rig is safe for concurrent use.
type Rig struct {
	Config     config.Config
	DB         *postgres.DB
	DSN        string // of leadctl's database, for its superuser
	Workspaces *workspace.Service

	onboarding *onboarding.Service
	mu         sync.Mutex
	made       []tenantid.ID
}

// Run prepares Odoo's template, starts leadctl, calls measure, and removes everything.
func Run(ctx context.Context, o Options, measure func(context.Context, *Rig) error) (err error) {
	server, err := pgtemp.Start(ctx, pgtemp.Options{Durable: o.Durable})
	if err != nil {
		return err
	}
	defer func() { _ = server.Stop() }()
	r := &Rig{DSN: server.DSN("postgres")}
	if err := r.readConfig(o); err != nil {
		return err
	}
	if _, err := schema.Up(ctx, r.DSN, schema.Options{FS: migrations.FS}); err != nil {
		return err
	}
	if r.DB, err = wire.Database(ctx, r.Config, logging.Discard()); err != nil {
		return err
	}
	defer r.DB.Close()
	if err := r.prepareTemplate(ctx); err != nil {
		return err
	}
	if r.Workspaces, err = wire.Workspaces(ctx, r.Config, r.DB, logging.Discard()); err != nil {
		return err
	}
	workers := wire.Workers(r.Config, r.DB, r.Workspaces, logging.Discard())
	client, err := jobs.New(ctx, r.DB, jobs.Options{Workers: workers})
	if err != nil {
		return err
	}
	if err := client.Start(ctx); err != nil {
		return err
	}
	defer func() { _ = client.Stop(ctx) }()
	r.onboarding = wire.Onboarding(r.Config, r.DB, client)
	defer func() { err = errors.Join(err, r.dropAll(ctx)) }()
	return measure(ctx, r)
}

// readConfig reads the location of Odoo from the environment that scripts/live sets.
func (r *Rig) readConfig(o Options) error {
	live := func(name string) string {
		return os.Getenv("LEADCTL_LIVE_ODOO" + strings.TrimPrefix(o.Version, "19") + "_" + name)
	}
	master, err := os.ReadFile(live("MASTER_FILE"))
	if err != nil {
		return fmt.Errorf("scripts/live sets where Odoo is: %w", err)
	}
	keys, err := secret.Generate()
	if err != nil {
		return err
	}
	r.Config = config.Config{Env: "development"}
	r.Config.Database.DSN = r.DSN
	r.Config.Secrets.Keyset = string(keys)
	// Each run has its own prefix: Odoo caches databases by name, so it would have stale ones of an earlier run.
	prefix := fmt.Sprintf("bench%d", os.Getpid())
	r.Config.Odoo = config.Odoo{ServerURL: live("URL"), PostgresDSN: live("DSN"),
		MasterPassword: strings.TrimSpace(string(master)), TemplateDB: "bench_template", DatabasePrefix: prefix,
		Mode: provision.ModeDatabase, Protocol: o.Protocol}
	if !o.Cluster {
		r.Config.Odoo.PostgresDSN, r.Config.Odoo.TemplatePassword = "", string(odoo.NewSecret())
	}
	return nil
}

func (r *Rig) prepareTemplate(ctx context.Context) error {
	server, err := odoo.New(odoo.Options{BaseURL: r.Config.Odoo.ServerURL, Timeout: 10 * time.Minute})
	if err != nil {
		return err
	}
	_, err = provision.PrepareTemplate(ctx, server,
		provision.Template{Name: r.Config.Odoo.TemplateDB, Master: odoo.Secret(r.Config.Odoo.MasterPassword),
			ClusterDSN: odoo.Secret(r.Config.Odoo.PostgresDSN), Secret: odoo.Secret(r.Config.Odoo.TemplatePassword),
			Progress: func(c provision.Check) {
				fmt.Fprintf(os.Stderr, "template: %-24s %6.2fs\n", c.Name, c.Took.Seconds())
			}})
	return err
}

// OrderWorkspace starts the onboarding of a new tenant.
func (r *Rig) OrderWorkspace(ctx context.Context, name string) (tenantid.ID, error) {
	t, err := r.onboarding.Provision(ctx, onboarding.Request{Name: name,
		Email: strings.ReplaceAll(name, " ", "") + "@example.com", Roles: []string{"admin"}}, tenant.By{Actor: "bench"})
	if err == nil {
		r.mu.Lock()
		r.made = append(r.made, t.ID)
		r.mu.Unlock()
	}
	return t.ID, err
}

// WaitReady waits until all tenants have their workspaces. One query covers all tenants, so that polling costs next to
// nothing.
func (r *Rig) WaitReady(ctx context.Context, ids []tenantid.ID) error {
	for done := false; !done; time.Sleep(50 * time.Millisecond) {
		err := r.DB.InSystem(ctx, "bench", func(ctx context.Context, tx postgres.SystemTx) error {
			var failed int
			err := tx.QueryRow(ctx,
				`SELECT count(*) FILTER (WHERE status = 'error'), coalesce(bool_and(status = 'ready'), false)
					FROM onboarding_status WHERE tenant_id = ANY($1)`, ids).
				Scan(&failed, &done)
			if failed > 0 {
				err = errors.Join(err, fmt.Errorf("%d workspaces ended in an error", failed))
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Session opens a tenant's workspace as leadctl's account.
func (r *Rig) Session(ctx context.Context, id tenantid.ID) (*odoo.Session, error) {
	w, err := r.Workspaces.Current(ctx, id)
	if err != nil {
		return nil, err
	}
	return r.Workspaces.Odoo.Session(ctx, w)
}

func (r *Rig) dropAll(ctx context.Context) error {
	var failed error
	for _, id := range r.made {
		w, err := r.Workspaces.Current(ctx, id)
		if err == nil {
			_, err = r.Workspaces.Odoo.DropDatabase(ctx, w)
		}
		failed = errors.Join(failed, err)
	}
	return failed
}
