package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/secret"
)

func newSecrets(a *app) *cobra.Command {
	return noun(&cobra.Command{Use: "secrets", Short: "Keep the keys that seal tenants' Odoo secrets", GroupID: groupServer}, newSecretsInit(a))
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
			return writeNew(args[0], keyset)
		},
	}
}

// writeNew never replaces a file: an overwritten keyset is a lost one.
func writeNew(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fault.New(fault.Conflict, "new file: %w", err)
	}
	_, err = f.Write(content)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}
