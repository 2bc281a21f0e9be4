// Package demo shows a newcomer all of leadctl in a minute, on a machine that has only Go: two people of two companies sign
// in, get their tenants and workspaces, and find their own leads and nobody else's.
//
// It puts the real packages together with throwaway surroundings: PostgreSQL from package pgtemp, an identity provider
// from package devidp, synthetic register rows from package acragen and, unless ODOO_SERVER_URL names a real one, the Odoo
// stand-in of package odootest. Everything between them is what production runs. acts.go is the story, line by line.
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
	Config  config.Config // POSTGRES_DSN and ODOO_* of it are used when set
	Version string
	Rows    int                                                        // synthetic register rows; 3,000 by default
	Once    bool                                                       // end after the story instead of staying up
	Act     func(title, outcome string, took time.Duration, err error) // told after each act
	Say     func(line string)                                          // what to try, and the last word
	Log     *slog.Logger
}

// demo is one performance.
type demo struct {
	opts     Options
	cfg      config.Config
	db       *postgres.DB
	idp      *devidp.Provider
	base     string // of the API
	people   []*person
	closers  []func()
	daemon   chan error
	stopWork context.CancelFunc
}

// Run plays the story, then stays up until ctx ends, or returns at once with Once. Everything it started is gone when it
// returns, and also when this process is killed.
func Run(ctx context.Context, opts Options) error {
	opts.Rows = cmp.Or(opts.Rows, 3000)
	opts.Log = cmp.Or(opts.Log, logging.Discard())
	d := &demo{opts: opts, cfg: opts.Config, daemon: make(chan error, 1), people: cast()}
	err := d.play(ctx)
	if err == nil && !opts.Once {
		d.invite()
		err = d.stayUp(ctx)
	}
	err = errors.Join(err, d.close())
	if err == nil && opts.Once {
		opts.Say("demo: ok")
	}
	return err
}

func (d *demo) play(ctx context.Context) error {
	for _, a := range acts() {
		start := time.Now()
		outcome, err := a.do(d, ctx)
		d.opts.Act(a.title, outcome, time.Since(start), err)
		if err != nil {
			return err
		}
	}
	return nil
}

// stayUp waits for the visitor to have seen enough.
func (d *demo) stayUp(ctx context.Context) error {
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
	if d.stopWork != nil {
		d.stopWork()
		err = <-d.daemon
	}
	for _, c := range slices.Backward(d.closers) {
		c()
	}
	return err
}

func (d *demo) onClose(f func()) { d.closers = append(d.closers, f) }

// serveLoopback answers with h on a free loopback port until the demo ends, and returns its base URL.
func (d *demo) serveLoopback(h func(base string) (http.Handler, error)) (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fault.New(fault.Unavailable, "loopback port: %w", err)
	}
	base := "http://" + ln.Addr().String()
	handler, err := h(base)
	if err != nil {
		_ = ln.Close()
		return "", err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(ln) }()
	d.onClose(func() { _ = server.Close() })
	return base, nil
}

// startDaemon runs the real daemon and returns when it answers.
func (d *demo) startDaemon(ctx context.Context) error {
	// Its end is ours to decide, after the story: not the visitor's Ctrl-C in the middle of a request.
	ctx, d.stopWork = context.WithCancel(context.WithoutCancel(ctx))
	started := make(chan net.Addr, 1)
	go func() {
		d.daemon <- serve.Run(ctx, d.cfg, serve.Options{Version: d.opts.Version, Log: d.opts.Log,
			Listen: d.listen, Examine: doctor.Cards, Started: func(addr net.Addr) { started <- addr }})
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

// listen takes the configured port or, when it is taken, one of the next: a newcomer should not have to care.
func (d *demo) listen() (net.Listener, error) {
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
	return nil, fault.New(fault.Conflict, "ports %d to %d: all taken", first, first+49)
}

// invite says what to try while the demo is up.
func (d *demo) invite() {
	alice := d.people[0]
	for _, line := range []string{
		"", "It stays up until Ctrl-C. Open the console, and sign in without a password:", "",
		"  " + d.base + "/", "",
		"  Alice  scores and exports the leads of her company, and says which companies fit (ops)",
		"  Bob    sees the leads of another company (viewer)",
		"  Carol  comes for the first time: her workspace is set up before your eyes",
		"  Olga   operates this installation", "",
		"Or try, in another terminal (the API is described at " + d.base + "/docs):", "",
		fmt.Sprintf("  TOKEN=%s", alice.token),
		fmt.Sprintf(`  curl -s -H "Authorization: Bearer $TOKEN" %s/whoami`, d.base),
		fmt.Sprintf(`  curl -s -H "Authorization: Bearer $TOKEN" '%s/export/latest_scores.csv?limit=5'`, d.base),
		"",
		fmt.Sprintf("  export LEADCTL_ENV=development POSTGRES_DSN='%s' NEXIUS_ISSUER=%s NEXIUS_CLIENT_ID=%s", d.cfg.Database.DSN, d.cfg.SSO.Issuer, clientID),
		"  leadctl tenant list",
		"  leadctl leads top --tenant 1",
		`  LEADCTL_TOKEN="$TOKEN" leadctl sso whoami`,
	} {
		d.opts.Say(line)
	}
}
