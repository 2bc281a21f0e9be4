package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	toxics "github.com/Shopify/toxiproxy/v2/client"
	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/odoo/odootest"
)

// scene is one seed.
type scene struct {
	w     *testbed
	rng   *rand.Rand
	queue *[]string // failpoints that nobody has died at yet

	mu     sync.Mutex
	healed bool
	kills  int
	faults int
	menu   []string
	died   []string
}

// fault is one thing that goes wrong; it has put everything right again when it returns.
type fault struct {
	name string
	do   func(*scene, context.Context) error
}

func allFaults() []fault {
	return []fault{
		{"kill", (*scene).killReplica},
		{"kill each every 5 s", (*scene).killEachReplica},
		{"terminate", (*scene).terminateReplica},
		{"freeze", (*scene).freezeReplica},
		{"postgres crashes", (*scene).crashPostgres},
		{"postgres unreachable", func(s *scene, ctx context.Context) error { return s.disconnectProxy(ctx, s.w.pg) }},
		{"postgres resets", func(s *scene, ctx context.Context) error {
			return s.injectToxic(ctx, s.w.pg, "reset_peer", toxics.Attributes{"timeout": 30})
		}},
		{"postgres slow", func(s *scene, ctx context.Context) error {
			return s.injectToxic(ctx, s.w.pg, "latency", toxics.Attributes{"latency": 60, "jitter": 40})
		}},
		{"postgres cut", func(s *scene, ctx context.Context) error {
			return s.injectToxic(ctx, s.w.pg, "limit_data", toxics.Attributes{"bytes": 500 + s.pickNumber(20_000)})
		}},
		{"odoo unreachable", func(s *scene, ctx context.Context) error { return s.disconnectProxy(ctx, s.w.od) }},
		{"odoo half open", func(s *scene, ctx context.Context) error {
			return s.injectToxic(ctx, s.w.od, "timeout", toxics.Attributes{"timeout": 0})
		}},
		{"odoo resets", func(s *scene, ctx context.Context) error {
			return s.injectToxic(ctx, s.w.od, "reset_peer", toxics.Attributes{"timeout": 20})
		}},
		{"odoo cut", func(s *scene, ctx context.Context) error {
			return s.injectToxic(ctx, s.w.od, "limit_data", toxics.Attributes{"bytes": 100 + s.pickNumber(3000)})
		}},
		{"odoo slow", func(s *scene, ctx context.Context) error {
			return s.injectToxic(ctx, s.w.od, "latency", toxics.Attributes{"latency": 300, "jitter": 200})
		}},
		{"odoo done but not said", (*scene).loseAnswer},
		{"odoo answers nonsense", (*scene).garbleAnswers},
		{"provider unreachable", func(s *scene, ctx context.Context) error { return s.disconnectProxy(ctx, s.w.idp) }},
	}
}

// longFaults last longer than a seed's chaos: they are played when they are asked for.
func longFaults() []fault {
	return []fault{
		{"odoo hangs", func(s *scene, ctx context.Context) error {
			return s.injectToxicFor(ctx, s.w.o.chaos, s.w.od, "timeout", toxics.Attributes{"timeout": 0})
		}},
		{"freeze long", (*scene).freezeLong},
	}
}

// playScene runs replicas, people and three kinds of faults side by side, then heals and waits.
func (s *scene) playScene(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.w.o.chaos+s.w.o.healing)
	defer cancel()
	var people, replicas, trouble sync.WaitGroup
	upCtx, down := context.WithCancel(ctx)
	for _, name := range []string{"a", "b"} {
		r := s.w.newReplica(name, s.nextPoint)
		replicas.Go(func() { r.keepUp(upCtx, s.diedAt) })
	}
	for _, p := range s.w.people {
		people.Go(func() {
			sleepContext(ctx, time.Duration(rand.Int64N(int64(s.w.o.arrive)+1)))
			p.signIn(ctx, s.w)
		})
	}
	chaosCtx, end := context.WithTimeout(ctx, s.w.o.chaos)
	defer end()
	chosen := s.chooseFaults()
	errs := make(chan error, len(chosen))
	for _, f := range chosen {
		s.menu = append(s.menu, f.name)
		trouble.Go(func() { errs <- s.repeatFault(chaosCtx, ctx, f) })
	}
	trouble.Wait()
	s.healAll()
	people.Wait()
	err := s.w.waitForJobs(context.WithoutCancel(ctx)) // the time may be up: the checker says so
	down()
	for _, r := range s.w.replicas {
		r.killAndWait()
	}
	replicas.Wait()
	for range chosen {
		err = errors.Join(err, <-errs)
	}
	return err
}

// chooseFaults takes three kinds of faults by seed, or those that were asked for.
func (s *scene) chooseFaults() []fault {
	all := allFaults()
	if s.w.o.scene != "" {
		all = append(all, longFaults()...)
		return slices.DeleteFunc(all, func(f fault) bool { return !slices.Contains(strings.Split(s.w.o.scene, ","), f.name) })
	}
	s.rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:3]
}

// repeatFault does one kind of fault, with pauses, until the chaos is over. What it puts right, it puts right in ctx.
func (s *scene) repeatFault(chaosCtx, ctx context.Context, f fault) error {
	for chaosCtx.Err() == nil {
		sleepContext(chaosCtx, time.Duration(200+s.pickNumber(1500))*time.Millisecond)
		if chaosCtx.Err() != nil {
			return nil
		}
		if err := f.do(s, ctx); err != nil && ctx.Err() == nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		s.mu.Lock()
		s.faults++
		s.mu.Unlock()
	}
	return nil
}

func (s *scene) healAll() {
	s.mu.Lock()
	s.healed = true
	s.mu.Unlock()
	s.w.odoo.Heal()
	for _, r := range s.w.replicas {
		r.sendSignal(syscall.SIGCONT)
	}
}

// nextPoint gives each process that starts during the chaos a failpoint to die at.
func (s *scene) nextPoint() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.healed || len(*s.queue) == 0 || s.w.o.scene != "" {
		return ""
	}
	point := (*s.queue)[0]
	*s.queue = append((*s.queue)[1:], point)
	return point
}

func (s *scene) diedAt(point string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kills++
	s.died = append(s.died, point)
	for i, p := range *s.queue {
		if p == point {
			*s.queue = append((*s.queue)[:i], (*s.queue)[i+1:]...)
			return
		}
	}
}

func (s *scene) faultNames() string { return strings.Join(s.menu, ", ") }

func (s *scene) pickNumber(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rng.IntN(n)
}

func (s *scene) anyReplica() *replica { return s.w.replicas[s.pickNumber(len(s.w.replicas))] }

func (s *scene) killReplica(context.Context) error {
	s.anyReplica().sendSignal(syscall.SIGKILL)
	s.mu.Lock()
	s.kills++
	s.mu.Unlock()
	return nil
}

func (s *scene) killEachReplica(ctx context.Context) error {
	for _, r := range s.w.replicas {
		sleepContext(ctx, 2500*time.Millisecond)
		r.sendSignal(syscall.SIGKILL)
		s.mu.Lock()
		s.kills++
		s.mu.Unlock()
	}
	return nil
}

func (s *scene) terminateReplica(context.Context) error {
	s.anyReplica().sendSignal(syscall.SIGTERM)
	return nil
}

// freezeReplica stops a process for longer than the others wait for it, and cuts its sessions, as a lost machine would: its jobs are
// taken over, and then it wakes up in the middle of them.
func (s *scene) freezeReplica(ctx context.Context) error {
	r := s.anyReplica()
	r.sendSignal(syscall.SIGSTOP)
	err := executeSQL(ctx, s.w.shared.server.DSN("postgres"), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '`+login+`'`)
	sleepContext(ctx, 9*time.Second)
	r.sendSignal(syscall.SIGCONT)
	return err
}

// freezeLong stops a process that keeps all its sessions, for longer than PostgreSQL waits for a word from who holds a lock.
func (s *scene) freezeLong(ctx context.Context) error {
	r := s.anyReplica()
	r.sendSignal(syscall.SIGSTOP)
	sleepContext(ctx, 45*time.Second)
	r.sendSignal(syscall.SIGCONT)
	return nil
}

// crashPostgres kills one of PostgreSQL's processes: the server ends all sessions and recovers from its log.
func (s *scene) crashPostgres(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, s.w.shared.server.DSN("postgres"))
	if err != nil {
		return nil // it is recovering from the crash before
	}
	defer conn.Close(ctx)
	var pid int
	if err := conn.QueryRow(ctx, `SELECT pg_backend_pid()`).Scan(&pid); err != nil {
		return nil
	}
	process, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	return process.Kill()
}

func (s *scene) disconnectProxy(ctx context.Context, p *toxics.Proxy) error {
	if err := p.Disable(); err != nil {
		return err
	}
	sleepContext(ctx, time.Duration(500+s.pickNumber(1500))*time.Millisecond)
	return p.Enable()
}

func (s *scene) injectToxic(ctx context.Context, p *toxics.Proxy, kind string, attributes toxics.Attributes) error {
	return s.injectToxicFor(ctx, time.Duration(500+s.pickNumber(1500))*time.Millisecond, p, kind, attributes)
}

func (s *scene) injectToxicFor(ctx context.Context, length time.Duration, p *toxics.Proxy, kind string, attributes toxics.Attributes) error {
	toxic, err := p.AddToxic("", kind, "downstream", 1, attributes)
	if err != nil {
		return err
	}
	sleepContext(ctx, length)
	return p.RemoveToxic(toxic.Name)
}

// loseAnswer has Odoo do what it is asked and lose the answer.
func (s *scene) loseAnswer(context.Context) error {
	s.w.odoo.Inject(odootest.Fault{Op: "*", Skip: s.pickNumber(30), Times: 1, Execute: true, Do: []odootest.Trouble{odootest.Reset, odootest.Truncate, odootest.Status}[s.pickNumber(3)], Code: 502})
	return nil
}

// garbleAnswers has Odoo answer something that is none of its own.
func (s *scene) garbleAnswers(context.Context) error {
	answers := []odootest.Fault{{Do: odootest.Garbage}, {Do: odootest.Status, Code: 500}, {Do: odootest.Status, Code: 503, Text: "Bad Gateway"}, {Do: odootest.Huge, Code: 64}}
	f := answers[s.pickNumber(len(answers))]
	f.Op, f.Skip, f.Times = "*", s.pickNumber(30), 1+s.pickNumber(3)
	s.w.odoo.Inject(f)
	return nil
}

func sleepContext(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
