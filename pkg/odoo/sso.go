package odoo

import (
	"context"

	"github.com/leadctl/leadctl/pkg/fault"
)

// SSO is the identity provider that people sign in to Odoo with, as Odoo's auth_oauth knows it: the implicit flow, a public
// client, no secret.
type SSO struct {
	Name         string // shown to operators; also how leadctl finds its provider again
	Button       string // shown on the sign-in page
	ClientID     string // public client with redirect <Odoo>/auth_oauth/signin
	AuthEndpoint string // the provider's authorization endpoint
	UserInfo     string // asked by Odoo's server with the token; must answer the subject, and should check the audience, which Odoo does not
}

// EnsureSSO sees to it that the workspace offers exactly this provider on its sign-in page, admits nobody whom leadctl did not
// link, and links user uid to the provider's subject. fault.Conflict: that user is linked to somebody else.
func (p *Provisioner) EnsureSSO(ctx context.Context, w Workspace, sso SSO, uid int64, subject string) error {
	if subject == "" {
		return fault.New(fault.Internal, "tenant %s: SSO link without a subject", w.Tenant)
	}
	s, err := p.Session(ctx, w)
	if err != nil {
		return err
	}
	for _, kv := range ssoParameters() {
		if err := s.setParameterTo(ctx, kv[0], kv[1]); err != nil {
			return err
		}
	}
	provider, err := s.ensureProvider(ctx, sso)
	if err != nil {
		return err
	}
	return s.link(ctx, uid, provider, subject)
}

// ssoParameters close free sign-up, which Odoo leaves open, and make 19 send the token in a header instead of the URL.
func ssoParameters() [][2]string {
	return [][2]string{{"auth_signup.invitation_scope", "b2b"}, {"auth_oauth.authorization_header", "1"}}
}

func (s *Session) ensureProvider(ctx context.Context, sso SSO) (int64, error) {
	want := Record{"name": sso.Name, "body": sso.Button, "client_id": sso.ClientID, "enabled": true, "scope": "openid profile email",
		"auth_endpoint": sso.AuthEndpoint, "validation_endpoint": sso.UserInfo, "data_endpoint": false, "css_class": "fa fa-fw fa-key"}
	all, err := s.SearchRead(ctx, "auth.oauth.provider", Query{Order: "id",
		Fields: []string{"name", "body", "client_id", "enabled", "scope", "auth_endpoint", "validation_endpoint"}})
	if err != nil {
		return 0, err
	}
	var id int64
	var others []int64
	for _, r := range all {
		switch {
		case r.Text("name") == sso.Name && id == 0:
			id = r.ID()
			if r.covers(want) {
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
		if err := s.Write(ctx, "auth.oauth.provider", others, Record{"enabled": false}, nil); err != nil {
			return 0, err
		}
	}
	if id != 0 {
		return id, nil
	}
	ids, err := s.Create(ctx, "auth.oauth.provider", []Record{want}, nil)
	if err != nil {
		return 0, err
	}
	return ids[0], nil
}

// covers reports whether the fields that r has are as want says.
func (r Record) covers(want Record) bool {
	for field, value := range r {
		if w, asked := want[field]; asked && w != value {
			return false
		}
	}
	return true
}

// link ties the user to the subject: Odoo does not do that by e-mail address, and answers "access denied" without it.
func (s *Session) link(ctx context.Context, uid, provider int64, subject string) error {
	found, err := s.SearchRead(ctx, "res.users", Query{Domain: Domain{Where("id", "=", uid)}, Archived: true,
		Fields: []string{"oauth_provider_id", "oauth_uid"}})
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return fault.New(fault.NotFound, "Odoo user %d in %s", uid, s.db)
	}
	switch is := found[0].Text("oauth_uid"); {
	case is == subject && found[0].Int("oauth_provider_id") == provider:
		return nil
	case is != "" && is != subject:
		return fault.New(fault.Conflict, "Odoo user %d in %s: linked to another subject", uid, s.db).WithCode("ODOO_USER_LINKED")
	}
	return s.Write(ctx, "res.users", []int64{uid}, Record{"oauth_provider_id": provider, "oauth_uid": subject}, nil)
}

// setParameterTo writes a parameter only when it differs.
func (s *Session) setParameterTo(ctx context.Context, key, value string) error {
	if is, err := s.parameter(ctx, key); err != nil || is == value {
		return err
	}
	return s.setParameter(ctx, key, value)
}
