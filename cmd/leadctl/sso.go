package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/sso"
	"github.com/leadctl/leadctl/pkg/tenant"
)

func newSSO(a *app) *cobra.Command {
	return noun(&cobra.Command{
		Use: "sso", Short: "See what a token is worth here", GroupID: groupTenancy,
		Example: "  leadctl sso whoami --token-file token.txt\n  echo \"$TOKEN\" | leadctl sso whoami --token-file - --explain",
	}, newSSOWhoami(a))
}

// whoami is what a token says and what it leads to.
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

// explained is one check of --explain.
type explained struct {
	Check  string `json:"check"`
	State  string `json:"state"`
	Detail string `json:"detail"`
	Hint   string `json:"hint"`
}

func newSSOWhoami(a *app) *cobra.Command {
	var file string
	var explain bool
	cmd := &cobra.Command{
		Use:   "whoami",
		Short: "Verify a token and show identity, tenant, roles and expiry",
		Long: "Verify a token as the API does and show what it is worth. A bad one exits 5 with the one reason and what to change.\n" +
			"The token comes from --token-file (- is stdin) or from LEADCTL_TOKEN, never from an argument.",
		Example: "  leadctl sso whoami --token-file token.txt\n  LEADCTL_TOKEN=… leadctl sso whoami -o json\n  leadctl sso whoami --explain --token-file -",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			token, err := a.token(file)
			if err != nil {
				return err
			}
			if explain {
				return a.explain(cmd.Context(), token)
			}
			who, err := a.whoami(cmd.Context(), token)
			return errors.Join(err, a.printUnless(err, who))
		},
	}
	cmd.Flags().StringVar(&file, "token-file", "", "file with the token; - reads stdin")
	cmd.Flags().BoolVar(&explain, "explain", false, "show every check in order")
	return a.reads(cmd)
}

func (a *app) whoami(ctx context.Context, token string) (whoami, error) {
	v, err := a.verifier(ctx)
	if err != nil {
		return whoami{}, err
	}
	id, err := v.Verify(ctx, token)
	if err != nil {
		return whoami{}, tokenFault(err)
	}
	who := whoami{Subject: id.Subject, Email: id.Email, EmailVerified: id.EmailVerified, Issuer: id.Issuer, Audience: id.Audience, Kind: id.Kind,
		TokenRoles: names(id.Roles), TenantClaim: id.Tenant.Value, Roles: []string{}, Expires: id.Expiry}
	var p tenant.Principal
	err = a.inSystem(ctx, "whoami", func(ctx context.Context, tx postgres.SystemTx) (err error) {
		p, err = tenant.Resolve(ctx, tx, id)
		return err
	})
	if err == nil {
		who.Tenant, who.TenantName, who.Roles = p.Tenant.ID, p.Tenant.Name, names(p.Roles)
	}
	return who, err
}

func (a *app) explain(ctx context.Context, token string) error {
	v, err := a.verifier(ctx)
	if err != nil {
		return err
	}
	var rows []explained
	for _, c := range v.Explain(ctx, token) {
		state := "passed"
		switch {
		case c.Skipped:
			state = "skipped"
		case !c.OK:
			state = "failed"
		}
		rows = append(rows, explained{c.Name, state, c.Detail, c.Hint})
	}
	_, err = v.Verify(ctx, token)
	return errors.Join(a.print(rows), tokenFault(err))
}

// tokenFault tells an operator, who holds the token, what the API tells nobody: the one reason.
func tokenFault(err error) error {
	var bad *sso.TokenError
	if !errors.As(err, &bad) {
		return err
	}
	return fault.New(fault.Unauthenticated, "token refused (%s): %s", bad.Reason, bad.Detail).WithHint("%s", bad.Hint)
}

func names(roles []sso.Role) []string {
	out := make([]string, len(roles))
	for i, r := range roles {
		out[i] = string(r)
	}
	return out
}

const maxTokenFile = 64 << 10

// token reads the token that a command is about.
func (a *app) token(file string) (string, error) {
	var raw []byte
	var err error
	switch file {
	case "":
		raw = []byte(os.Getenv("LEADCTL_TOKEN"))
	case "-":
		raw, err = io.ReadAll(io.LimitReader(a.stdin, maxTokenFile))
	default:
		raw, err = os.ReadFile(file)
	}
	if err != nil {
		return "", fault.New(fault.Invalid, "token: %w", err)
	}
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return "", fault.New(fault.Invalid, "token: none given").WithHint("use --token-file FILE, --token-file - for stdin, or LEADCTL_TOKEN")
	}
	return string(bytes.TrimPrefix(raw, []byte("Bearer "))), nil
}
