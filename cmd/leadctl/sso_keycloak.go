package main

import (
	"cmp"
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

func newSSOKeycloak(a *app) *cobra.Command {
	return groupCommand(&cobra.Command{
		Use: "keycloak", Short: "Prepare a Keycloak realm, and say who belongs to which tenant",
		Example: "  leadctl sso keycloak setup --url http://localhost:8080 --realm nexius-dev --create-realm --dry-run\n" +
			"  leadctl sso keycloak assign alice@acme.example --tenant 1 --role ops",
	}, newKeycloakSetup(a), newKeycloakAssign(a))
}

// adminFlags say how to get into Keycloak's admin API.
type adminFlags struct {
	url, realm, client             string
	admin, adminClient, adminRealm string
	passwordFile                   string
}

const adminHelp = "\n\nThe administrator's password, or with --admin-client the service account's secret, comes from --admin-password-file\n" +
	"(- is stdin), else from LEADCTL_KEYCLOAK_PASSWORD, else from the file named by LEADCTL_KEYCLOAK_PASSWORD_FILE; never from an argument."

func (f *adminFlags) addAdminFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.url, "url", "", "Keycloak's address, without /realms/…; default: that of NEXIUS_ISSUER")
	flags.StringVar(&f.realm, "realm", "", "realm of the users; default: that of NEXIUS_ISSUER")
	flags.StringVar(&f.client, "client", "", "client of UI and API, which holds the roles; default: NEXIUS_CLIENT_ID, else agent-chat-ui")
	flags.StringVar(&f.admin, "admin", "admin", "Keycloak administrator")
	flags.StringVar(&f.adminClient, "admin-client", "", "service account to use in place of an administrator")
	flags.StringVar(&f.adminRealm, "admin-realm", "master", "realm that knows the administrator")
	flags.StringVar(&f.passwordFile, "admin-password-file", "", "file with the administrator's password; - reads stdin")
}

// fillDefaults fills in from the settings what no flag said.
func (f *adminFlags) fillDefaults(cfg config.Config) error {
	base, realm, _ := strings.Cut(cfg.SSO.Issuer, "/realms/")
	if realm != "" {
		f.url, f.realm = cmp.Or(f.url, base), cmp.Or(f.realm, strings.TrimSuffix(realm, "/"))
	}
	f.client = cmp.Or(f.client, cfg.SSO.ClientID, "agent-chat-ui")
	if f.url == "" || f.realm == "" {
		return fault.New(fault.Invalid, "Keycloak: no address or no realm").WithHint("give --url and --realm, or set NEXIUS_ISSUER")
	}
	return nil
}

// keycloakAdmin signs in to the admin API.
func (a *app) keycloakAdmin(ctx context.Context, f *adminFlags) (*keycloak.Admin, config.Config, error) {
	cfg, err := a.config(ctx)
	if err != nil {
		return nil, cfg, err
	}
	if err := f.fillDefaults(cfg); err != nil {
		return nil, cfg, err
	}
	secret, err := a.readAdminSecret(f.passwordFile)
	if err != nil {
		return nil, cfg, err
	}
	access := keycloak.Access{URL: f.url, Realm: f.adminRealm, User: f.admin, Secret: secret, AllowInsecure: cfg.Development()}
	if f.adminClient != "" {
		access.User, access.Client = "", f.adminClient
	}
	admin, err := keycloak.Connect(ctx, access)
	return admin, cfg, err
}

// setupFlags are the flags of setup beyond the administrator's.
type setupFlags struct {
	adminFlags
	addressFlags
	opts                 keycloak.Options
	users                []string
	passwordFile, secret string
	showSecret           bool
	print                string
}

// printChoices is what setup can print: the plan, all settings, one block of them, or a leadctl.yaml.
func printChoices() []string {
	return []string{"env", "api-dev", "api-prod", "ui-dev", "ui-prod", "yaml", "plan"}
}

func newKeycloakSetup(a *app) *cobra.Command {
	var f setupFlags
	cmd := &cobra.Command{
		Use:   "setup",
		Short: "Bring a Keycloak realm to what leadctl needs, and print the settings that follow",
		Long: "Bring a Keycloak realm to what leadctl needs: the clients of UI, CLI and Odoo, the roles, the mappers for audience, tenant_id and roles,\n" +
			"and the user attribute tenant_id that only administrators may edit. What is there is kept; running it again changes nothing.\n" +
			"Then print the settings of API and UI for development and production. The client secret is among them only with --show-secret;\n" +
			"--secret-file writes it to a file that only you can read." + adminHelp,
		Example: "  leadctl sso keycloak setup --url http://localhost:8080 --realm nexius-dev --create-realm --dry-run\n" +
			"  leadctl sso keycloak setup --url https://id.example.com --realm acme --ui-url https://app.example.com --api-url https://api.example.com \\\n" +
			"    --secret-file client.secret --print api-prod\n" +
			"  leadctl sso keycloak setup --url http://localhost:8080 --realm nexius-dev --create-realm --test-user alice@acme.example:1:ops \\\n" +
			"    --test-password-file test.password --print yaml >leadctl.yaml",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.setUpRealm(cmd.Context(), &f) },
	}
	f.adminFlags.addAdminFlags(cmd)
	f.addressFlags.addAddressFlags(cmd)
	flags := cmd.Flags()
	flags.BoolVar(&f.opts.CreateRealm, "create-realm", false, "make the realm when there is none")
	flags.StringVar(&f.opts.CLIClient, "cli-client", defaultCLIClient, "client of leadctl sso login")
	flags.StringVar(&f.opts.OdooClient, "odoo-client", "odoo", "client of Odoo's sign-in; made when an Odoo server is known")
	flags.StringSliceVar(&f.users, "test-user", nil, "EMAIL[:TENANT[:ROLE+ROLE]] of a user to make for development, any number")
	flags.StringVar(&f.passwordFile, "test-password-file", "", "file with the test users' password; made with a random one when it is missing")
	flags.StringVar(&f.secret, "secret-file", "", "write the client secret to this file")
	flags.BoolVar(&f.showSecret, "show-secret", false, "print the client secret with the settings")
	flags.BoolVar(&f.opts.DryRun, "dry-run", false, "write nothing and print what would be done")
	flags.StringVar(&f.print, "print", "env", "what to print: "+strings.Join(printChoices(), ", "))
	return a.addOutputFlag(cmd)
}

func (a *app) setUpRealm(ctx context.Context, f *setupFlags) error {
	if !slices.Contains(printChoices(), f.print) {
		return fault.New(fault.Invalid, "--print %q: not one of %s", f.print, strings.Join(printChoices(), ", "))
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

// fillOptions makes the options of a setup out of flags and settings.
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

// parseUser reads EMAIL[:TENANT[:ROLE+ROLE]]; what is wrong with the parts, Setup says.
func parseUser(text string) keycloak.User {
	email, rest, _ := strings.Cut(text, ":")
	tenant, list, _ := strings.Cut(rest, ":")
	u := keycloak.User{Email: email, Tenant: tenant}
	for _, r := range strings.FieldsFunc(list, func(c rune) bool { return c == '+' }) {
		u.Roles = append(u.Roles, sso.Role(r))
	}
	return u
}

// testPassword reads the test users' password, or makes one and keeps it in the file.
func testPassword(file string) (string, error) {
	if file == "" {
		return "", fault.New(fault.Invalid, "test users: no password").WithHint("--test-password-file FILE holds it, or gets a random one")
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

// showChanges tells what was done; what was kept only by its number.
func (a *app) showChanges(r keycloak.Result) {
	kept := 0
	for _, c := range r.Plan {
		if c.Action == keycloak.Keep {
			kept++
			continue
		}
		fmt.Fprintln(a.stderr, a.style.good("✓"), stripControls(strings.TrimSpace(c.Action+" "+c.Kind+" "+c.Name)), a.style.dim(stripControls(c.Detail)))
	}
	a.printNotice("%d unchanged", kept)
	a.showWarnings(r)
}

func (a *app) showWarnings(r keycloak.Result) {
	for _, w := range r.Warnings {
		fmt.Fprintln(a.stderr, a.style.bad("!"), stripControls(w))
	}
}

// printSettings prints what API and UI need to be told now.
func (a *app) printSettings(f *setupFlags, r keycloak.Result) error {
	s := keycloak.Settings{Issuer: r.Issuer, Client: f.opts.Client, CLIClient: f.opts.CLIClient, Addresses: f.opts.Addresses}
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

// saveSecret writes the secret to a new file. A file that holds it already is fine, any other is not touched.
func saveSecret(path, secret string) error {
	have, err := os.ReadFile(path)
	if err == nil && strings.TrimSpace(string(have)) == secret {
		return nil
	}
	if err == nil {
		return fault.New(fault.Conflict, "--secret-file %s: it holds something else", path).WithHint("move it away, or name another file")
	}
	return createFile(path, []byte(secret+"\n"))
}

func newKeycloakAssign(a *app) *cobra.Command {
	var f adminFlags
	var as keycloak.Assignment
	var roles []string
	cmd := &cobra.Command{
		Use:   "assign USER",
		Short: "Put a user into a tenant and give roles",
		Long: "Put a user, named by user name or e-mail address, into a tenant (its number or external id) and give roles. The roles named are the ones\n" +
			"that the user has afterwards; what no flag names stays. It counts from the next sign-in or renewal on." + adminHelp,
		Example: "  leadctl sso keycloak assign alice@acme.example --tenant 1 --role ops\n  leadctl sso keycloak assign bob --role viewer --dry-run",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			admin, _, err := a.keycloakAdmin(cmd.Context(), &f)
			if err != nil {
				return err
			}
			as.Realm, as.Client, as.User = f.realm, f.client, args[0]
			for _, r := range roles {
				as.Roles = append(as.Roles, sso.Role(r))
			}
			plan, err := admin.Assign(cmd.Context(), as)
			return errors.Join(err, a.printResultUnless(err, plan))
		},
	}
	f.addAdminFlags(cmd)
	cmd.Flags().StringVar(&as.Tenant, "tenant", "", "tenant's number or external id")
	cmd.Flags().StringSliceVar(&roles, "role", nil, "viewer, ops or admin, any number")
	cmd.Flags().BoolVar(&as.DryRun, "dry-run", false, "write nothing and print what would be done")
	return a.addOutputFlag(cmd)
}
