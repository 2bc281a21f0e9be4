package workspace

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/odoo/provision"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/sso"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// OdooLogin is the sign-in of members to their workspace. It uses leadctl's own identity provider, where Odoo is a
// public client. Odoo's server checks each token with a route of leadctl (ValidationPath), for two reasons: Odoo reads
// only the subject of a token, and Odoo 14 cannot send a token in the header that providers require.
type OdooLogin struct {
	ClientID string // Odoo's client at the provider
	Issuer   string
	BaseURL  string // address of leadctl's API for Odoo's server
	PagesURL string // address of leadctl's pages for browsers
	Discover func(context.Context) (sso.Discovery, error)
	HTTP     *http.Client // for VerifySSO; nil: http.DefaultClient
}

// ValidationPath is the API's route where Odoo checks a token. Where each tenant has its own database, the route's
// query names the tenant.
const ValidationPath = "/odoo/userinfo"

// RefusedPath is the page where a person learns why Odoo refused the sign-in.
const RefusedPath = "/odoo/refused"

const (
	providerName   = "leadctl"
	providerButton = "Sign in with single sign-on"
)

// oauthProvider returns the OAuth provider that the workspace must have.
func (s *Service) oauthProvider(ctx context.Context, id tenantid.ID) (provision.OAuthProvider, error) {
	route := strings.TrimSuffix(s.OdooLogin.BaseURL, "/") + ValidationPath
	if s.Odoo.Mode() == provision.ModeDatabase {
		route += "?tenant=" + id.String()
	}
	d, err := s.OdooLogin.Discover(ctx)
	return provision.OAuthProvider{Name: providerName, Button: providerButton, ClientID: s.OdooLogin.ClientID,
		AuthEndpoint: d.AuthorizationURL, UserInfo: route,
		RefusedPage: strings.TrimSuffix(s.OdooLogin.PagesURL, "/") + RefusedPath}, err
}

// EnsureUsers gives each member an account in the workspace, with the groups of the member's role. It does not change
// an account that is archived or linked to another subject; left has an error for each.
func (s *Service) EnsureUsers(
	ctx context.Context, w provision.Workspace, members []tenant.Member,
) (left []error, err error) {
	roles, err := s.workspaceRoles(ctx, w.Tenant)
	if err != nil {
		return nil, err
	}
	for _, m := range members {
		_, err := s.Odoo.EnsureUser(ctx, w, roles.userOf(m))
		if left, err = setAside(left, err); err != nil {
			return left, err
		}
	}
	return left, nil
}

// ConfigureSSO makes the provider the workspace's only sign-in. It links the account of each member who has signed in
// to leadctl to the member's subject. left is that of EnsureUsers.
func (s *Service) ConfigureSSO(ctx context.Context, w provision.Workspace, by tenant.By) (left []error, err error) {
	if left, err = s.configureSSO(ctx, w); err != nil {
		return nil, err
	}
	return left, s.DB.InSystem(ctx, "odoo sso", func(ctx context.Context, tx postgres.SystemTx) error {
		return tenant.Record(ctx, tx, by, tenant.Act{Tenant: w.Tenant, Action: "odoo.sso.configure",
			Object: w.Database})
	})
}

func (s *Service) configureSSO(ctx context.Context, w provision.Workspace) (left []error, err error) {
	if err := s.ssoConfigured(); err != nil {
		return nil, err
	}
	want, err := s.oauthProvider(ctx, w.Tenant)
	if err != nil {
		return nil, err
	}
	provider, err := s.Odoo.EnsureProvider(ctx, w, want)
	if err != nil {
		return nil, err
	}
	members, err := s.tenantMembers(ctx, w.Tenant)
	if err != nil {
		return nil, err
	}
	roles, err := s.workspaceRoles(ctx, w.Tenant)
	if err != nil {
		return nil, err
	}
	for _, m := range members {
		if m.Subject == nil || m.Issuer == nil || *m.Issuer != s.OdooLogin.Issuer {
			continue
		}
		uid, err := s.Odoo.EnsureUser(ctx, w, roles.userOf(m))
		if err == nil {
			err = s.Odoo.LinkUser(ctx, w, provider, uid, *m.Subject)
		}
		if left, err = setAside(left, err); err != nil {
			return left, err
		}
	}
	return left, nil
}

// setAside moves err to left when it concerns one account that must not change, so that the caller goes on with the
// next.
func setAside(left []error, err error) ([]error, error) {
	switch fault.Code(err) {
	case provision.CodeUserArchived, provision.CodeUserLinked:
		return append(left, err), nil
	}
	return left, err
}

func (s *Service) ssoConfigured() error {
	if err := s.Configured(); err != nil || s.OdooLogin != nil {
		return err
	}
	return fault.New(fault.Operator, "single sign-on to Odoo is not configured").
		WithHint("set LEADCTL_ODOO_SSO_CLIENT_ID to the ID of Odoo's client at the identity provider")
}

// VerifySSO checks all that a sign-in to the workspace needs, and changes nothing: the provider in Odoo, the link of
// each user, and the answer of the validation route to this process.
func (s *Service) VerifySSO(ctx context.Context, id tenantid.ID) ([]provision.Check, error) {
	if err := s.ssoConfigured(); err != nil {
		return nil, err
	}
	w, err := s.Current(ctx, id)
	if err != nil {
		return nil, err
	}
	members, err := s.tenantMembers(ctx, id)
	if err != nil {
		return nil, err
	}
	var want provision.OAuthProvider
	checks := []provision.Check{
		timeCheck("identity provider", func() (string, error) {
			want, err = s.oauthProvider(ctx, id)
			return want.AuthEndpoint, err
		}),
		timeCheck("provider in Odoo", func() (string, error) { return providerName, s.Odoo.CheckSSO(ctx, w, want) }),
		timeCheck("side doors", func() (string, error) { return "closed", s.Odoo.CheckDoors(ctx, w) }),
	}
	for _, m := range members {
		if m.Subject != nil && m.Issuer != nil && *m.Issuer == s.OdooLogin.Issuer {
			checks = append(checks, timeCheck("user "+m.UserID,
				func() (string, error) { return *m.Subject, s.checkLink(ctx, w, m) }))
		}
	}
	return append(checks, timeCheck("validation route",
		func() (string, error) { return want.UserInfo, s.OdooLogin.checkRoute(ctx, want.UserInfo) })), nil
}

func timeCheck(name string, ask func() (string, error)) provision.Check {
	start := time.Now()
	found, err := ask()
	return provision.Check{Name: name, Detail: found, Took: time.Since(start), Err: err}
}

func (s *Service) checkLink(ctx context.Context, w provision.Workspace, m tenant.Member) error {
	is, err := s.Odoo.LinkedSubject(ctx, w, m.Email())
	if err == nil && is != *m.Subject {
		err = fault.New(fault.Operator, "Odoo user %s in %s is not linked to the member's subject",
			m.Email(), w.Database).
			WithHint("run `leadctl odoo sso configure --tenant %s`; if the user is linked to another subject, "+
				"remove that link in Odoo first", w.Tenant)
	}
	return err
}

// checkRoute sends an invalid token to the route, which must refuse it.
func (s OdooLogin) checkRoute(ctx context.Context, route string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, route, nil)
	if err != nil {
		return fault.New(fault.Operator, "validation route %s is not a URL: %w", route, err)
	}
	req.Header.Set("Authorization", "Bearer none")
	client := s.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return fault.New(fault.Unavailable, "validation route does not answer: %w", err).
			WithHint("start `leadctl serve`, and set LEADCTL_ODOO_VALIDATION_URL to the address where Odoo's server " +
				"reaches it")
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if resp.StatusCode != http.StatusUnauthorized || !strings.Contains(string(body), "invalid_token") {
		return fault.New(fault.Operator, "validation route answers HTTP %d to an invalid token; leadctl answers 401",
			resp.StatusCode).
			WithHint("set LEADCTL_ODOO_VALIDATION_URL to the address of `leadctl serve`, and " +
				"LEADCTL_ODOO_SSO_CLIENT_ID in its configuration")
	}
	return nil
}
