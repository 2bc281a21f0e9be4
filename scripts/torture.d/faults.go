package main

import (
	"context"
	"os"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/odoo/odootest"
	"github.com/leadctl/leadctl/pkg/tcpproxy"
)

// fault is one kind of failure. When do returns, the failure is over.
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
			return s.disturbProxy(ctx, s.w.pg, tcpproxy.Fault{ResetAfter: 30 * time.Millisecond})
		}},
		{"postgres slow", func(s *scene, ctx context.Context) error {
			return s.disturbProxy(ctx, s.w.pg,
				tcpproxy.Fault{Delay: 60 * time.Millisecond, Jitter: 40 * time.Millisecond})
		}},
		{"postgres cut", func(s *scene, ctx context.Context) error {
			return s.disturbProxy(ctx, s.w.pg, tcpproxy.Fault{Limit: 500 + s.pickNumber(20_000)})
		}},
		{"odoo unreachable", func(s *scene, ctx context.Context) error { return s.disconnectProxy(ctx, s.w.od) }},
		{"odoo half open", func(s *scene, ctx context.Context) error {
			return s.disturbProxy(ctx, s.w.od, tcpproxy.Fault{Drop: true})
		}},
		{"odoo resets", func(s *scene, ctx context.Context) error {
			return s.disturbProxy(ctx, s.w.od, tcpproxy.Fault{ResetAfter: 20 * time.Millisecond})
		}},
		{"odoo cut", func(s *scene, ctx context.Context) error {
			return s.disturbProxy(ctx, s.w.od, tcpproxy.Fault{Limit: 100 + s.pickNumber(3000)})
		}},
		{"odoo slow", func(s *scene, ctx context.Context) error {
			return s.disturbProxy(ctx, s.w.od,
				tcpproxy.Fault{Delay: 300 * time.Millisecond, Jitter: 200 * time.Millisecond})
		}},
		{"odoo done but not said", (*scene).loseAnswer},
		{"odoo answers nonsense", (*scene).garbleAnswers},
		{"provider unreachable", func(s *scene, ctx context.Context) error { return s.disconnectProxy(ctx, s.w.idp) }},
	}
}

// longFaults last longer than a seed's chaos. They are played only when -scene names them.
func longFaults() []fault {
	return []fault{
		{"odoo hangs", func(s *scene, ctx context.Context) error {
			return s.disturbProxyFor(ctx, s.w.o.chaos, s.w.od, tcpproxy.Fault{Drop: true})
		}},
		{"freeze long", (*scene).freezeLong},
	}
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

// freezeReplica stops a process for longer than other processes wait for it, and ends its database sessions, as a lost
// machine would. Others take over its jobs, and then it continues in the middle of them.
func (s *scene) freezeReplica(ctx context.Context) error {
	r := s.anyReplica()
	r.sendSignal(syscall.SIGSTOP)
	err := executeSQL(ctx, s.w.shared.server.DSN("postgres"),
		`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '`+login+`'`)
	sleepContext(ctx, 9*time.Second)
	r.sendSignal(syscall.SIGCONT)
	return err
}

// freezeLong stops a process that keeps its sessions, for longer than PostgreSQL waits for a client that holds a lock.
func (s *scene) freezeLong(ctx context.Context) error {
	r := s.anyReplica()
	r.sendSignal(syscall.SIGSTOP)
	sleepContext(ctx, 45*time.Second)
	r.sendSignal(syscall.SIGCONT)
	return nil
}

// crashPostgres kills a backend of PostgreSQL, so that the server ends all sessions and recovers from its log.
func (s *scene) crashPostgres(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, s.w.shared.server.DSN("postgres"))
	if err != nil {
		return nil // the server still recovers from the crash before
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

func (s *scene) disconnectProxy(ctx context.Context, p *tcpproxy.Proxy) error {
	p.Disconnect()
	sleepContext(ctx, s.pickDuration())
	return p.Connect()
}

func (s *scene) disturbProxy(ctx context.Context, p *tcpproxy.Proxy, f tcpproxy.Fault) error {
	return s.disturbProxyFor(ctx, s.pickDuration(), p, f)
}

func (s *scene) disturbProxyFor(ctx context.Context, length time.Duration, p *tcpproxy.Proxy, f tcpproxy.Fault) error {
	end := p.AddFault(f)
	sleepContext(ctx, length)
	end()
	return nil
}

// pickDuration returns a length for a fault of the network, from 0.5 to 2 seconds.
func (s *scene) pickDuration() time.Duration {
	return time.Duration(500+s.pickNumber(1500)) * time.Millisecond
}

// loseAnswer makes Odoo execute a call and lose the answer.
func (s *scene) loseAnswer(context.Context) error {
	s.w.odoo.Inject(odootest.Fault{Op: "*", Skip: s.pickNumber(30), Times: 1, Execute: true,
		Do: []odootest.Trouble{odootest.Reset, odootest.Truncate, odootest.Status}[s.pickNumber(3)], Code: 502})
	return nil
}

// garbleAnswers makes Odoo answer some calls with an error or with garbage.
func (s *scene) garbleAnswers(context.Context) error {
	answers := []odootest.Fault{{Do: odootest.Garbage}, {Do: odootest.Status, Code: 500},
		{Do: odootest.Status, Code: 503, Text: "Bad Gateway"}, {Do: odootest.Huge, Code: 64}}
	f := answers[s.pickNumber(len(answers))]
	f.Op, f.Skip, f.Times = "*", s.pickNumber(30), 1+s.pickNumber(3)
	s.w.odoo.Inject(f)
	return nil
}
