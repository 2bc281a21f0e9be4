package sso

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/leadctl/leadctl/pkg/fault"
)

// Check is the result of one check of a token.
type Check struct {
	Name    string
	OK      bool
	Skipped bool   // a check that must pass before this one did not pass
	Reason  Reason // why Verify refuses the token; "" if a failed check only limits what the token can be used for
	Detail  string // what the check found
	Hint    string // what to change; "" if OK
}

// Explain runs all checks of Verify, also those after the first refusal. Verify and Explain always agree: Verify
// accepts a token exactly when no Check has a Reason.
func (v *Verifier) Explain(ctx context.Context, rawToken string) []Check {
	in := &inspection{raw: rawToken}
	var checks []Check
	var passed []string
	for _, s := range v.steps {
		if slices.ContainsFunc(s.needs, func(n string) bool { return !slices.Contains(passed, n) }) {
			checks = append(checks, Check{Name: s.name, Skipped: true, Detail: "not checked"})
			continue
		}
		c := checkResult(s.name, s.check(ctx, v, in))
		if c.OK {
			c.Detail = s.describe(v, in)
			passed = append(passed, s.name)
		}
		checks = append(checks, c)
	}
	return checks
}

// checkResult turns the error of a step into a Check.
func checkResult(name string, err error) Check {
	var refused *TokenError
	var limited *advice
	switch {
	case err == nil:
		return Check{Name: name, OK: true}
	case errors.As(err, &refused):
		return Check{Name: name, Reason: refused.Reason, Detail: refused.Detail, Hint: refused.Hint}
	case errors.As(err, &limited):
		return Check{Name: name, Detail: limited.detail, Hint: limited.hint}
	}
	hint := cmp.Or(fault.Hint(err), "`leadctl sso discover` shows the provider's response")
	return Check{Name: name, Reason: ReasonNoKeys, Detail: err.Error(), Hint: hint}
}
