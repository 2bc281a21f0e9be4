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

// app is what commands share. Its functions open a dependency when a command first asks, and close takes them down in
// reverse. Commands take out what a domain call needs and pass that on; no package under pkg sees an app.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	style          style // of stderr

	// Dependencies, in the order in which they can need each other. A new one is a field here and a line in newApp.
	config func(context.Context) (config.Config, error)
	log    func(context.Context) (*slog.Logger, error)
	db     func(context.Context) (*postgres.DB, error)

	verifier func(context.Context) (*sso.Verifier, error)

	configFile string         // --config
	profile    string         // --profile
	format     format         // -o of commands that read
	flags      *pflag.FlagSet // of the command that runs
	started    bool           // a command's own work has begun
	daemon     bool           // the command is one whose log is what it has to say

	closers []func() error
}

func newApp(stdin io.Reader, stdout, stderr io.Writer) *app {
	a := &app{stdin: stdin, stdout: stdout, stderr: stderr, style: newStyle(stderr), format: formatTable}
	a.config = openOnce(a.loadConfig)
	a.log = openOnce(a.openLog)
	a.db = openOnce(a.openDB)
	a.verifier = openOnce(a.openVerifier)
	return a
}

// openOnce remembers the first answer of open, good or bad.
func openOnce[T any](open func(context.Context) (T, error)) func(context.Context) (T, error) {
	var guard sync.Once
	var value T
	var err error
	return func(ctx context.Context) (T, error) {
		guard.Do(func() { value, err = open(ctx) })
		return value, err
	}
}

// onClose registers what a dependency needs to be let go of; call it where the dependency is opened.
func (a *app) onClose(f func() error) { a.closers = append(a.closers, f) }

func (a *app) close() error {
	var errs []error
	for i := len(a.closers) - 1; i >= 0; i-- {
		errs = append(errs, a.closers[i]())
	}
	return errors.Join(errs...)
}

// isTerminal reports whether stream is a person's screen.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// inSystem opens the database and goes through the control plane's door.
func (a *app) inSystem(ctx context.Context, reason string, fn func(context.Context, postgres.SystemTx) error) error {
	db, err := a.db(ctx)
	if err != nil {
		return err
	}
	return db.InSystem(ctx, reason, fn)
}

// operatorBy is who uses the command line, for the audit log.
func operatorBy(reason string) tenant.By {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	return tenant.By{Actor: "cli:" + name, Reason: reason}
}

func firstArg(args []string) string {
	return append(slices.Clone(args), "")[0]
}
