package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"syscall"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
)

// execute runs work as the command `leadctl try ARG`.
func execute(
	t *testing.T,
	ctx context.Context,
	work func(*app, *cobra.Command) error,
	args ...string,
) (code int, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	a := newApp(nil, &out, &err)
	root := newRoot(a)
	cmd := &cobra.Command{
		Use:  "try",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, _ []string) error { return work(a, cmd) },
	}
	cmd.Flags().String("must", "", "")
	require.NoError(t, cmd.MarkFlagRequired("must"))
	a.markStarted(cmd)
	root.AddCommand(cmd)
	root.SetArgs(append([]string{"try"}, args...))
	code = a.executeCommand(ctx, root)
	require.Empty(t, out.String(), "errors go to stderr")
	return code, err.String()
}

func TestExitCodeAndWords(t *testing.T) {
	t.Parallel()
	right := []string{"x", "--must=1"}
	fails := func(err error) func(*app, *cobra.Command) error {
		return func(*app, *cobra.Command) error { return err }
	}
	for name, c := range map[string]struct {
		err    error
		args   []string
		code   int
		stderr string
	}{
		"done":         {nil, right, 0, ""},
		"unclassified": {errors.New("disk full"), right, 1, "leadctl: disk full\n"},
		"with a hint": {fault.New(fault.Operator, "schema 3 of 5").WithHint("leadctl migrate"), right, 3,
			"leadctl: schema 3 of 5\nhint: leadctl migrate\n"},
		"cause is shown": {fault.New(fault.Unavailable, "Odoo: %w", errors.New("refused")), right, 6,
			"leadctl: Odoo: refused\n"},
		"control characters": {fault.New(fault.NotFound, "tenant %q\x1b[2J", "a\x1b"), right, 4,
			"leadctl: tenant \"a\\x1b\"\ufffd[2J\n"},
		"argument missing": {nil, []string{"--must=1"}, 2,
			"leadctl: accepts 1 arg(s), received 0\nhint: leadctl try --help\n"},
		"flag missing": {nil, []string{"x"}, 2,
			"leadctl: required flag(s) \"must\" not set\nhint: leadctl try --help\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, stderr := execute(t, t.Context(), fails(c.err), c.args...)
			require.Equal(t, c.code, code)
			require.Equal(t, c.stderr, stderr)
		})
	}
}

func TestClosedInReverseAlsoAfterAnError(t *testing.T) {
	t.Parallel()
	var order []string
	code, stderr := execute(t, t.Context(), func(a *app, _ *cobra.Command) error {
		for _, name := range []string{"first", "second"} {
			a.onClose(func() error { order = append(order, name); return errors.New("closing " + name) })
		}
		return errors.New("work")
	}, "x", "--must=1")
	require.Equal(t, 1, code)
	require.Equal(t, []string{"second", "first"}, order)
	require.Equal(t, "leadctl: work\nclosing second\nclosing first\n", stderr)
}

func TestOpenedOnceOnFirstUse(t *testing.T) {
	t.Parallel()
	opened := 0
	open := openOnce(func(context.Context) (int, error) { opened++; return opened, errors.New("refused") })
	require.Zero(t, opened)
	for range 3 {
		n, err := open(t.Context())
		require.Equal(t, 1, n)
		require.EqualError(t, err, "refused")
	}
}

func TestInterruptedIs130WhateverTheError(t *testing.T) {
	t.Parallel()
	for _, said := range []error{context.Canceled, fault.New(fault.Unavailable, "PostgreSQL: conn closed")} {
		ctx, cancel := context.WithCancel(t.Context())
		code, stderr := execute(t, ctx, func(*app, *cobra.Command) error { cancel(); return said }, "x", "--must=1")
		require.Equal(t, 130, code)
		require.Contains(t, stderr, "leadctl: interrupted")
	}
	ctx, cancel := context.WithCancel(t.Context())
	code, _ := execute(t, ctx, func(*app, *cobra.Command) error { cancel(); return nil }, "x", "--must=1")
	require.Zero(t, code, "a server that stops when it is told to has succeeded")
}

func TestSignalCancelsTheContext(t *testing.T) { // not parallel: the whole process gets the signal
	code, _ := execute(t, t.Context(), func(_ *app, cmd *cobra.Command) error {
		if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
			return err
		}
		<-cmd.Context().Done()
		return cmd.Context().Err()
	}, "x", "--must=1")
	require.Equal(t, 130, code)
}
