package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/sso"
	"github.com/leadctl/leadctl/pkg/tenant"
)

func newSSO(a *app) *cobra.Command {
	return groupCommand(&cobra.Command{
		Use: "sso", Short: "Sign in, check tokens, set up the identity provider", GroupID: groupTenancy,
		Example: "  leadctl sso keycloak setup --url http://localhost:8080 --realm nexius-dev --dry-run\n" +
			"  leadctl sso login\n  leadctl sso whoami --explain",
	}, newSSOWhoami(a), newSSOLogin(a), newSSOLogout(a), newSSOSignOut(a), newSSODiscover(a), newSSOKeycloak(a))
}

// whoami is the output of `sso whoami`: the token's claims, and the tenant and roles that they resolve to.
type whoami struct {
	Subject       string    `json:"sub"`
	Email         string    `json:"email"`
	EmailVerified bool      `json:"email_verified"`
	Issuer        string    `json:"issuer"`
	Audience      []string  `json:"audience"`
	Kind          string    `json:"kind"`
	TokenRoles    []string  `json:"token_roles"`
	TenantClaim   string    `json:"tenant_claim"`
	Tenant        tenant.ID `json:"tenant_id"` // 0: none
	TenantName    string    `json:"tenant"`
	Roles         []string  `json:"roles"` // in that tenant
	Expires       time.Time `json:"expires_at"`
}

func newSSOWhoami(a *app) *cobra.Command {
	var from tokenSource
	var explain bool
	cmd := &cobra.Command{
		Use:   "whoami",
		Short: "Verify a token and show identity, tenant, roles and expiry",
		Long: "Verify a token as the API does, and show identity, tenant, roles and expiry. If the token is not\n" +
			"valid, the command exits 5 and prints the reason and the remedy.\n\n" +
			"The token comes from --token-file (- is stdin), else from LEADCTL_TOKEN, else from\n" +
			"`leadctl sso login`. It is never an argument.",
		Example: "  leadctl sso login && leadctl sso whoami\n  leadctl sso whoami --token-file token.txt -o json\n" +
			"  echo \"$TOKEN\" | leadctl sso whoami --explain --token-file -",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			token, err := a.readToken(cmd.Context(), from)
			if err != nil {
				return err
			}
			if explain {
				return a.explainToken(cmd.Context(), token)
			}
			who, err := a.resolveIdentity(cmd.Context(), token)
			return errors.Join(err, a.printResultUnless(err, who))
		},
	}
	cmd.Flags().StringVar(&from.file, "token-file", "", "file with the token; - reads stdin")
	cmd.Flags().StringVar(&from.client, "client", "", clientFlag)
	cmd.Flags().BoolVar(&explain, "explain", false,
		"show each check, from the token's structure to the tenant's row in the database")
	return a.addOutputFlag(cmd)
}

func (a *app) resolveIdentity(ctx context.Context, token string) (whoami, error) {
	v, err := a.verifier(ctx)
	if err != nil {
		return whoami{}, err
	}
	id, err := v.Verify(ctx, token)
	if err != nil {
		return whoami{}, tokenFault(err)
	}
	who := whoami{Subject: id.Subject, Email: id.Email, EmailVerified: id.EmailVerified, Issuer: id.Issuer,
		Audience: id.Audience, Kind: id.Kind, TokenRoles: roleNames(id.Roles), TenantClaim: id.Tenant.Value,
		Roles: []string{}, Expires: id.Expiry}
	p, looked, err := a.lookUpTenant(ctx, id)
	if !looked && err == nil {
		a.printNotice("POSTGRES_DSN is not set: only the token was checked, no tenant was looked up")
		return who, id.ClaimFault()
	}
	if err == nil {
		who.Tenant, who.TenantName, who.Roles = p.Tenant.ID, p.Tenant.Name, roleNames(p.Roles)
	}
	return who, err
}

// lookUpTenant finds the tenant of a verified identity. looked is false if no database is configured.
func (a *app) lookUpTenant(ctx context.Context, id sso.Identity) (p tenant.Principal, looked bool, err error) {
	cfg, err := a.config(ctx)
	if err != nil || cfg.Database.DSN == "" {
		return tenant.Principal{}, false, err
	}
	err = a.inSystem(ctx, "whoami", func(ctx context.Context, tx postgres.SystemTx) (err error) {
		p, err = tenant.Resolve(ctx, tx, id, tenant.Membership(cfg.SSO.Membership))
		return err
	})
	return p, true, err
}

// tokenFault adds the reason and the remedy to an error about a token. The API hides them from callers; an operator,
// who holds the token, may see them.
func tokenFault(err error) error {
	var bad *sso.TokenError
	if !errors.As(err, &bad) {
		return err
	}
	return fault.New(fault.Unauthenticated, "token rejected (%s): %s", bad.Reason, bad.Detail).WithHint("%s", bad.Hint)
}

func roleNames(roles []sso.Role) []string {
	out := make([]string, len(roles))
	for i, r := range roles {
		out[i] = string(r)
	}
	return out
}
