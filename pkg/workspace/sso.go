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

// OdooLogin is how people sign in to their workspace: at the provider that leadctl's own tokens come from, through a public
// client of Odoo's. Odoo's server has each token judged by a route of leadctl (ValidationPath), because Odoo itself
// looks at nothing but the subject, and Odoo 14 can ask no provider in the way that providers want to be asked.
type OdooLogin struct {
	ClientID string // Odoo's client at the provider
	Issuer   string
	BaseURL  string // leadctl's API as Odoo's server reaches it
	Discover func(context.Context) (sso.Discovery, error)
	HTTP     *http.Client // for VerifySSO; nil: http.DefaultClient
}

// ValidationPath is the API's route that Odoo asks about a token. A database of a tenant's own names it in the query.
const ValidationPath = "/odoo/userinfo"

const (
	providerName   = "leadctl"
	providerButton = "Sign in with single sign-on"
)

// oauthProvider is what the workspace shall offer.
func (s *Service) oauthProvider(ctx context.Context, id tenantid.ID) (provision.OAuthProvider, error) {
	route := strings.TrimSuffix(s.OdooLogin.BaseURL, "/") + ValidationPath
	if s.Odoo.Mode() == provision.ModeDatabase {
		route += "?tenant=" + id.String()
	}
	d, err := s.OdooLogin.Discover(ctx)
	return provision.OAuthProvider{Name: providerName, Button: providerButton, ClientID: s.OdooLogin.ClientID,
		AuthEndpoint: d.AuthorizationURL, UserInfo: route}, err
}

// EnsureUsers gives the members an account in the workspace. Accounts that somebody archived, or that are tied to
// another subject, are left alone and returned.
func (s *Service) EnsureUsers(ctx context.Context, w provision.Workspace, members []tenant.Member) (left []error,
	err error) {
	for _, m := range members {
		_, err := s.Odoo.EnsureUser(ctx, w, provision.User{Email: m.Email()})
		if left, err = setAside(left, err); err != nil {
			return left, err
		}
	}
	return left, nil
}

// ConfigureSSO makes the provider the workspace's one way of signing in, and ties everybody who has signed in to
// leadctl to their subject there. Those left alone are returned, as from EnsureUsers.
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
	for _, m := range members {
		if m.Subject == nil || m.Issuer == nil || *m.Issuer != s.OdooLogin.Issuer {
			continue
		}
		uid, err := s.Odoo.EnsureUser(ctx, w, provision.User{Email: m.Email()})
		if err == nil {
			err = s.Odoo.LinkUser(ctx, w, provider, uid, *m.Subject)
		}
		if left, err = setAside(left, err); err != nil {
			return left, err
		}
	}
	return left, nil
}

// setAside keeps an account that is to be left alone from ending the work.
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
	return fault.New(fault.Operator, "sign-in to Odoo: not configured").
		WithHint("set LEADCTL_ODOO_SSO_CLIENT_ID to Odoo's client at the identity provider")
}

// VerifySSO looks at everything that a sign-in to the workspace needs, and changes nothing: the provider there, each
// user's tie, and the route that judges tokens, as it answers from here.
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
		err = fault.New(fault.Operator, "Odoo user %s in %s: not tied to the subject that signed in here", m.Email(),
			w.Database).
			WithHint("leadctl odoo sso configure --tenant %s; who is tied to another subject has to be untied in "+
				"Odoo first", w.Tenant)
	}
	return err
}

// checkRoute asks the route about a token that is none: it has to answer, and to refuse.
func (s OdooLogin) checkRoute(ctx context.Context, route string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, route, nil)
	if err != nil {
		return fault.New(fault.Operator, "validation route: not a URL: %w", err)
	}
	req.Header.Set("Authorization", "Bearer none")
	client := s.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return fault.New(fault.Unavailable, "validation route: no answer: %w", err).
			WithHint("is `leadctl serve` running, and LEADCTL_ODOO_VALIDATION_URL its address as Odoo's server " +
				"reaches it?")
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if resp.StatusCode != http.StatusUnauthorized || !strings.Contains(string(body), "invalid_token") {
		return fault.New(fault.Operator, "validation route: HTTP %d where leadctl would answer 401", resp.StatusCode).
			WithHint("LEADCTL_ODOO_VALIDATION_URL has to lead to `leadctl serve`; it leads somewhere else, or " +
				"LEADCTL_ODOO_SSO_CLIENT_ID is not set there")
	}
	return nil
}
