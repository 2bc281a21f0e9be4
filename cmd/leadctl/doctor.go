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
		Short:   "Check this installation and say how to repair it",
		GroupID: groupServer,
		Long: "Check configuration, PostgreSQL, row security, identity provider, stored secrets, Odoo, each\n" +
			"workspace, jobs, register and disk. Row security is tested with two tenants, in a transaction that\n" +
			"is rolled back. With a token, the token is checked too. With LEADCTL_KEYCLOAK_PASSWORD or\n" +
			"LEADCTL_KEYCLOAK_PASSWORD_FILE set, the user profile of the Keycloak realm is checked too.\n\n" +
			"doctor changes nothing, except with --fix: it retries discarded jobs and updates companies from the\n" +
			"register. It exits 3 when an operator must act.",
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
	cmd.Flags().StringVar(&from.file, "token-file", "",
		"file with a token to check; - reads stdin; default: LEADCTL_TOKEN")
	cmd.Flags().BoolVar(&fix, "fix", false, "repair what can be repaired safely")
	return a.addOutputFlag(cmd)
}

func (a *app) runDoctor(ctx context.Context, from tokenSource, fix bool) ([]doctor.Check, error) {
	cfg, _ := a.config(ctx) // doctor reports an invalid configuration as its first check
	o := doctor.Options{Config: cfg, Fix: fix, By: operatorBy(""), TenantEditors: a.tenantEditors()}
	if from.file != "" || strings.TrimSpace(os.Getenv("LEADCTL_TOKEN")) != "" {
		var err error
		if o.Token, err = a.readToken(ctx, from); err != nil {
			return nil, err
		}
	}
	return doctor.Examine(ctx, o), nil
}

// tenantEditors returns a function that asks Keycloak who may edit a user's tenant, or nil when no administrator's
// password is set.
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
