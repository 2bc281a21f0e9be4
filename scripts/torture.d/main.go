// Command torture breaks everything around leadctl while people sign in for the first time, or (-scene revoke) lose and
// regain access. Then it checks the promises. ../torture runs it.
//
// A world (world.go) is one PostgreSQL database, an Odoo stand-in with a ledger, an identity provider, and replicas of
// the real binary (replica.go). The replicas reach the others through proxies with faults. A seed plays one scene
// (scene.go) of faults (faults.go) while people sign in (people.go). Then everything heals, and the checker (check.go)
// reads the history, the database, the ledger and the logs. The scene revoke (revoke.go) has people who go on working
// and a checker of its own (record.go).
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"
)

type options struct {
	leadctl string
	seeds   int
	from    uint64
	tenants int
	scene   string
	arrive  time.Duration
	chaos   time.Duration
	healing time.Duration
	keep    bool
}

func main() {
	var o options
	flag.StringVar(&o.leadctl, "leadctl", "leadctl", "path of the binary, which must be built with the tag failpoint")
	flag.IntVar(&o.seeds, "seeds", 5, "number of scenes to play")
	flag.Uint64Var(&o.from, "from", 1, "the first seed")
	flag.IntVar(&o.tenants, "tenants", 0,
		"number of people, each the first of a tenant (default 8; 3 for revoke)")
	flag.StringVar(&o.scene, "scene", "", "comma-separated faults to play, or revoke: people lose and regain access "+
		"(default: first sign-ins, three kinds of faults chosen by the seed, and failpoints)")
	flag.DurationVar(&o.arrive, "arrive", 0,
		"spread the first sign-ins over this time (default: all at once, while the replicas still start)")
	flag.DurationVar(&o.chaos, "chaos", 0, "duration of the faults (default 7s; 45s for revoke)")
	flag.DurationVar(&o.healing, "healing", 90*time.Second,
		"time in which all people must become ready after the faults")
	flag.BoolVar(&o.keep, "keep", false, "keep the logs of the replicas also when there is no violation")
	flag.Parse()
	o = o.withDefaults()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := runSeeds(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "torture:", err)
		stop()
		os.Exit(1)
	}
}

// withDefaults fills what depends on the scene.
func (o options) withDefaults() options {
	tenants, chaos := 8, 7*time.Second
	if o.scene == sceneRevoke { // each tenant has many leads, and some revocations are long
		tenants, chaos = 3, 45*time.Second
	}
	o.tenants, o.chaos = cmp.Or(o.tenants, tenants), cmp.Or(o.chaos, chaos)
	return o
}

// totals sums up all scenes.
type totals struct {
	kills, faults, violations int
	ready, logins             []time.Duration
	points                    map[string]bool // failpoints at which a process died
}

func runSeeds(ctx context.Context, o options) error {
	shared, err := startSharedPostgres(ctx)
	if err != nil {
		return err
	}
	defer shared.close()
	if o.scene == sceneRevoke {
		return runRevocations(ctx, shared, o)
	}
	all, err := discoverFailpoints(ctx, shared, o)
	if err != nil {
		return err
	}
	fmt.Printf("torture: %d failpoints in one onboarding\n", len(all))
	sum := totals{points: map[string]bool{}}
	queue := slices.Clone(all)
	rng := rand.New(rand.NewPCG(o.from, 0))
	rng.Shuffle(len(queue), func(i, j int) { queue[i], queue[j] = queue[j], queue[i] })
	for i := range o.seeds {
		if err := playSeed(ctx, shared, o, o.from+uint64(i), &queue, &sum); err != nil {
			return err
		}
	}
	slices.Sort(sum.ready)
	slices.Sort(sum.logins)
	fmt.Printf("torture: seeds %d to %d: %d kills, %d other faults, died at %d of %d failpoints, "+
		"%d sign-ins (p95: acknowledged in %s, ready in %s), %d violations\n",
		o.from, o.from+uint64(o.seeds)-1, sum.kills, sum.faults, len(sum.points), len(all), len(sum.ready),
		percentileOf(sum.logins, 95), percentileOf(sum.ready, 95), sum.violations)
	if sum.violations > 0 {
		return fmt.Errorf("%d violations", sum.violations)
	}
	return nil
}

func percentileOf(sorted []time.Duration, p int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)*p/100, len(sorted)-1)].Round(time.Millisecond)
}

// discoverFailpoints lets one person sign in without faults, and returns every failpoint that the replica passed.
func discoverFailpoints(ctx context.Context, shared *sharedPostgres, o options) ([]string, error) {
	w, err := newWorld(ctx, shared, o, "discover", 1)
	if err != nil {
		return nil, err
	}
	defer w.close()
	r := w.newReplica("a", nil)
	if err := r.startProcess(ctx, ""); err != nil {
		return nil, err
	}
	before, err := r.passedFailpoints()
	if err != nil {
		return nil, err
	}
	w.people[0].signIn(ctx, w)
	if err := w.waitForJobs(ctx); err != nil {
		return nil, err
	}
	if found := w.findViolations(ctx); len(found) > 0 {
		return nil, fmt.Errorf("violations without any fault: %v", found)
	}
	points, err := r.passedFailpoints()
	if err != nil || len(points) <= len(before) {
		return nil, fmt.Errorf("no failpoints passed; build the binary with the tag failpoint: %w", err)
	}
	seen := map[string]bool{}
	points = slices.DeleteFunc(points[len(before):], func(p string) bool {
		again := seen[p]
		seen[p] = true
		return again
	})
	return points, nil
}

// playSeed plays the scene of one seed, and prints its violations.
func playSeed(ctx context.Context, shared *sharedPostgres, o options, seed uint64, queue *[]string, sum *totals) error {
	start := time.Now()
	w, err := newWorld(ctx, shared, o, fmt.Sprintf("seed%d", seed), o.tenants)
	if err != nil {
		return err
	}
	defer w.close()
	s := &scene{w: w, rng: rand.New(rand.NewPCG(seed, 1)), queue: queue}
	if err := s.playScene(ctx); err != nil {
		return err
	}
	found := w.findViolations(ctx)
	for _, p := range s.died {
		sum.points[p] = true
	}
	sum.kills, sum.faults, sum.violations = sum.kills+s.kills, sum.faults+s.faults, sum.violations+len(found)
	for _, p := range w.people {
		sum.ready = append(sum.ready, p.took)
	}
	sum.logins = append(sum.logins, w.history.logins...)
	fmt.Printf("seed %d: %d kills, faults: %s; %d of %d ready in %s\n", seed, s.kills, s.faultNames(), w.readyPeople(),
		len(w.people), time.Since(start).Round(100*time.Millisecond))
	for _, v := range found {
		fmt.Printf("  VIOLATION %s\n", v)
	}
	if len(found) > 0 || o.keep {
		fmt.Printf("  logs and history: %s\n", w.keepLogs())
	}
	return ctx.Err()
}
