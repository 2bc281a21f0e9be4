package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/reseal"
	"github.com/leadctl/leadctl/pkg/secret"
)

func newSecrets(a *app) *cobra.Command {
	return groupCommand(&cobra.Command{
		Use: "secrets", Short: "Keep the keys that seal tenants' Odoo secrets and browser sessions", GroupID: groupServer,
		Long: "Keep the keys that seal tenants' Odoo secrets and browser sessions. To replace the key while processes run: add-key, and start them\n" +
			"with the new keyset; promote, and start them again; rotate; retire.",
		Example: "  leadctl secrets init /etc/leadctl/keyset.json\n  leadctl secrets rotate --dry-run",
	}, newSecretsInit(a), newSecretsAddKey(a), newSecretsPromote(a), newSecretsRotate(a), newSecretsRetire(a))
}

func newSecretsInit(*app) *cobra.Command {
	return &cobra.Command{
		Use:     "init FILE",
		Short:   "Make a keyset in a new file that only you can read",
		Long:    "Make a keyset in a new file that only you can read. Point LEADCTL_KEYSET_FILE at it, and keep a copy where the database's backups are not:\nwithout it the stored Odoo secrets open no more.",
		Example: "  leadctl secrets init /etc/leadctl/keyset.json",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			keyset, err := secret.Generate()
			if err != nil {
				return err
			}
			return createFile(args[0], keyset)
		},
	}
}

func newSecretsAddKey(*app) *cobra.Command {
	return &cobra.Command{
		Use:     "add-key FILE",
		Short:   "Give a keyset one more key, which opens and does not seal yet",
		Long:    "Give a keyset one more key, which opens and does not seal yet. Start every process with the new keyset before `secrets promote`.",
		Example: "  leadctl secrets add-key /etc/leadctl/keyset.json",
		Args:    cobra.ExactArgs(1),
		RunE:    func(_ *cobra.Command, args []string) error { return rewriteKeyset(args[0], secret.AddKey) },
	}
}

func newSecretsPromote(*app) *cobra.Command {
	return &cobra.Command{
		Use:     "promote FILE",
		Short:   "Let a keyset's newest key seal from now on",
		Long:    "Let a keyset's newest key seal from now on. Start every process with the new keyset, then `secrets rotate`.",
		Example: "  leadctl secrets promote /etc/leadctl/keyset.json",
		Args:    cobra.ExactArgs(1),
		RunE:    func(_ *cobra.Command, args []string) error { return rewriteKeyset(args[0], secret.Promote) },
	}
}

func newSecretsRotate(a *app) *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Seal everything stored anew with the key that seals now",
		Long: "Seal everything stored anew with the key that seals now, some rows at a time, beside processes at work. A run that is stopped goes on\n" +
			"when it is run again. What does not open stays as it is and is told.",
		Example: "  leadctl secrets rotate --dry-run\n  leadctl secrets rotate",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := a.resealSecrets(cmd.Context(), dryRun)
			return errors.Join(err, a.printResultUnless(err, list), requireAllOpened(list))
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "count, and write nothing")
	return a.addOutputFlag(cmd)
}

func (a *app) resealSecrets(ctx context.Context, dryRun bool) ([]reseal.Column, error) {
	cfg, err := a.config(ctx)
	if err != nil {
		return nil, err
	}
	keys, err := secret.Parse([]byte(cfg.Secrets.Keyset))
	if err != nil {
		return nil, err
	}
	db, err := a.db(ctx)
	if err != nil {
		return nil, err
	}
	bar := a.newProgress("secrets", -1)
	defer bar.finish()
	return reseal.Reseal(ctx, db, keys, dryRun, operatorBy(""), bar.setDone)
}

// requireAllOpened says which values stand in the way of retiring a key.
func requireAllOpened(list []reseal.Column) error {
	var n int64
	var where []string
	for _, c := range list {
		n += c.Failed
		where = append(where, c.Where...)
	}
	if n == 0 {
		return nil
	}
	return fault.New(fault.Operator, "%d secrets: not opened by this keyset: %s", n, strings.Join(where, ", ")).
		WithHint("run with the keyset that sealed them; what is stored in the clear is replaced by `leadctl tenant provision TENANT`")
}

func newSecretsRetire(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "retire FILE",
		Short:   "Remove every key but the one that seals, if nothing stored needs another",
		Long:    "Remove every key but the one that seals. The file must be the keyset that LEADCTL_KEYSET_FILE names, and `secrets rotate` must have\nleft nothing to do. Start every process with the new keyset afterwards.",
		Example: "  leadctl secrets retire /etc/leadctl/keyset.json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			list, err := a.resealSecrets(cmd.Context(), true)
			if err = errors.Join(err, requireAllOpened(list), requireAllMoved(list), a.requireActiveKeyset(cmd.Context(), args[0])); err != nil {
				return err
			}
			return rewriteKeyset(args[0], secret.Retire)
		},
	}
}

// requireActiveKeyset demands the keyset that the stored secrets were just held against: another file's keys were not asked about.
func (a *app) requireActiveKeyset(ctx context.Context, path string) error {
	cfg, err := a.config(ctx)
	if err != nil {
		return err
	}
	file, err := os.ReadFile(path)
	if err != nil {
		return fault.New(fault.NotFound, "keyset: %w", err)
	}
	if strings.TrimSpace(string(file)) != strings.TrimSpace(cfg.Secrets.Keyset) {
		return fault.New(fault.Conflict, "keyset %s: not the one that LEADCTL_KEYSET_FILE names", path)
	}
	return nil
}

func requireAllMoved(list []reseal.Column) error {
	var n int64
	for _, c := range list {
		n += c.Moved
	}
	if n == 0 {
		return nil
	}
	return fault.New(fault.Operator, "%d secrets: sealed with another key than the one that seals now", n).WithHint("run `leadctl secrets rotate` first")
}

// createFile never replaces a file: an overwritten keyset is a lost one.
func createFile(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fault.New(fault.Conflict, "new file: %w", err)
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}

// rewriteKeyset changes a keyset's file at once or not at all: a half-written one would be a lost one.
func rewriteKeyset(path string, change func([]byte) ([]byte, error)) error {
	before, err := os.ReadFile(path)
	if err != nil {
		return fault.New(fault.NotFound, "keyset: %w", err)
	}
	after, err := change(before)
	if err != nil {
		return err
	}
	next := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new")
	if err := createFile(next, after); err != nil {
		return err
	}
	if err := os.Rename(next, path); err != nil {
		return errors.Join(fault.New(fault.Operator, "keyset: %w", err), os.Remove(next))
	}
	return nil
}
