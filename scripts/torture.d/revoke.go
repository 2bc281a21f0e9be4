package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/tcpproxy"
)

// sceneRevoke is the value of -scene that plays revocations instead of first sign-ins: people are removed and suspended
// at random, and let in again, while they sign in, change rules and download, and while their leads are pushed.
const sceneRevoke = "revoke"

// within is the time in which work that was under way at a revocation must end. Requests end at once.
const within = 10 * time.Second

// playRevocations plays one seed: the workspaces are made without faults, then people come and go under faults,
// and at the end everyone is let in again.
func (s *scene) playRevocations(ctx context.Context) (*record, error) {
	ctx, cancel := context.WithTimeout(ctx, s.w.o.chaos+2*s.w.o.healing)
	defer cancel()
	upCtx, down := context.WithCancel(ctx)
	var replicas sync.WaitGroup
	for _, name := range []string{"a", "b"} {
		r := s.w.newReplica(name, s.nextPoint)
		replicas.Go(func() { r.keepUp(upCtx, s.diedAt) })
	}
	seen := &record{}
	err := s.w.settle(ctx)
	if err == nil {
		err = s.comeAndGo(ctx, seen)
	}
	s.healAll()
	if err == nil {
		err = s.w.letAllIn(ctx)
	}
	down()
	for _, r := range s.w.replicas {
		r.killAndWait()
	}
	replicas.Wait()
	return seen, err
}

// settle waits until every person has a ready workspace, and gives each tenant leads whose download and push take
// longer than a revocation may.
func (w *world) settle(ctx context.Context) error {
	var people sync.WaitGroup
	for _, p := range w.people {
		people.Go(func() { p.signIn(ctx, w) })
	}
	people.Wait()
	if n := w.readyPeople(); n < len(w.people) {
		return fmt.Errorf("%d of %d people became ready without faults", n, len(w.people))
	}
	return executeSQL(ctx, w.ownerDSN, `WITH c AS (INSERT INTO companies (uen, name) SELECT 'T' || i, 'Company ' || i
			FROM generate_series(1, 8000) i RETURNING company_id)
		INSERT INTO lead_scores (tenant_id, company_id, score, bucket, rationale, source)
		SELECT tenant_id, company_id, 0.5, 'medium', repeat('r', 2000), 'torture' FROM c, tenants`)
}

// comeAndGo lets people work, faults happen and access end and return, until the chaos is over.
func (s *scene) comeAndGo(ctx context.Context, seen *record) error {
	chaosCtx, end := context.WithTimeout(ctx, s.w.o.chaos)
	defer end()
	slow := s.w.od.AddFault(tcpproxy.Fault{Delay: 100 * time.Millisecond})
	defer slow()
	chosen := s.chooseFaults()
	errs := make(chan error, len(chosen)+len(s.w.people))
	var all sync.WaitGroup
	for _, f := range chosen {
		s.menu = append(s.menu, f.name)
		all.Go(func() { errs <- s.repeatFault(chaosCtx, ctx, f) })
	}
	for _, p := range s.w.people {
		all.Go(func() { p.keepCalling(chaosCtx, s.w, seen) })
		all.Go(func() { p.keepDownloading(chaosCtx, s.w, seen) })
		all.Go(func() { p.keepPushing(chaosCtx, s.w) })
		all.Go(func() { errs <- s.keepRevoking(chaosCtx, ctx, p, seen) })
	}
	all.Wait()
	var err error
	for range cap(errs) {
		err = errors.Join(err, <-errs)
	}
	return errors.Join(err, s.w.notePushes(ctx, seen))
}

// keepRevoking takes a person's access away and gives it back, until chaosCtx ends. Half of the times without access
// are longer than work may go on.
func (s *scene) keepRevoking(chaosCtx, ctx context.Context, p *person, seen *record) error {
	tenant := p.tenant()
	for {
		sleepContext(chaosCtx, time.Duration(500+s.pickNumber(4000))*time.Millisecond)
		if chaosCtx.Err() != nil {
			return nil
		}
		take, give := []string{"tenant", "user", "remove", tenant, p.email},
			[]string{"tenant", "user", "add", tenant, p.email, "--role", "ops"}
		suspended := s.pickNumber(2) == 0
		if suspended {
			take, give = []string{"tenant", "suspend", tenant}, []string{"tenant", "resume", tenant}
		}
		if err := s.w.command(ctx, take...); err != nil {
			return err
		}
		gone := span{who: p.id, since: time.Now()}
		sleepContext(ctx, []time.Duration{time.Second, within + 3*time.Second}[s.pickNumber(2)]+
			time.Duration(s.pickNumber(2000))*time.Millisecond)
		gone.until = time.Now()
		seen.addSpan(gone)
		if suspended {
			seen.addSpan(span{who: tenant, since: gone.since, until: gone.until})
		}
		if err := errors.Join(s.w.command(ctx, give...), s.w.forgetSignOut(ctx)); err != nil {
			return err
		}
		// A person who never came back would not be known as the one who is removed next.
		for chaosCtx.Err() == nil && !seen.hasEffect(p.id, gone.until) {
			pauseBetweenCalls(chaosCtx)
		}
	}
}

// forgetSignOut lets new tokens in at once. After a removal, leadctl refuses tokens for a minute more, because the
// provider's clock may be ahead. The scene does not wait that long.
func (w *world) forgetSignOut(ctx context.Context) error {
	var err error
	for range 50 { // PostgreSQL may be recovering
		if err = executeSQL(ctx, w.ownerDSN, `DELETE FROM revoked_tokens`); err == nil || ctx.Err() != nil {
			return err
		}
		sleepContext(ctx, 200*time.Millisecond)
	}
	return err
}

// command runs leadctl until it succeeds: PostgreSQL may be recovering. A second removal of a person
// finds none.
func (w *world) command(ctx context.Context, args ...string) error {
	for attempt := 0; ; attempt++ {
		err := w.once(ctx, args...)
		exit := new(exec.ExitError)
		if err == nil || attempt > 0 && errors.As(err, &exit) && exit.ExitCode() == 4 {
			return nil
		}
		if attempt == 50 || ctx.Err() != nil {
			return err
		}
		sleepContext(ctx, 200*time.Millisecond)
	}
}

// once runs leadctl, past the faults of PostgreSQL's connections.
func (w *world) once(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, w.o.leadctl, args...)
	cmd.Dir, cmd.Env = w.dir, append(w.replicaEnv("0"), "POSTGRES_DSN=postgres://"+login+":"+w.shared.password+
		"@127.0.0.1:"+w.shared.port+"/"+w.databaseName+"?sslmode=disable")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("leadctl %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

// letAllIn waits until every person can enter again.
func (w *world) letAllIn(ctx context.Context) error {
	for _, p := range w.people {
		for ctx.Err() == nil {
			p.token = w.issueToken(ctx, p)
			p.callReplica(ctx, w, "POST", "/onboarding/first_login", "", nil)
			if p.callReplica(ctx, w, "GET", "/whoami", "", nil) == 200 {
				break
			}
			pauseBetweenCalls(ctx)
		}
	}
	if ctx.Err() != nil {
		return fmt.Errorf("not everyone could enter again: %w", ctx.Err())
	}
	return nil
}

// findLate returns what was answered, written or made although the access had ended, and faults that the people saw.
func (w *world) findLate(ctx context.Context, seen *record) (found []string) {
	found = seen.late()
	for _, p := range w.people {
		found = append(found, p.broken...)
		if len(p.tenants) > 1 {
			found = append(found, p.id+" entered several tenants")
		}
	}
	conn, err := pgx.Connect(ctx, w.ownerDSN)
	if err != nil {
		return append(found, err.Error())
	}
	defer conn.Close(ctx)
	var twice, tenants int
	err = conn.QueryRow(ctx, `SELECT (SELECT count(*) FROM (SELECT FROM tenant_users WHERE subject IS NOT NULL
		GROUP BY issuer, subject HAVING count(*) > 1) twice), (SELECT count(*) FROM tenants)`).Scan(&twice, &tenants)
	if err != nil || twice > 0 || tenants != len(w.people) {
		found = append(found, fmt.Sprintf("%d people in several tenants, %d tenants (%v)", twice, tenants, err))
	}
	return append(found, w.inLogs()...)
}

// faultsOfRevoke returns the faults of processes and PostgreSQL, except those that stop a process for long: a frozen
// one cannot look whether it may go on. Odoo is only slow, so that a push is always under way.
func faultsOfRevoke(all []fault) []fault {
	return slices.DeleteFunc(all, func(f fault) bool {
		return !strings.HasPrefix(f.name, "kill") && !strings.HasPrefix(f.name, "postgres") && f.name != "terminate"
	})
}

// tenant returns the number of the person's tenant.
func (p *person) tenant() string {
	for t := range p.tenants {
		return t
	}
	return ""
}

// playRevokeSeed plays one seed of revocations and prints its result.
func playRevokeSeed(ctx context.Context, shared *sharedPostgres, o options, seed uint64) (violations int, err error) {
	w, err := newWorld(ctx, shared, o, fmt.Sprintf("revoke%d", seed), o.tenants)
	if err != nil {
		return 0, err
	}
	defer w.close()
	s := &scene{w: w, rng: rand.New(rand.NewPCG(seed, 2)), queue: &[]string{}}
	seen, err := s.playRevocations(ctx)
	found := w.findLate(ctx, seen)
	fmt.Printf("seed %d: %d kills, faults: %s; %s; %d violations\n", seed, s.kills, s.faultNames(), seen.summary(),
		len(found))
	for _, v := range found {
		fmt.Printf("  VIOLATION %s\n", v)
	}
	if len(found) > 0 || err != nil || o.keep {
		fmt.Printf("  logs and history: %s\n", w.keepLogs())
	}
	return len(found), err
}

// runRevocations plays the seeds of the scene revoke.
func runRevocations(ctx context.Context, shared *sharedPostgres, o options) error {
	total := 0
	for i := range o.seeds {
		n, err := playRevokeSeed(ctx, shared, o, o.from+uint64(i))
		if err != nil {
			return err
		}
		total += n
	}
	fmt.Printf("torture: revoke: seeds %d to %d: %d violations\n", o.from, o.from+uint64(o.seeds)-1, total)
	if total > 0 {
		return fmt.Errorf("%d violations", total)
	}
	return nil
}
