package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/leadctl/leadctl/pkg/fault"
)

// run is the whole program: it executes the command in args and returns the exit code (package fault has the list).
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := newApp(stdin, stdout, stderr)
	root := newRoot(a)
	root.SetArgs(args)
	return a.executeCommand(ctx, root)
}

// executeCommand runs root until it is done or told to stop, closes what it opened and reports what went wrong.
// The first SIGINT or SIGTERM cancels the command's context, a second one kills.
func (a *app) executeCommand(ctx context.Context, root *cobra.Command) int {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)

	cmd, err := root.ExecuteContextC(ctx)
	if err != nil && !a.started {
		err = usageError(cmd, err)
	}
	interrupted := ctx.Err() != nil
	err = errors.Join(err, a.close())
	if err != nil && interrupted {
		err = fault.New(fault.Interrupted, "interrupted: %w", err)
	}
	a.reportError(err)
	return fault.ExitCode(err)
}

// usageError makes an error of the command line (unknown flag, missing argument) say where the right usage stands.
func usageError(cmd *cobra.Command, err error) error {
	if fault.Hint(err) != "" {
		return err
	}
	return fault.New(fault.Invalid, "%s", err).WithHint("%s --help", cmd.CommandPath())
}

// reportError says what went wrong and what to do about it.
func (a *app) reportError(err error) {
	if err == nil {
		return
	}
	fmt.Fprintln(a.stderr, a.style.bad("leadctl:"), stripControls(err.Error()))
	if hint := fault.Hint(err); hint != "" {
		fmt.Fprintln(a.stderr, a.style.dim("hint:"), stripControls(hint))
	}
}

// groupCommand is a command that only groups others: alone it prints help, with an unknown word it says which it may have been.
func groupCommand(cmd *cobra.Command, verbs ...*cobra.Command) *cobra.Command {
	cmd.AddCommand(verbs...)
	cmd.SuggestionsMinimumDistance = 2
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		err := fault.New(fault.Invalid, "unknown command %q for %q", args[0], cmd.CommandPath())
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			return err.WithHint("did you mean %s? See %s --help", strings.Join(near, " or "), cmd.CommandPath())
		}
		return err.WithHint("%s --help", cmd.CommandPath())
	}
	return cmd
}

// markStarted notes when a command's own work begins: errors before that are usage errors.
func (a *app) markStarted(cmd *cobra.Command) {
	if work := cmd.RunE; work != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			a.started, a.flags = true, cmd.Flags()
			return work(cmd, args)
		}
	}
	for _, sub := range cmd.Commands() {
		a.markStarted(sub)
	}
}
