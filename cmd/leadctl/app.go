package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/user"
	"slices"
	"sync"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/leadctl/leadctl/pkg/config"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/sso"
	"github.com/leadctl/leadctl/pkg/tenant"
)

// app holds what commands share: streams, flags and dependencies. A dependency is a function that opens it on the first
// call and returns the same result afterwards; close closes them in reverse order. A command takes what a domain call
// needs from app and passes it on. No package under pkg sees an app.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	style          style // of stderr
	terminal       bool  // stderr is a terminal

	// Dependencies. Each may use the ones above it. A new one needs a field here and a line in newApp.
	config func(context.Context) (config.Config, error)
	log    func(context.Context) (*slog.Logger, error)
	db     func(context.Context) (*postgres.DB, error)

	verifier func(context.Context) (*sso.Verifier, error)

	configFile string         // --config
	profile    string         // --profile
	format     format         // --output, of commands that print a result
	wide       bool           // --wide, of the same commands
	flags      *pflag.FlagSet // of the command that runs
	started    bool           // the command's RunE has begun
	daemon     bool           // the log is the command's output, so level info is kept

	endLog  func() // writes the rest of the log
	closers []func() error
}

func newApp(stdin io.Reader, stdout, stderr io.Writer) *app {
	a := &app{stdin: stdin, stdout: stdout, stderr: stderr, style: newStyle(stderr), format: formatTable,
		terminal: isTerminal(stderr), endLog: func() {}}
	a.config = openOnce(a.loadConfig)
	a.log = openOnce(a.openLog)
	a.db = openOnce(a.openDB)
	a.verifier = openOnce(a.openVerifier)
	return a
}

// openOnce returns a function that calls open once and returns its value and error on every call.
func openOnce[T any](open func(context.Context) (T, error)) func(context.Context) (T, error) {
	var guard sync.Once
	var value T
	var err error
	return func(ctx context.Context) (T, error) {
		guard.Do(func() { value, err = open(ctx) })
		return value, err
	}
}

// onClose registers a function that closes a dependency. Call it where the dependency is opened.
func (a *app) onClose(f func() error) { a.closers = append(a.closers, f) }

func (a *app) close() error {
	var errs []error
	for i := len(a.closers) - 1; i >= 0; i-- {
		errs = append(errs, a.closers[i]())
	}
	return errors.Join(errs...)
}

// isTerminal reports whether stream is a terminal.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// inSystem opens the database and runs fn in a transaction of the control plane; reason names the work.
func (a *app) inSystem(ctx context.Context, reason string, fn func(context.Context, postgres.SystemTx) error) error {
	db, err := a.db(ctx)
	if err != nil {
		return err
	}
	return db.InSystem(ctx, reason, fn)
}

// operatorBy names the operating system's user as the actor for the audit log.
func operatorBy(reason string) tenant.By {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	return tenant.By{Actor: "cli:" + name, Reason: reason}
}

// firstArg returns the first argument, or "" when there is none.
func firstArg(args []string) string {
	return append(slices.Clone(args), "")[0]
}
