package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
)

// run executes the command in args and returns the exit code; package fault lists the codes.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := newApp(stdin, stdout, stderr)
	root := newRoot(a)
	root.SetArgs(args)
	return a.executeCommand(ctx, root)
}

// executeCommand runs root, closes what the command opened, prints the error if there is one and returns the exit code.
// The first SIGINT or SIGTERM cancels the command's context; the second one kills the process.
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
	a.endLog()
	return fault.ExitCode(err)
}

// usageError turns an error of the command line, such as an unknown flag, into one whose hint names the help.
func usageError(cmd *cobra.Command, err error) error {
	if fault.Hint(err) != "" {
		return err
	}
	return fault.New(fault.Invalid, "%s", err).WithHint("%s --help", cmd.CommandPath())
}

// reportError prints err and its hint on stderr.
func (a *app) reportError(err error) {
	if err == nil {
		return
	}
	fmt.Fprintln(a.stderr, a.style.bad("leadctl:"), stripControls(err.Error()))
	if hint := cmp.Or(fault.Hint(err), postgres.ConnectHint(err)); hint != "" {
		fmt.Fprintln(a.stderr, a.style.dim("hint:"), stripControls(hint))
	}
}

// groupCommand makes cmd the parent of verbs. Without an argument it prints help. With an unknown word it fails and
// suggests similar commands.
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

// markStarted makes each command set a.started when its RunE begins. Errors before that are usage errors.
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
