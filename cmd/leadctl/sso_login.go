package main

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/leadctl/leadctl/pkg/clilogin"
	"github.com/leadctl/leadctl/pkg/config"
	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/sso"
	"github.com/leadctl/leadctl/pkg/wire"
)

const (
	defaultCLIClient = "leadctl-cli"
	clientFlag       = "client ID; default: the first of LEADCTL_SSO_EXTRA_CLIENTS, else " + defaultCLIClient
)

// signedIn is the output of `sso login`: the new session.
type signedIn struct {
	Email       string    `json:"email"`
	Subject     string    `json:"sub"`
	Issuer      string    `json:"issuer"`
	TenantClaim string    `json:"tenant_claim"`
	TokenRoles  []string  `json:"token_roles"`
	Expires     time.Time `json:"expires_at"`
	File        string    `json:"session_file"`
}

// loginOptions are the flags of `sso login`.
type loginOptions struct {
	client, audience  string
	scopes            []string
	device, noBrowser bool
	port              int
}

func newSSOLogin(a *app) *cobra.Command {
	var opts loginOptions
	cmd := &cobra.Command{
		Use:   "login",
		Short: "Sign in at the identity provider",
		Long: "Sign in with a browser on this machine (authorization code with PKCE, redirect to a loopback port)\n" +
			"or, with --device, with a browser on another machine. The session is stored in a file that only you\n" +
			"can read, and is renewed when a command needs it. `leadctl sso logout` ends it.",
		Example: "  leadctl sso login\n  leadctl sso login --no-browser\n  leadctl sso login --device",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.signInUser(cmd.Context(), opts)
			if err != nil {
				return err
			}
			in, err := a.verifyNewSession(cmd.Context(), s)
			return errors.Join(err, a.printResultUnless(err, in))
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&opts.device, "device", false, "show a code to enter in a browser on another machine")
	flags.BoolVar(&opts.noBrowser, "no-browser", false, "print the address, do not open a browser")
	flags.IntVar(&opts.port, "port", 0,
		"loopback port of the redirect URI, for providers where it must be registered; 0 means any free port")
	flags.StringVar(&opts.client, "client", "", clientFlag)
	flags.StringVar(&opts.audience, "audience", "", "audience of the access token, for providers that need it (Auth0)")
	flags.StringSliceVar(&opts.scopes, "scope", nil, "scopes in addition to openid, profile and email")
	cmd.MarkFlagsMutuallyExclusive("device", "no-browser")
	return a.addOutputFlag(cmd)
}

func (a *app) signInUser(ctx context.Context, opts loginOptions) (clilogin.Session, error) {
	client, err := a.signinClient(ctx, opts)
	if err != nil {
		return clilogin.Session{}, err
	}
	defer client.Close()
	cache, err := clilogin.UserCache()
	if err != nil {
		return clilogin.Session{}, err
	}
	var s clilogin.Session
	if opts.device {
		s, err = client.SignInWithDevice(ctx, func(p clilogin.Prompt) {
			a.printNotice("Open %s and enter the code %s before %s.",
				cmp.Or(p.Complete, p.Address), p.UserCode, p.Expires.Format(time.TimeOnly))
		})
	} else {
		show := func(address string) { a.showLoginAddress(address, opts.noBrowser) }
		s, err = client.SignInWithBrowser(ctx, opts.port, show)
	}
	if err != nil {
		return clilogin.Session{}, err
	}
	return s, cache.Save(s)
}

// showLoginAddress prints the address to sign in at and, unless noBrowser is set, opens it in a browser.
func (a *app) showLoginAddress(address string, noBrowser bool) {
	if noBrowser || clilogin.OpenBrowser(address) != nil {
		a.printNotice("Open this address to sign in:\n%s", address)
		return
	}
	a.printNotice("A browser opens for the sign-in. If it does not, open this address:\n%s", address)
}

// verifyNewSession verifies the new token as the API does, so that a token which the API would reject fails here.
func (a *app) verifyNewSession(ctx context.Context, s clilogin.Session) (signedIn, error) {
	v, err := a.verifier(ctx)
	if err != nil {
		return signedIn{}, err
	}
	id, err := v.Verify(ctx, s.AccessToken)
	var bad *sso.TokenError
	if errors.As(err, &bad) {
		return signedIn{}, fault.New(fault.Unauthenticated,
			"signed in, but the API would reject the token (%s): %s", bad.Reason, bad.Detail).
			WithHint("%s; `leadctl sso whoami --explain` shows each check",
				cmp.Or(bad.Hint, "check the token's claims"))
	}
	if err != nil {
		return signedIn{}, err
	}
	if ahead := time.Until(id.IssuedAt).Round(time.Second); ahead.Abs() > maxClockDifference {
		a.printNotice("the provider's clock is %s ahead (negative: behind) of this machine's: run NTP on both", ahead)
	}
	cache, err := clilogin.UserCache()
	return signedIn{Email: id.Email, Subject: id.Subject, Issuer: id.Issuer, TenantClaim: id.Tenant.Value,
		TokenRoles: roleNames(id.Roles), Expires: s.Expires, File: cache.Path(s.Issuer, s.ClientID)}, err
}

func (a *app) signinClient(ctx context.Context, opts loginOptions) (*clilogin.Client, error) {
	cfg, err := a.configWithIssuer(ctx)
	if err != nil {
		return nil, err
	}
	log, err := a.log(ctx)
	if err != nil {
		return nil, err
	}
	if opts.audience == "" && sso.ProductOf(cfg.SSO.Issuer) == sso.Auth0 && len(cfg.SSO.Audiences) > 0 {
		opts.audience = cfg.SSO.Audiences[0]
	}
	return clilogin.Open(ctx, clilogin.Config{
		SSO: wire.SSO(cfg, log), ClientID: cliClient(cfg, opts.client), Scopes: opts.scopes, Audience: opts.audience,
	})
}

// configWithIssuer returns the configuration of a command that needs an identity provider.
func (a *app) configWithIssuer(ctx context.Context) (config.Config, error) {
	cfg, err := a.config(ctx)
	if err == nil && cfg.SSO.Issuer == "" {
		err = fault.New(fault.Invalid, "NEXIUS_ISSUER: not set").
			WithHint("set NEXIUS_ISSUER to the issuer URL; `leadctl sso keycloak setup` prints it")
	}
	return cfg, err
}

func cliClient(cfg config.Config, flag string) string {
	if flag == "" && len(cfg.SSO.ExtraClients) > 0 {
		flag = cfg.SSO.ExtraClients[0]
	}
	return cmp.Or(flag, defaultCLIClient)
}

// savedToken returns the access token of the session that `sso login` stored. It renews the token if it has expired.
func (a *app) savedToken(ctx context.Context, client string) (string, error) {
	cfg, err := a.configWithIssuer(ctx)
	if err != nil {
		return "", err
	}
	cache, err := clilogin.UserCache()
	if err != nil {
		return "", err
	}
	renew := func(ctx context.Context, old clilogin.Session) (clilogin.Session, error) {
		c, err := a.signinClient(ctx, loginOptions{client: old.ClientID})
		if err != nil {
			return clilogin.Session{}, err
		}
		defer c.Close()
		return c.Renew(ctx, old)
	}
	s, err := cache.Fresh(ctx, cfg.SSO.Issuer, cliClient(cfg, client), renew)
	return s.AccessToken, err
}

func newSSOLogout(a *app) *cobra.Command {
	var client string
	cmd := &cobra.Command{
		Use:   "logout",
		Short: "End the session of `leadctl sso login`",
		Long: "Delete the stored session of `leadctl sso login` and revoke its tokens at the identity provider. The\n" +
			"browser's session at the provider continues. If the provider cannot be reached, the stored session\n" +
			"is deleted and the command exits 6.",
		Example: "  leadctl sso logout",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.signOutUser(cmd.Context(), client) },
	}
	cmd.Flags().StringVar(&client, "client", "", clientFlag)
	return cmd
}

func (a *app) signOutUser(ctx context.Context, client string) error {
	cfg, err := a.configWithIssuer(ctx)
	if err != nil {
		return err
	}
	cache, err := clilogin.UserCache()
	if err != nil {
		return err
	}
	s, found, err := cache.Take(cfg.SSO.Issuer, cliClient(cfg, client))
	if err != nil {
		return err
	}
	if !found {
		a.printNotice("not signed in to %s", cfg.SSO.Issuer)
		return nil
	}
	c, err := a.signinClient(ctx, loginOptions{client: s.ClientID})
	if err != nil {
		return err
	}
	defer c.Close()
	return c.Revoke(ctx, s)
}
