package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/leadctl/leadctl/pkg/config"
	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/keycloak"
	"github.com/leadctl/leadctl/pkg/sso"
)

// setupFlags are the flags of `sso keycloak setup`.
type setupFlags struct {
	adminFlags
	addressFlags
	opts                 keycloak.Options
	users                []string
	passwordFile, secret string
	showSecret           bool
	print                string
}

// printChoices are the values of --print: all settings, one block of them, a leadctl.yaml, or the plan.
func printChoices() []string {
	return []string{"env", "api-dev", "api-prod", "ui-dev", "ui-prod", "yaml", "plan"}
}

func newKeycloakSetup(a *app) *cobra.Command {
	var f setupFlags
	cmd := &cobra.Command{
		Use:   "setup",
		Short: "Set up a Keycloak realm for leadctl and print the settings",
		Long: "Set up a Keycloak realm for leadctl: the clients of UI, CLI and Odoo, the roles, the mappers for\n" +
			"audience, tenant_id and roles, and the user attribute tenant_id, which only administrators may edit.\n" +
			"Existing objects are kept. A second run changes nothing.\n\n" +
			"Then print the settings of API and UI for development and production. They contain the client secret\n" +
			"only with --show-secret. --secret-file writes the secret to a file that only you can read." +
			adminHelp,
		Example: "  leadctl sso keycloak setup --url http://localhost:8080 --realm nexius-dev \\\n" +
			"    --create-realm --dry-run\n" +
			"  leadctl sso keycloak setup --url https://id.example.com --realm acme \\\n" +
			"    --ui-url https://app.example.com --api-url https://api.example.com \\\n" +
			"    --secret-file client.secret --print api-prod\n" +
			"  leadctl sso keycloak setup --url http://localhost:8080 --realm nexius-dev --create-realm \\\n" +
			"    --test-user alice@acme.example:1:ops --test-password-file test.password --print yaml >leadctl.yaml",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.setUpRealm(cmd.Context(), &f) },
	}
	f.addAdminFlags(cmd)
	f.addAddressFlags(cmd)
	flags := cmd.Flags()
	flags.BoolVar(&f.opts.CreateRealm, "create-realm", false, "create the realm if it does not exist")
	flags.StringVar(&f.opts.CLIClient, "cli-client", defaultCLIClient, "client ID of leadctl sso login")
	flags.StringVar(&f.opts.OdooClient, "odoo-client", "odoo",
		"client ID of Odoo's sign-in; created if an Odoo server is configured")
	flags.StringSliceVar(&f.users, "test-user", nil,
		"user to create for development, as EMAIL[:TENANT[:ROLE+ROLE]]; may be repeated")
	flags.StringVar(&f.passwordFile, "test-password-file", "",
		"file with the test users' password; created with a random password if it does not exist")
	flags.StringVar(&f.secret, "secret-file", "", "write the client secret to this file")
	flags.BoolVar(&f.showSecret, "show-secret", false, "print the client secret with the settings")
	flags.BoolVar(&f.opts.DryRun, "dry-run", false, "print the planned changes, but make none")
	flags.StringVar(&f.print, "print", "env", "what to print: "+strings.Join(printChoices(), ", "))
	return a.addOutputFlag(cmd)
}

func (a *app) setUpRealm(ctx context.Context, f *setupFlags) error {
	if !slices.Contains(printChoices(), f.print) {
		return fault.New(fault.Invalid, "--print %q: must be one of %s", f.print, strings.Join(printChoices(), ", "))
	}
	admin, cfg, err := a.keycloakAdmin(ctx, &f.adminFlags)
	if err != nil {
		return err
	}
	if err := f.fillOptions(cfg); err != nil {
		return err
	}
	result, err := admin.Setup(ctx, f.opts)
	if f.opts.DryRun || f.print == "plan" {
		a.showWarnings(result)
		return errors.Join(a.printResult(result.Plan), err)
	}
	a.showChanges(result)
	if err != nil {
		return err
	}
	return a.printSettings(f, result)
}

// fillOptions sets the options of the setup from flags and configuration.
func (f *setupFlags) fillOptions(cfg config.Config) (err error) {
	f.opts.Realm, f.opts.Client, f.opts.Addresses = f.realm, f.client, f.resolveAddresses(cfg)
	if len(f.opts.Addresses.Odoo) == 0 {
		f.opts.OdooClient = ""
	}
	for _, text := range f.users {
		f.opts.Users = append(f.opts.Users, parseUser(text))
	}
	if len(f.users) > 0 && !f.opts.DryRun {
		f.opts.Password, err = testPassword(f.passwordFile)
	}
	return err
}

// parseUser splits EMAIL[:TENANT[:ROLE+ROLE]]. keycloak.Setup validates the parts.
func parseUser(text string) keycloak.User {
	email, rest, _ := strings.Cut(text, ":")
	tenant, list, _ := strings.Cut(rest, ":")
	u := keycloak.User{Email: email, Tenant: tenant}
	for _, r := range strings.FieldsFunc(list, func(c rune) bool { return c == '+' }) {
		u.Roles = append(u.Roles, sso.Role(r))
	}
	return u
}

// testPassword reads the test users' password from file. If the file does not exist, it creates it with a random one.
func testPassword(file string) (string, error) {
	if file == "" {
		return "", fault.New(fault.Invalid, "--test-user: needs --test-password-file").
			WithHint("--test-password-file FILE names the file with the password; it is created if it does not exist")
	}
	raw, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		password := rand.Text()
		return password, createFile(file, []byte(password+"\n"))
	}
	if err != nil {
		return "", fault.New(fault.Invalid, "--test-password-file: %w", err)
	}
	return strings.TrimSpace(string(raw)), nil
}

// showChanges prints each change on stderr, and the number of unchanged objects.
func (a *app) showChanges(r keycloak.Result) {
	kept := 0
	for _, c := range r.Plan {
		if c.Action == keycloak.Keep {
			kept++
			continue
		}
		change := strings.TrimSpace(c.Action + " " + c.Kind + " " + c.Name)
		fmt.Fprintln(a.stderr, a.style.good("✓"), stripControls(change), a.style.dim(stripControls(c.Detail)))
	}
	a.printNotice("%d unchanged", kept)
	a.showWarnings(r)
}

func (a *app) showWarnings(r keycloak.Result) {
	for _, w := range r.Warnings {
		fmt.Fprintln(a.stderr, a.style.bad("!"), stripControls(w))
	}
}

// printSettings prints the settings of API and UI that --print selects.
func (a *app) printSettings(f *setupFlags, r keycloak.Result) error {
	s := keycloak.Settings{
		Issuer: r.Issuer, Client: f.opts.Client, CLIClient: f.opts.CLIClient, Addresses: f.opts.Addresses,
	}
	if f.secret != "" {
		path, err := filepath.Abs(f.secret)
		if err != nil {
			return err
		}
		if err := saveSecret(path, r.Secret); err != nil {
			return err
		}
		s.SecretFile = path
	}
	if f.showSecret {
		s.Secret = r.Secret
	}
	if f.print == "yaml" {
		_, err := io.WriteString(a.stdout, s.YAML())
		return err
	}
	var parts []string
	for _, b := range s.Blocks() {
		if f.print == "env" || f.print == b.Name {
			parts = append(parts, b.String())
		}
	}
	_, err := io.WriteString(a.stdout, strings.Join(parts, "\n"))
	return err
}

// saveSecret writes the secret to a new file. It accepts a file that already holds the secret, and changes no other
// file.
func saveSecret(path, secret string) error {
	have, err := os.ReadFile(path)
	if err == nil && strings.TrimSpace(string(have)) == secret {
		return nil
	}
	if err == nil {
		return fault.New(fault.Conflict, "--secret-file %s: exists with other content", path).
			WithHint("move the file, or name another one")
	}
	return createFile(path, []byte(secret+"\n"))
}
