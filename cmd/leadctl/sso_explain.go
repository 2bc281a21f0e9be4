package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/serve"
	"github.com/leadctl/leadctl/pkg/sso"
	"github.com/leadctl/leadctl/pkg/tenant"
)

// explainedCheck is one check of --explain. A warning leaves the token good and limits what it opens.
type explainedCheck struct {
	Check  string `json:"check"`
	State  string `json:"state"` // passed, warning, failed or skipped
	Detail string `json:"detail"`
	Hint   string `json:"hint"`
}

// explainToken walks every check to the end: those of the token, the clocks, the tenant's row.
func (a *app) explainToken(ctx context.Context, token string) error {
	v, err := a.verifier(ctx)
	if err != nil {
		return err
	}
	var rows []explainedCheck
	for _, c := range v.Explain(ctx, token) {
		rows = append(rows, explainedCheck{c.Name, stateOf(c), c.Detail, c.Hint})
	}
	id, refused := v.Verify(ctx, token)
	clock, err := a.explainClock(ctx)
	if err != nil {
		return err
	}
	row, err := a.explainTenant(ctx, id, refused)
	return errors.Join(a.printResult(append(rows, clock, row)), tokenFault(refused), err)
}

func stateOf(c sso.Check) string {
	switch {
	case c.OK:
		return "passed"
	case c.Skipped:
		return "skipped"
	case c.Reason == "":
		return "warning"
	}
	return "failed"
}

// explainClock holds our clock to the provider's.
func (a *app) explainClock(ctx context.Context) (explainedCheck, error) {
	cfg, err := a.config(ctx)
	if err != nil {
		return explainedCheck{}, err
	}
	log, err := a.log(ctx)
	if err != nil {
		return explainedCheck{}, err
	}
	found, err := sso.Discover(ctx, serve.SSO(cfg, log))
	c := explainedCheck{Check: "clock", State: "passed", Detail: clockText(found)}
	switch {
	case !found.ClockDifferenceSeen && err != nil:
		c.State, c.Detail, c.Hint = "failed", err.Error(), fault.Hint(err)
	case !found.ClockDifferenceSeen:
		c.State, c.Hint = "skipped", "sign in and look at `lifetime`: a new token was issued 0 s ago when the clocks agree"
	case found.ClockDifference.Abs() > maxClockDifference:
		c.State, c.Hint = "failed", "run NTP on both hosts; tokens are refused beyond 60 s"
	}
	return c, nil
}

const maxClockDifference = 30 * time.Second

func clockText(found sso.Discovery) string {
	switch d := found.ClockDifference; {
	case !found.ClockDifferenceSeen:
		return "the provider does not say what time it is"
	case d > 0:
		return fmt.Sprintf("the provider is %s ahead of this machine", d)
	case d < 0:
		return fmt.Sprintf("the provider is %s behind this machine", -d)
	}
	return "the provider and this machine agree"
}

// explainTenant is the last check: what the database makes of the identity.
func (a *app) explainTenant(ctx context.Context, id sso.Identity, refused error) (explainedCheck, error) {
	c := explainedCheck{Check: "database", State: "skipped"}
	if refused != nil {
		c.Detail = "not checked"
		return c, nil
	}
	p, looked, err := a.lookUpTenant(ctx, id)
	switch {
	case err != nil:
		c.State, c.Detail, c.Hint = "failed", err.Error(), fault.Hint(err)
	case !looked:
		c.Detail, c.Hint = "POSTGRES_DSN is not set: no tenant was looked up", "set it to see which tenant and roles the user has"
	case len(p.Roles) == 0:
		c.State, c.Detail = "failed", fmt.Sprintf("tenant %s (%s), %s, but no role in it", p.Tenant.ID, p.Tenant.Name, p.Tenant.Status)
		c.Hint = fmt.Sprintf("give the user a role: `leadctl tenant user add %s %s --role viewer`, or in the token", p.Tenant.ID, cmp.Or(id.Email, "EMAIL"))
		err = fault.New(fault.Denied, "tenant %s: the user has no role in it", p.Tenant.ID).WithCode("INSUFFICIENT_ROLE").WithHint("%s", c.Hint)
	default:
		c.State, c.Detail = "passed", tenantText(p)
	}
	return c, err
}

func tenantText(p tenant.Principal) string {
	origin := "stored for the user"
	if p.Identity.RolesClaimPresent {
		origin = "from the token"
	}
	return fmt.Sprintf("tenant %s (%s), %s; roles %s, %s", p.Tenant.ID, p.Tenant.Name, p.Tenant.Status, strings.Join(roleNames(p.Roles), ", "), origin)
}
