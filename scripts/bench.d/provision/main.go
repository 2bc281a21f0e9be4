// Command provision measures how long it takes to provision workspaces on a real Odoo. ../provision.sh runs it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/leadctl/leadctl/pkg/logging"
	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/onboarding"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenantid"
	"github.com/leadctl/leadctl/pkg/wire"
	"github.com/leadctl/leadctl/scripts/bench.d/gauge"
	"github.com/leadctl/leadctl/scripts/bench.d/odoorig"
)

func main() {
	var b bench
	var o odoorig.Options
	flag.IntVar(&b.alone, "alone", 5, "number of workspaces made one after the other")
	flag.IntVar(&b.burst, "burst", 20, "number of workspaces made at the same time")
	flag.StringVar(&o.Version, "odoo", "19", "version of Odoo: 19 or 14")
	flag.StringVar(&o.Protocol, "protocol", odoo.ProtocolAuto, "protocol for Odoo: auto, xmlrpc or json2")
	flag.BoolVar(&o.Cluster, "cluster", true, "clone databases in Odoo's PostgreSQL; false lets Odoo copy them")
	flag.Parse()
	err := odoorig.Run(context.Background(), o, func(ctx context.Context, r *odoorig.Rig) error {
		b.Rig = r
		return b.measureAll(ctx)
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench provision:", err)
		os.Exit(1)
	}
}

// bench measures with a rig.
type bench struct {
	*odoorig.Rig

	alone, burst int
	first        tenantid.ID
	steps        map[string][]time.Duration
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
	id, err := b.OrderWorkspace(ctx, name)
	if err != nil {
		return 0, err
	}
	if b.first == 0 {
		b.first = id
	}
	took, err := b.waitReady(ctx, []tenantid.ID{id})
	if err != nil {
		return 0, err
	}
	return took[0], nil
}

// waitReady waits until all tenants are ready, and returns the time from each tenant's creation to its ready status, as
// the worker recorded it.
func (b *bench) waitReady(ctx context.Context, ids []tenantid.ID) (took []time.Duration, err error) {
	if err := b.WaitReady(ctx, ids); err != nil {
		return nil, err
	}
	err = b.DB.InSystem(ctx, "bench", func(ctx context.Context, tx postgres.SystemTx) error {
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
		wg.Go(func() { ids[i], failed[i] = b.OrderWorkspace(ctx, fmt.Sprintf("burst %d", i)) })
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
	spaces, err := wire.Workspaces(ctx, b.Config, b.DB, logging.Discard())
	if err != nil {
		return nil, err
	}
	w, err := spaces.Current(ctx, b.first)
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
