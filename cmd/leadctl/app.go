package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"sync"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/leadctl/leadctl/pkg/config"
	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/logging"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/serve"
	"github.com/leadctl/leadctl/pkg/sso"
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
	a.config = once(a.loadConfig)
	a.log = once(a.openLog)
	a.db = once(a.openDB)
	a.verifier = once(a.openVerifier)
	return a
}

// once remembers the first answer of open, good or bad.
func once[T any](open func(context.Context) (T, error)) func(context.Context) (T, error) {
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

func (a *app) loadConfig(context.Context) (config.Config, error) {
	return config.Load(config.Source{File: a.configPath(), Flags: a.flags, Profile: a.profile})
}

// configPath is the file that was named, "" for the usual places.
func (a *app) configPath() string {
	if a.configFile != "" {
		return a.configFile
	}
	return os.Getenv("LEADCTL_CONFIG")
}

// configForServe is the configuration of a process that listens: with everything that stands against it in one error.
func (a *app) configForServe(ctx context.Context) (config.Config, error) {
	cfg, err := a.config(ctx)
	if refused := cfg.ForServe(); refused != nil {
		return cfg, refused
	}
	return cfg, err
}

func (a *app) openLog(ctx context.Context) (*slog.Logger, error) {
	cfg, err := a.config(ctx)
	if err != nil {
		return nil, err
	}
	format := cfg.Log.Format
	if format == "auto" && isTerminal(a.stderr) {
		format = logging.Text
	}
	level := cfg.Log.Level
	if !a.daemon && level == slog.LevelInfo {
		level = slog.LevelWarn // a command's result says what happened; debug still shows all
	}
	return logging.New(a.stderr, level, format), nil
}

func (a *app) openDB(ctx context.Context) (*postgres.DB, error) {
	cfg, err := a.config(ctx)
	if err != nil {
		return nil, err
	}
	log, err := a.log(ctx)
	if err != nil {
		return nil, err
	}
	db, err := serve.Database(ctx, cfg, log)
	if err == nil {
		a.onClose(func() error { db.Close(); return nil })
	}
	return db, err
}

func (a *app) openVerifier(ctx context.Context) (*sso.Verifier, error) {
	cfg, err := a.config(ctx)
	if err != nil {
		return nil, err
	}
	if cfg.SSO.Issuer == "" {
		return nil, fault.New(fault.Invalid, "NEXIUS_ISSUER: not set").WithHint("set it to the issuer URL, exactly as in the tokens")
	}
	log, err := a.log(ctx)
	if err != nil {
		return nil, err
	}
	v, err := serve.Verifier(cfg, log)
	if err == nil {
		a.onClose(func() error { v.Close(); return nil })
	}
	return v, err
}

// isTerminal reports whether stream is a person's screen.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
