package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/sso"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/wire"
)

// explainedCheck is one check of --explain. With a warning the token is valid but gives limited access.
type explainedCheck struct {
	Check  string `json:"check"`
	State  string `json:"state"` // passed, warning, failed or skipped
	Detail string `json:"detail"`
	Hint   string `json:"hint"`
}

// explainToken runs every check, also after a failure: those of the token, the clocks, the tenant's row.
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

// explainClock compares this machine's clock with the provider's.
func (a *app) explainClock(ctx context.Context) (explainedCheck, error) {
	cfg, err := a.config(ctx)
	if err != nil {
		return explainedCheck{}, err
	}
	log, err := a.log(ctx)
	if err != nil {
		return explainedCheck{}, err
	}
	found, err := sso.Discover(ctx, wire.SSO(cfg, log))
	c := explainedCheck{Check: "clock", State: "passed", Detail: clockText(found)}
	switch {
	case !found.ClockDifferenceSeen && err != nil:
		c.State, c.Detail, c.Hint = "failed", err.Error(), fault.Hint(err)
	case !found.ClockDifferenceSeen:
		c.State = "skipped"
		c.Hint = "sign in and check `lifetime`: if the clocks agree, a new token was issued 0 s ago"
	case found.ClockDifference.Abs() > maxClockDifference:
		c.State, c.Hint = "failed", "run NTP on both hosts; beyond a difference of 60 s tokens are rejected"
	}
	return c, nil
}

// maxClockDifference is the difference from which on a clock check fails. Tokens are rejected from 60 s on.
const maxClockDifference = 30 * time.Second

func clockText(found sso.Discovery) string {
	switch d := found.ClockDifference; {
	case !found.ClockDifferenceSeen:
		return "the provider sends no Date header"
	case d > 0:
		return fmt.Sprintf("the provider is %s ahead of this machine", d)
	case d < 0:
		return fmt.Sprintf("the provider is %s behind this machine", -d)
	}
	return "the clocks of the provider and this machine agree"
}

// explainTenant is the last check: whether the identity has a tenant and a role in the database.
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
		c.Detail = "POSTGRES_DSN is not set: no tenant was looked up"
		c.Hint = "set POSTGRES_DSN to see the user's tenant and roles"
	case len(p.Roles) == 0:
		c.State = "failed"
		c.Detail = fmt.Sprintf("tenant %s (%s), %s, but no role in it", p.Tenant.ID, p.Tenant.Name, p.Tenant.Status)
		c.Hint = fmt.Sprintf("add a role to the token, or run `leadctl tenant user add %s %s --role viewer`",
			p.Tenant.ID, cmp.Or(id.Email, "EMAIL"))
		err = fault.New(fault.Denied, "tenant %s: the user has no role in it", p.Tenant.ID).
			WithCode("INSUFFICIENT_ROLE").WithHint("%s", c.Hint)
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
	roles := strings.Join(roleNames(p.Roles), ", ")
	return fmt.Sprintf("tenant %s (%s), %s; roles %s, %s", p.Tenant.ID, p.Tenant.Name, p.Tenant.Status, roles, origin)
}
