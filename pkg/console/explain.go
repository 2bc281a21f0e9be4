package console

import (
	"net/http"

	"github.com/leadctl/leadctl/pkg/web"
)

// problemView is a problem of the API with a heading for a page.
type problemView struct{ *web.Problem }

func newProblemView(r *http.Request, err error) problemView {
	return problemView{web.ProblemOf(r.Context(), err)}
}

// Heading returns the title of the page for the problem.
func (t problemView) Heading() string {
	switch {
	case t.Code == "INSUFFICIENT_ROLE":
		return "Your role is too low for this page"
	case t.Code == "TENANT_SUSPENDED":
		return "This workspace is suspended"
	case t.Code == "MEMBER_REMOVED":
		return "You are no longer a user of this company"
	case t.Code == "MEMBERSHIP_REQUIRED":
		return "You are not a user of a company here"
	case t.Code == "EMAIL_NOT_VERIFIED":
		return "Your e-mail address is not verified"
	case t.Code == "ONBOARDING_CLOSED":
		return "No workspace is waiting for you yet"
	case t.Status == http.StatusForbidden:
		return "You may not do this"
	case t.Status == http.StatusNotFound:
		return "There is no such page"
	case t.Status == http.StatusServiceUnavailable:
		return "leadctl cannot reach a service that it needs"
	case t.Status >= http.StatusInternalServerError:
		return "Internal error"
	}
	return "The request failed"
}

// showNotFound answers as for a path that does not exist: a browser gets a page, a program gets a problem.
func (c *Console) showNotFound(w http.ResponseWriter, r *http.Request) {
	p := web.ProblemOf(r.Context(), errHidden)
	if web.Navigates(r) {
		c.ShowProblem(w, r, p)
		return
	}
	p.Write(w)
}

// ShowProblem shows a problem of the API to a person: a failed sign-in on the sign-in page, any other on a page of its
// own.
func (c *Console) ShowProblem(w http.ResponseWriter, r *http.Request, p *web.Problem) {
	c.setSecurityHeaders(w)
	if r.URL.Path == "/auth/login" || r.URL.Path == "/auth/callback" {
		c.showSignIn(w, r, &problemView{p})
		return
	}
	c.renderProblem(w, r, visitor{}, problemView{p})
}
