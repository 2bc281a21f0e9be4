package provision

import (
	"context"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/odoo"
)

// OAuthProvider is the identity provider for signing in to Odoo, with the settings of Odoo's auth_oauth: the implicit
// flow, a public client, no secret.
type OAuthProvider struct {
	Name         string // shown to operators; leadctl finds its provider by this name
	Button       string // shown on the sign-in page
	ClientID     string // public client with the redirect URL <Odoo>/auth_oauth/signin
	AuthEndpoint string // the provider's authorization endpoint
	// Odoo's server sends the token there. It must answer the subject, and should check the audience: Odoo does not.
	UserInfo string
	// RefusedPage is the page of leadctl where Odoo's sign-in page leads a person whom Odoo refused. "": none.
	RefusedPage string
}

// EnsureProvider makes this provider the only one on the workspace's sign-in page, and closes the other ways in
// (ensureSignIn). It returns the provider's id there.
func (p *Provisioner) EnsureProvider(ctx context.Context, w Workspace, sso OAuthProvider) (int64, error) {
	s, err := p.openForSettings(ctx, w)
	if err != nil {
		return 0, err
	}
	if err := p.ensureSignIn(ctx, s, w, sso.RefusedPage); err != nil {
		return 0, err
	}
	return ensureProvider(ctx, s, sso)
}

// LinkUser links user uid to the provider's subject. fault.Conflict with CodeUserLinked means that the user is linked
// to another subject.
func (p *Provisioner) LinkUser(ctx context.Context, w Workspace, provider, uid int64, subject string) error {
	if subject == "" {
		return fault.New(fault.Internal, "tenant %s: SSO link without a subject", w.Tenant)
	}
	s, err := p.openForSettings(ctx, w)
	if err != nil {
		return err
	}
	return linkUser(ctx, s, uid, provider, subject)
}

// CheckSSO returns nil when EnsureProvider would change nothing, and otherwise fault.Operator with the first
// difference. It writes nothing.
func (p *Provisioner) CheckSSO(ctx context.Context, w Workspace, sso OAuthProvider) error {
	s, err := p.openForSettings(ctx, w)
	if err != nil {
		return err
	}
	differs := func(format string, args ...any) error {
		return fault.New(fault.Operator, "Odoo database %s: "+format, append([]any{s.Database()}, args...)...).
			WithCode(odoo.CodeMisconfig).WithHint("leadctl odoo sso configure --tenant %s", w.Tenant)
	}
	off, err := s.DifferingParameters(ctx, [][2]string{{refusedPageKey, sso.RefusedPage}})
	if err != nil {
		return err
	}
	if len(off) > 0 {
		return differs("parameter %s is %q, not %q", off[0].Key, off[0].Is, off[0].Want)
	}
	on, err := readProviders(ctx, s, odoo.Where("enabled", "=", true))
	switch {
	case err != nil:
		return err
	case len(on) != 1 || on[0].Text("name") != sso.Name:
		return differs("%d sign-in providers are enabled, want only %s", len(on), sso.Name)
	case !hasValues(on[0], sso.providerRecord()):
		return differs("the settings of the sign-in provider %s differ", sso.Name)
	}
	return nil
}

// CheckDoors returns fault.Operator when people have a way in beside the identity provider. It writes nothing.
func (p *Provisioner) CheckDoors(ctx context.Context, w Workspace) error {
	s, err := p.openForSettings(ctx, w)
	if err != nil {
		return err
	}
	return p.requireClosedDoors(ctx, s, w)
}

// LinkedSubject returns the subject that the user with this login is linked to, "" for none. fault.NotFound means that
// there is no such user.
func (p *Provisioner) LinkedSubject(ctx context.Context, w Workspace, login string) (string, error) {
	s, err := p.openForSettings(ctx, w)
	if err != nil {
		return "", err
	}
	found, err := s.SearchRead(ctx, "res.users", odoo.Query{Domain: odoo.Domain{odoo.Where("login", "=", login)},
		Fields: []string{"oauth_uid"}})
	if err == nil && len(found) == 0 {
		err = fault.New(fault.NotFound, "Odoo user %s in %s: missing", login, s.Database())
	}
	if err != nil {
		return "", err
	}
	return found[0].Text("oauth_uid"), nil
}

func (sso OAuthProvider) providerRecord() odoo.Record {
	return odoo.Record{"name": sso.Name, "body": sso.Button, "client_id": sso.ClientID, "enabled": true,
		"scope":         "openid profile email",
		"auth_endpoint": sso.AuthEndpoint, "validation_endpoint": sso.UserInfo, "data_endpoint": false,
		"css_class": "fa fa-fw fa-key"}
}

func readProviders(ctx context.Context, s *odoo.Session, which ...any) ([]odoo.Record, error) {
	return s.SearchRead(ctx, "auth.oauth.provider", odoo.Query{Order: "id", Domain: which,
		Fields: []string{"name", "body", "client_id", "enabled", "scope", "auth_endpoint", "validation_endpoint"}})
}

func ensureProvider(ctx context.Context, s *odoo.Session, sso OAuthProvider) (int64, error) {
	want := sso.providerRecord()
	all, err := readProviders(ctx, s)
	if err != nil {
		return 0, err
	}
	var id int64
	var others []int64
	for _, r := range all {
		switch {
		case r.Text("name") == sso.Name && id == 0:
			id = r.ID()
			if hasValues(r, want) {
				continue
			}
			if err := s.Write(ctx, "auth.oauth.provider", []int64{id}, want, nil); err != nil {
				return 0, err
			}
		case r.Bool("enabled"):
			others = append(others, r.ID())
		}
	}
	if len(others) > 0 {
		if err := s.Write(ctx, "auth.oauth.provider", others, odoo.Record{"enabled": false}, nil); err != nil {
			return 0, err
		}
	}
	if id != 0 {
		return id, nil
	}
	ids, err := s.Create(ctx, "auth.oauth.provider", []odoo.Record{want}, nil)
	if err != nil {
		return 0, err
	}
	return ids[0], nil
}

// hasValues reports whether the fields of r have the values of want.
func hasValues(r odoo.Record, want odoo.Record) bool {
	for field, value := range r {
		if w, asked := want[field]; asked && w != value {
			return false
		}
	}
	return true
}

// linkUser links the user to the subject. Odoo does not find users by e-mail address, and refuses to sign in a user
// without a link.
func linkUser(ctx context.Context, s *odoo.Session, uid, provider int64, subject string) error {
	found, err := s.SearchRead(ctx, "res.users", odoo.Query{Domain: odoo.Domain{odoo.Where("id", "=", uid)},
		Archived: true,
		Fields:   []string{"oauth_provider_id", "oauth_uid"}})
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return fault.New(fault.NotFound, "Odoo user %d in %s: missing", uid, s.Database())
	}
	switch is := found[0].Text("oauth_uid"); {
	case is == subject && found[0].Int("oauth_provider_id") == provider:
		return nil
	case is != "" && is != subject:
		return fault.New(fault.Conflict, "Odoo user %d in %s: linked to another subject", uid,
			s.Database()).WithCode(CodeUserLinked)
	}
	return s.Write(ctx, "res.users", []int64{uid}, odoo.Record{"oauth_provider_id": provider, "oauth_uid": subject},
		nil)
}
