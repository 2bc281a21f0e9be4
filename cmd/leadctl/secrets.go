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
		Use: "secrets", Short: "Manage the keys that encrypt Odoo secrets and sessions", GroupID: groupServer,
		Long: "Manage the keyset that encrypts tenants' Odoo secrets and browser sessions. To replace the key\n" +
			"without downtime: run `secrets add-key` and restart all processes with the new keyset; run\n" +
			"`secrets promote` and restart them again; run `secrets rotate`; run `secrets retire`.",
		Example: "  leadctl secrets init /etc/leadctl/keyset.json\n  leadctl secrets rotate --dry-run",
	}, newSecretsInit(a), newSecretsAddKey(a), newSecretsPromote(a), newSecretsRotate(a), newSecretsRetire(a))
}

func newSecretsInit(*app) *cobra.Command {
	return &cobra.Command{
		Use:   "init FILE",
		Short: "Create a keyset in a new file",
		Long: "Create a keyset in a new file that only you can read. Set LEADCTL_KEYSET_FILE to that file. Keep a\n" +
			"copy of it apart from the database's backups: without the keyset the stored secrets cannot be\n" +
			"decrypted.",
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
		Use:   "add-key FILE",
		Short: "Add a key that decrypts but does not encrypt yet",
		Long: "Add a key to a keyset. The new key decrypts, but does not encrypt yet. Restart every process with\n" +
			"the new keyset before you run `secrets promote`.",
		Example: "  leadctl secrets add-key /etc/leadctl/keyset.json",
		Args:    cobra.ExactArgs(1),
		RunE:    func(_ *cobra.Command, args []string) error { return rewriteKeyset(args[0], secret.AddKey) },
	}
}

func newSecretsPromote(*app) *cobra.Command {
	return &cobra.Command{
		Use:   "promote FILE",
		Short: "Make the newest key of a keyset the one that encrypts",
		Long: "Make the newest key of a keyset the one that encrypts. Restart every process with the new keyset,\n" +
			"then run `secrets rotate`.",
		Example: "  leadctl secrets promote /etc/leadctl/keyset.json",
		Args:    cobra.ExactArgs(1),
		RunE:    func(_ *cobra.Command, args []string) error { return rewriteKeyset(args[0], secret.Promote) },
	}
}

func newSecretsRotate(a *app) *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Encrypt all stored secrets with the current key",
		Long: "Encrypt all stored secrets with the current key, in batches, while processes run. If it is stopped,\n" +
			"run it again to continue. Secrets that cannot be decrypted stay unchanged and are reported.",
		Example: "  leadctl secrets rotate --dry-run\n  leadctl secrets rotate",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := a.resealSecrets(cmd.Context(), dryRun)
			return errors.Join(err, a.printResultUnless(err, list), requireAllOpened(list))
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "count the secrets, but write nothing")
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

// requireAllOpened returns an error that names the secrets that the keyset cannot decrypt.
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
	return fault.New(fault.Operator,
		"%d secrets: cannot be decrypted with this keyset: %s", n, strings.Join(where, ", ")).
		WithHint("use the keyset that encrypted them; " +
			"`leadctl tenant provision TENANT` replaces a secret that is stored as plaintext")
}

func newSecretsRetire(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "retire FILE",
		Short: "Remove all keys but the current one",
		Long: "Remove all keys but the current one. FILE must be the keyset that LEADCTL_KEYSET_FILE names, and\n" +
			"every stored secret must be encrypted with the current key (`secrets rotate`). Restart every process\n" +
			"with the new keyset afterwards.",
		Example: "  leadctl secrets retire /etc/leadctl/keyset.json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			list, err := a.resealSecrets(cmd.Context(), true)
			err = errors.Join(err, requireAllOpened(list), requireAllMoved(list))
			if err = errors.Join(err, a.requireActiveKeyset(cmd.Context(), args[0])); err != nil {
				return err
			}
			return rewriteKeyset(args[0], secret.Retire)
		},
	}
}

// requireActiveKeyset returns an error unless path holds the configured keyset, because retire has checked the stored
// secrets against that one only.
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
		return fault.New(fault.Conflict, "keyset %s: differs from the keyset that LEADCTL_KEYSET_FILE names", path)
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
	return fault.New(fault.Operator, "%d secrets: encrypted with another key than the current one", n).
		WithHint("run `leadctl secrets rotate` first")
}

// createFile writes content to a new file with mode 0600. It never replaces a file, because an overwritten keyset is
// lost.
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

// rewriteKeyset replaces the keyset in path by rename, so that a crash leaves the old keyset or the new one.
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
