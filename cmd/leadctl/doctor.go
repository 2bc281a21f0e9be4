package main

import (
	"context"
	"errors"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/leadctl/leadctl/pkg/doctor"
)

func newDoctor(a *app) *cobra.Command {
	var from tokenSource
	var fix bool
	cmd := &cobra.Command{
		Use:     "doctor",
		Short:   "Say what is wrong with this installation and how to put it right",
		GroupID: groupServer,
		Long: "Check configuration, PostgreSQL, row security (by trying it with two tenants, in a transaction that is rolled back), identity provider,\n" +
			"stored secrets, Odoo and each workspace, jobs, register and disk. With a token, also what that is worth. Nothing is changed, but with\n" +
			"--fix jobs that were given up are tried again and companies follow the register. With LEADCTL_KEYCLOAK_PASSWORD or\n" +
			"LEADCTL_KEYCLOAK_PASSWORD_FILE set, the realm's user profile is looked at too. Exits 3 when something must be done.",
		Example: "  leadctl doctor\n  leadctl doctor -o json\n  leadctl doctor --token-file token.txt",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			checks, err := a.runDoctor(cmd.Context(), from, fix)
			if err != nil {
				return err
			}
			return errors.Join(a.printResult(checks), doctor.Verdict(checks))
		},
	}
	cmd.Flags().StringVar(&from.file, "token-file", "", "file with a token to judge; - reads stdin; without it LEADCTL_TOKEN")
	cmd.Flags().BoolVar(&fix, "fix", false, "put right what is safe to put right")
	return a.addOutputFlag(cmd)
}

func (a *app) runDoctor(ctx context.Context, from tokenSource, fix bool) ([]doctor.Check, error) {
	cfg, _ := a.config(ctx) // what is wrong with it is the first check
	o := doctor.Options{Config: cfg, Fix: fix, By: operatorBy(""), TenantEditors: a.tenantEditors()}
	if from.file != "" || strings.TrimSpace(os.Getenv("LEADCTL_TOKEN")) != "" {
		var err error
		if o.Token, err = a.readToken(ctx, from); err != nil {
			return nil, err
		}
	}
	return doctor.Examine(ctx, o), nil
}

// tenantEditors asks Keycloak as its administrator, where a password for that is at hand.
func (a *app) tenantEditors() func(context.Context) ([]string, error) {
	if os.Getenv("LEADCTL_KEYCLOAK_PASSWORD") == "" && os.Getenv("LEADCTL_KEYCLOAK_PASSWORD_FILE") == "" {
		return nil
	}
	return func(ctx context.Context) ([]string, error) {
		f := adminFlags{admin: "admin", adminRealm: "master"}
		admin, _, err := a.keycloakAdmin(ctx, &f)
		if err != nil {
			return nil, err
		}
		return admin.TenantEditors(ctx, f.realm)
	}
}
