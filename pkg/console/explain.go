package console

import (
	"net/http"

	"github.com/leadctl/leadctl/pkg/web"
)

// trouble is a problem as a page shows it.
type trouble struct{ *web.Problem }

func troubleOf(r *http.Request, err error) trouble { return trouble{web.ProblemOf(r.Context(), err)} }

// Heading says in a few words what the status means to a person.
func (t trouble) Heading() string {
	switch {
	case t.Code == "INSUFFICIENT_ROLE":
		return "Your role is too low for this page"
	case t.Code == "TENANT_SUSPENDED":
		return "This workspace is suspended"
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

// showNotFound answers as for a path that does not exist: with a problem to a program, with the same page to a person.
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
		c.showSignIn(w, r, &trouble{p})
		return
	}
	c.showTrouble(w, r, visitor{}, trouble{p})
}
