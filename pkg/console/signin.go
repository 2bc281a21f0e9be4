package console

import (
	"net/http"
	"net/url"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// signIn is the sign-in page.
type signIn struct {
	Begin     string // the target of the sign-in button
	SignedOut bool
	Failure   *problemView    // of the last sign-in; nil if there was none
	Tenants   []tenant.Tenant // development only: tenants to act for without signing in
}

// Reason explains a failed sign-in without terms of OIDC.
func (s signIn) Reason() string {
	switch s.Failure.Code {
	case "SIGN_IN_STATE":
		return "This sign-in took longer than ten minutes, started in another browser, or was used already."
	case "SIGN_IN_REFUSED":
		return "Your company’s identity provider refused the sign-in, or you cancelled it."
	case "unauthenticated":
		return "The response of your company’s identity provider could not be verified."
	case "unavailable":
		return "Your company’s identity provider does not respond."
	}
	return s.Failure.Detail
}

// getSignIn shows the sign-in page. It redirects a user who is signed in already.
func (c *Console) getSignIn(w http.ResponseWriter, r *http.Request, _ visitor) error {
	if _, v, err := c.readVisitor(w, r); err == nil && v.signedIn() {
		c.goTo(w, r, "/")
		return nil
	}
	c.showSignIn(w, r, nil)
	return nil
}

func (c *Console) showSignIn(w http.ResponseWriter, r *http.Request, failure *problemView) {
	s, q := signIn{Failure: failure}, r.URL.Query()
	to := q.Get("return_to") // package session validates it before the redirect
	if to == "" {
		to = "/"
	}
	s.Begin, s.SignedOut = "/auth/login?"+url.Values{"return_to": {to}}.Encode(), q.Has("signed_out")
	p := page{Title: "Sign in", Body: s}
	if failure != nil {
		p.Status = failure.Status
	}
	if c.cfg.Development {
		s.Tenants, _ = c.listTenants(r.Context()) // without the list, the page still works
		p.Body = s
	}
	if err := c.renderPage(w, r, visitor{}, "signin", p); err != nil {
		c.logFailure(r, err)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
	}
}

// postSignOut ends leadctl's session, then redirects to the provider to end its session.
func (c *Console) postSignOut(w http.ResponseWriter, r *http.Request, _ visitor) error {
	end, err := c.deps.Door.SignOut(w, r)
	if err != nil {
		return err
	}
	if end == "" {
		end = "/signin?signed_out"
	}
	w.Header().Set("Location", end)
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

// postDevTenant lets a developer act for any tenant, without signing in.
func (c *Console) postDevTenant(w http.ResponseWriter, r *http.Request, _ visitor) error {
	id, ok := tenantid.Parse(r.PostFormValue("tenant"))
	if !ok {
		return fault.New(fault.Invalid, "tenant %.20q: must be a tenant number", r.PostFormValue("tenant"))
	}
	if err := c.deps.Door.ActAs(w, r, id); err != nil {
		return err
	}
	c.goTo(w, r, "/")
	return nil
}
