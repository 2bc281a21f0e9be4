package main

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/leadctl/leadctl/pkg/config"
	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/keycloak"
	"github.com/leadctl/leadctl/pkg/sso"
)

func newSSOKeycloak(a *app) *cobra.Command {
	return groupCommand(&cobra.Command{
		Use: "keycloak", Short: "Set up a Keycloak realm and assign users to tenants",
		Example: "  leadctl sso keycloak setup --url http://localhost:8080 --realm nexius-dev --dry-run\n" +
			"  leadctl sso keycloak assign alice@acme.example --tenant 1 --role ops",
	}, newKeycloakSetup(a), newKeycloakAssign(a))
}

// adminFlags are the flags for access to Keycloak's admin API.
type adminFlags struct {
	url, realm, client             string
	admin, adminClient, adminRealm string
	passwordFile                   string
}

// adminHelp is the paragraph of the help texts about the administrator's password.
const adminHelp = "\n\n" +
	"The administrator's password or, with --admin-client, the secret of the service account comes from\n" +
	"--admin-password-file (- is stdin), else from LEADCTL_KEYCLOAK_PASSWORD, else from the file that\n" +
	"LEADCTL_KEYCLOAK_PASSWORD_FILE names. It is never an argument."

func (f *adminFlags) addAdminFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.url, "url", "", "Keycloak's address, without /realms/…; default: from NEXIUS_ISSUER")
	flags.StringVar(&f.realm, "realm", "", "realm of the users; default: from NEXIUS_ISSUER")
	flags.StringVar(&f.client, "client", "",
		"client of UI and API, which has the roles; default: NEXIUS_CLIENT_ID, else agent-chat-ui")
	flags.StringVar(&f.admin, "admin", "admin", "user name of the Keycloak administrator")
	flags.StringVar(&f.adminClient, "admin-client", "", "client ID of a service account, in place of an administrator")
	flags.StringVar(&f.adminRealm, "admin-realm", "master", "realm of the administrator")
	flags.StringVar(&f.passwordFile, "admin-password-file", "", "file with the administrator's password; - reads stdin")
}

// fillDefaults sets the flags that were not given from the configuration.
func (f *adminFlags) fillDefaults(cfg config.Config) error {
	base, realm, _ := strings.Cut(cfg.SSO.Issuer, "/realms/")
	if realm != "" {
		f.url, f.realm = cmp.Or(f.url, base), cmp.Or(f.realm, strings.TrimSuffix(realm, "/"))
	}
	f.client = cmp.Or(f.client, cfg.SSO.ClientID, "agent-chat-ui")
	if f.url == "" || f.realm == "" {
		return fault.New(fault.Invalid, "Keycloak: address or realm not set").
			WithHint("set --url and --realm, or NEXIUS_ISSUER")
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
	access := keycloak.Access{
		URL: f.url, Realm: f.adminRealm, User: f.admin, Secret: secret, AllowInsecure: cfg.Development(),
	}
	if f.adminClient != "" {
		access.User, access.Client = "", f.adminClient
	}
	admin, err := keycloak.Connect(ctx, access)
	return admin, cfg, err
}

func newKeycloakAssign(a *app) *cobra.Command {
	var f adminFlags
	var as keycloak.Assignment
	var roles []string
	cmd := &cobra.Command{
		Use:   "assign USER",
		Short: "Assign a user to a tenant and set roles",
		Long: "Assign a user, named by user name or e-mail address, to a tenant and set the user's roles. --role\n" +
			"replaces all roles. Without --tenant or --role, that part stays unchanged. The change applies from\n" +
			"the next sign-in or token renewal." +
			adminHelp,
		Example: "  leadctl sso keycloak assign alice@acme.example --tenant 1 --role ops\n" +
			"  leadctl sso keycloak assign bob --role viewer --dry-run",
		Args: cobra.ExactArgs(1),
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
	cmd.Flags().StringVar(&as.Tenant, "tenant", "", "tenant number or external ID")
	cmd.Flags().StringSliceVar(&roles, "role", nil, "roles of the user: viewer, ops, admin")
	cmd.Flags().BoolVar(&as.DryRun, "dry-run", false, "print the planned changes, but make none")
	return a.addOutputFlag(cmd)
}
