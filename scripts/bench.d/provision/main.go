// Command provision measures how long it takes to provision workspaces on a real Odoo. ../provision.sh runs it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
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
	"github.com/leadctl/leadctl/scripts/bench.d/gauge"
)

func main() {
	var b bench
	flag.IntVar(&b.alone, "alone", 5, "number of workspaces made one after the other")
	flag.IntVar(&b.burst, "burst", 20, "number of workspaces made at the same time")
	flag.StringVar(&b.odoo, "odoo", "19", "version of Odoo: 19 or 14")
	flag.StringVar(&b.protocol, "protocol", odoo.ProtocolAuto, "protocol for Odoo: auto, xmlrpc or json2")
	flag.BoolVar(&b.cluster, "cluster", true, "clone databases in Odoo's PostgreSQL; false lets Odoo copy them")
	flag.Parse()
	if err := b.runBench(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "bench provision:", err)
		os.Exit(1)
	}
}

// bench is a leadctl with its own database. The job worker runs in this process, as it does in serve.
type bench struct {
	alone, burst   int
	odoo, protocol string
	cluster        bool

	cfg     config.Config
	db      *postgres.DB
	service *onboarding.Service
	made    []tenantid.ID
	mu      sync.Mutex
	steps   map[string][]time.Duration
}

func (b *bench) runBench(ctx context.Context) (err error) {
	server, err := pgtemp.Start(ctx, pgtemp.Options{})
	if err != nil {
		return err
	}
	defer func() { _ = server.Stop() }()
	if err := b.readConfig(server.DSN("postgres")); err != nil {
		return err
	}
	if _, err := schema.Up(ctx, b.cfg.Database.DSN, schema.Options{FS: migrations.FS}); err != nil {
		return err
	}
	if b.db, err = wire.Database(ctx, b.cfg, logging.Discard()); err != nil {
		return err
	}
	defer b.db.Close()
	if err := b.prepareTemplate(ctx); err != nil {
		return err
	}
	spaces, err := wire.Workspaces(ctx, b.cfg, b.db, logging.Discard())
	if err != nil {
		return err
	}
	client, err := jobs.New(ctx, b.db, jobs.Options{Workers: wire.Workers(b.cfg, b.db, spaces, logging.Discard())})
	if err != nil {
		return err
	}
	if err := client.Start(ctx); err != nil {
		return err
	}
	defer func() { _ = client.Stop(ctx) }()
	b.service = wire.Onboarding(b.cfg, b.db, client)
	defer func() { err = errors.Join(err, b.dropAll(ctx, spaces)) }()
	return b.measureAll(ctx)
}

// readConfig reads the location of Odoo from the environment that scripts/live sets.
func (b *bench) readConfig(dsn string) error {
	live := func(name string) string {
		return os.Getenv("LEADCTL_LIVE_ODOO" + strings.TrimPrefix(b.odoo, "19") + "_" + name)
	}
	master, err := os.ReadFile(live("MASTER_FILE"))
	if err != nil {
		return fmt.Errorf("scripts/live sets where Odoo is: %w", err)
	}
	keys, err := secret.Generate()
	if err != nil {
		return err
	}
	b.cfg = config.Config{Env: "development"}
	b.cfg.Database.DSN = dsn
	b.cfg.Secrets.Keyset = string(keys)
	// Each run has its own prefix: Odoo caches databases by name, so it would have stale ones of an earlier run.
	prefix := fmt.Sprintf("bench%d", os.Getpid())
	b.cfg.Odoo = config.Odoo{ServerURL: live("URL"), PostgresDSN: live("DSN"),
		MasterPassword: strings.TrimSpace(string(master)), TemplateDB: "bench_template", DatabasePrefix: prefix,
		Mode: provision.ModeDatabase, Protocol: b.protocol}
	if !b.cluster {
		b.cfg.Odoo.PostgresDSN, b.cfg.Odoo.TemplatePassword = "", string(odoo.NewSecret())
	}
	return nil
}

func (b *bench) prepareTemplate(ctx context.Context) error {
	server, err := odoo.New(odoo.Options{BaseURL: b.cfg.Odoo.ServerURL, Timeout: 10 * time.Minute})
	if err != nil {
		return err
	}
	_, err = provision.PrepareTemplate(ctx, server,
		provision.Template{Name: b.cfg.Odoo.TemplateDB, Master: odoo.Secret(b.cfg.Odoo.MasterPassword),
			ClusterDSN: odoo.Secret(b.cfg.Odoo.PostgresDSN), Secret: odoo.Secret(b.cfg.Odoo.TemplatePassword),
			Progress: func(c provision.Check) {
				fmt.Fprintf(os.Stderr, "template: %-24s %6.2fs\n", c.Name, c.Took.Seconds())
			}})
	return err
}

func (b *bench) measureAll(ctx context.Context) error {
	b.steps = map[string][]time.Duration{}
	if _, err := b.provisionOne(ctx, "warm"); err != nil { // Odoo's processes load their code at the first call
		return err
	}
	b.steps = map[string][]time.Duration{}
	var alone []time.Duration
	for i := range b.alone {
		took, err := b.provisionOne(ctx, fmt.Sprintf("alone %d", i))
		if err != nil {
			return err
		}
		alone = append(alone, took)
	}
	b.showSteps()
	printFigure("one", percentileOf(alone, 50), 3*time.Second)
	printFigure("one-p95", percentileOf(alone, 95), 3*time.Second)
	b.steps = map[string][]time.Duration{}
	together, worst, err := b.measureBurst(ctx)
	if err != nil {
		return err
	}
	b.showSteps()
	printFigure(fmt.Sprintf("%d-p50", b.burst), percentileOf(together, 50), 10*time.Second)
	printFigure(fmt.Sprintf("%d-p95", b.burst), percentileOf(together, 95), 10*time.Second)
	printFigure("bystander", worst, time.Second)
	return nil
}

// provisionOne orders a workspace, waits until it is ready, and returns the time it took.
func (b *bench) provisionOne(ctx context.Context, name string) (time.Duration, error) {
	id, err := b.orderWorkspace(ctx, name)
	if err != nil {
		return 0, err
	}
	took, err := b.waitReady(ctx, []tenantid.ID{id})
	if err != nil {
		return 0, err
	}
	return took[0], nil
}

// orderWorkspace starts the onboarding of a new tenant.
func (b *bench) orderWorkspace(ctx context.Context, name string) (tenantid.ID, error) {
	t, err := b.service.Provision(ctx, onboarding.Request{Name: name,
		Email: strings.ReplaceAll(name, " ", "") + "@example.com", Roles: []string{"admin"}}, tenant.By{Actor: "bench"})
	if err == nil {
		b.mu.Lock()
		b.made = append(b.made, t.ID)
		b.mu.Unlock()
	}
	return t.ID, err
}

// waitReady waits until all tenants are ready, and returns the time from each tenant's creation to its ready status, as
// the worker recorded it. One query covers all tenants, so that polling costs next to nothing.
func (b *bench) waitReady(ctx context.Context, ids []tenantid.ID) (took []time.Duration, err error) {
	for done := false; !done; time.Sleep(50 * time.Millisecond) {
		err := b.db.InSystem(ctx, "bench", func(ctx context.Context, tx postgres.SystemTx) error {
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
			return nil, err
		}
	}
	err = b.db.InSystem(ctx, "bench", func(ctx context.Context, tx postgres.SystemTx) error {
		for _, id := range ids {
			var whole time.Duration
			err := tx.QueryRow(ctx, `SELECT s.updated_at - t.created_at FROM onboarding_status s
				JOIN tenants t USING (tenant_id) WHERE tenant_id = $1`, id).Scan(&whole)
			if err != nil {
				return err
			}
			_, steps, err := onboarding.Progress(ctx, tx, id)
			if err != nil {
				return err
			}
			took = append(took, whole)
			for _, s := range steps {
				b.steps[s.Name] = append(b.steps[s.Name], s.Took())
			}
		}
		return nil
	})
	return took, err
}

// measureBurst orders all workspaces of the burst together, while another tenant's user works.
func (b *bench) measureBurst(ctx context.Context) (took []time.Duration, worst time.Duration, err error) {
	stop, err := b.startBystander(ctx)
	if err != nil {
		return nil, 0, err
	}
	ids := make([]tenantid.ID, b.burst)
	failed := make([]error, b.burst)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() { ids[i], failed[i] = b.orderWorkspace(ctx, fmt.Sprintf("burst %d", i)) })
	}
	wg.Wait()
	if err = errors.Join(failed...); err == nil {
		took, err = b.waitReady(ctx, ids)
	}
	worst, failed[0] = stop()
	return took, worst, errors.Join(err, failed[0])
}

// startBystander searches in the first tenant's database five times a second. stop ends it and returns the duration of
// the longest search. It uses a client of its own, because a user does not wait for leadctl's calls.
func (b *bench) startBystander(ctx context.Context) (stop func() (time.Duration, error), err error) {
	spaces, err := wire.Workspaces(ctx, b.cfg, b.db, logging.Discard())
	if err != nil {
		return nil, err
	}
	w, err := spaces.Current(ctx, b.made[0])
	if err != nil {
		return nil, err
	}
	s, err := spaces.Odoo.Session(ctx, w)
	if err != nil {
		return nil, err
	}
	end, done := make(chan struct{}), make(chan struct{})
	var worst time.Duration
	var failed error
	go func() {
		defer close(done)
		for tick := time.NewTicker(200 * time.Millisecond); failed == nil; {
			select {
			case <-end:
				tick.Stop()
				return
			case <-tick.C:
			}
			start := time.Now()
			_, failed = s.SearchRead(ctx, "res.partner", odoo.Query{Fields: []string{"name"}, Limit: 20})
			worst = max(worst, time.Since(start))
		}
	}()
	return func() (time.Duration, error) { close(end); <-done; return worst, failed }, nil
}

func (b *bench) dropAll(ctx context.Context, spaces *workspace.Service) error {
	var failed error
	for _, id := range b.made {
		w, err := spaces.Current(ctx, id)
		if err == nil {
			_, err = spaces.Odoo.DropDatabase(ctx, w)
		}
		failed = errors.Join(failed, err)
	}
	return failed
}

func (b *bench) showSteps() {
	for name, took := range b.steps {
		fmt.Fprintf(os.Stderr, "step %-24s p50 %6.3fs p95 %6.3fs\n", name, percentileOf(took, 50).Seconds(),
			percentileOf(took, 95).Seconds())
	}
}

func percentileOf(took []time.Duration, percent int) time.Duration {
	sorted := slices.Sorted(slices.Values(took))
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, len(sorted)*percent/100)]
}

// printFigure prints a duration against the one to reach.
func printFigure(name string, ours, ref time.Duration) {
	gauge.Figure{Name: "provision-" + name, Ours: ours.Seconds(), Ref: ref.Seconds(), Unit: "s", Reach: 1}.Print()
}
