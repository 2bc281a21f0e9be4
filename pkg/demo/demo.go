// Package demo runs all of leadctl for a trial, on a machine that has only Go. Two people of two companies sign in.
// Each of them gets a tenant and an Odoo workspace, and sees only the leads of that tenant.
//
// The packages are those of production. What surrounds them is made for the demo and removed at its end: PostgreSQL
// from package pgtemp, an identity provider from package devidp, the Odoo stand-in of package odootest, and synthetic
// register rows from package acragen. The demo writes made-up companies and tenants, so it connects to no other system:
// it reads no configuration, and its command reports the settings that it ignores (Ignored).
//
// steps.go has the steps in order. people.go signs people in, and proof.go compares what they see.
package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/leadctl/leadctl/pkg/config"
	"github.com/leadctl/leadctl/pkg/devidp"
	"github.com/leadctl/leadctl/pkg/doctor"
	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/logging"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/serve"
)

// Options of Run.
type Options struct {
	Listen  string // host:port of API and console; if the port is taken, the next free one is used
	Version string
	Rows    int                                                        // synthetic register rows; 0 means 3,000
	Once    bool                                                       // return after the last step
	Step    func(title, outcome string, took time.Duration, err error) // called after each step
	Print   func(line string)                                          // prints what can be tried, and the last line
	Log     *slog.Logger                                               // nil discards
}

// demo is one run of the steps.
type demo struct {
	opts       Options
	cfg        config.Config
	db         *postgres.DB
	idp        *devidp.Provider
	base       string // URL of the API
	people     []*person
	closers    []func()
	daemon     chan error
	stopDaemon context.CancelFunc
}

// Run runs the steps and then serves until ctx ends. With Once it returns after the last step. Everything that it
// started is gone when it returns, and also when the process is killed.
func Run(ctx context.Context, opts Options) error {
	opts.Rows = cmp.Or(opts.Rows, 3000)
	opts.Log = cmp.Or(opts.Log, logging.Discard())
	cfg, err := defaultConfig()
	if err != nil {
		return err
	}
	cfg.API.Listen = opts.Listen
	d := &demo{opts: opts, cfg: cfg, daemon: make(chan error, 1), people: mainPeople()}
	err = d.runSteps(ctx)
	if err == nil && !opts.Once {
		d.printInvitation()
		err = d.waitForEnd(ctx)
	}
	err = errors.Join(err, d.close())
	if err == nil && opts.Once {
		opts.Print("demo: ok")
	}
	return err
}

func (d *demo) runSteps(ctx context.Context) error {
	for _, s := range steps() {
		start := time.Now()
		outcome, err := s.run(d, ctx)
		d.opts.Step(s.title, outcome, time.Since(start), err)
		if err != nil {
			return err
		}
	}
	return nil
}

// waitForEnd returns when ctx ends, or with the daemon's error when that fails.
func (d *demo) waitForEnd(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-d.daemon:
		d.daemon <- nil
		return err
	}
}

func (d *demo) close() error {
	var err error
	if d.stopDaemon != nil {
		d.stopDaemon()
		err = <-d.daemon
	}
	for _, c := range slices.Backward(d.closers) {
		c()
	}
	return err
}

func (d *demo) onClose(f func()) { d.closers = append(d.closers, f) }

// serveLoopback serves a handler on a free loopback port until the demo ends and returns the base URL.
func (d *demo) serveLoopback(newHandler func(base string) (http.Handler, error)) (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fault.New(fault.Unavailable, "loopback port: %w", err)
	}
	base := "http://" + ln.Addr().String()
	handler, err := newHandler(base)
	if err != nil {
		_ = ln.Close()
		return "", err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(ln) }()
	d.onClose(func() { _ = server.Close() })
	return base, nil
}

// startDaemon runs the daemon of `leadctl serve` and returns when it answers.
func (d *demo) startDaemon(ctx context.Context) error {
	// close ends the daemon after the steps. Ctrl-C must not end it in the middle of one of their requests.
	ctx, d.stopDaemon = context.WithCancel(context.WithoutCancel(ctx))
	started := make(chan net.Addr, 1)
	go func() {
		d.daemon <- serve.Run(ctx, d.cfg, serve.Options{Version: d.opts.Version, Log: d.opts.Log,
			Listen: d.listenOnFreePort, Examine: doctor.HealthChecks, Started: func(addr net.Addr) { started <- addr }})
	}()
	select {
	case addr := <-started:
		d.base = "http://" + addr.String()
		return nil
	case err := <-d.daemon:
		d.daemon <- nil
		return err
	}
}

// listenOnFreePort listens on the port of Options.Listen or, if it is taken, on the next free one of 50.
func (d *demo) listenOnFreePort() (net.Listener, error) {
	host, port, err := net.SplitHostPort(d.cfg.API.Listen)
	if err != nil {
		return nil, fault.New(fault.Invalid, "address %s: %w", d.cfg.API.Listen, err)
	}
	first, err := strconv.Atoi(port)
	if err != nil {
		return nil, fault.New(fault.Invalid, "address %s: %w", d.cfg.API.Listen, err)
	}
	for p := first; p < first+50; p++ {
		if ln, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(p))); err == nil {
			return ln, nil
		}
	}
	return nil, fault.New(fault.Conflict, "ports %d to %d: all are in use", first, first+49)
}

// printInvitation prints what can be tried while the demo serves.
func (d *demo) printInvitation() {
	alice := d.people[0]
	for _, line := range []string{
		"", "The demo serves until Ctrl-C. Open the console and sign in without a password:", "",
		"  " + d.base + "/", "",
		"  Alice  scores and exports the leads of her company and edits its customer profiles (ops)",
		"  Bob    sees the leads of another company (viewer)",
		"  Carol  signs in for the first time: watch her workspace being set up",
		"  Olga   operates this installation", "",
		"Or try this in another terminal (" + d.base + "/docs describes the API):", "",
		fmt.Sprintf("  TOKEN=%s", alice.token),
		fmt.Sprintf(`  curl -s -H "Authorization: Bearer $TOKEN" %s/whoami`, d.base),
		fmt.Sprintf(`  curl -s -H "Authorization: Bearer $TOKEN" '%s/export/latest_scores.csv?limit=5'`, d.base),
		"",
		fmt.Sprintf("  export LEADCTL_ENV=development POSTGRES_DSN='%s' NEXIUS_ISSUER=%s NEXIUS_CLIENT_ID=%s",
			d.cfg.Database.DSN, d.cfg.SSO.Issuer, clientID),
		"  leadctl tenant list",
		"  leadctl leads top --tenant 1",
		`  LEADCTL_TOKEN="$TOKEN" leadctl sso whoami`,
	} {
		d.opts.Print(line)
	}
}
