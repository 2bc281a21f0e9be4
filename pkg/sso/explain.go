package sso

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/leadctl/leadctl/pkg/fault"
)

// Check is one line of an explanation.
type Check struct {
	Name    string
	OK      bool
	Skipped bool   // an earlier check has to pass first
	Reason  Reason // set when this is why Verify refuses the token; a failed check without one only limits its use
	Detail  string // what was found
	Hint    string // what to change; "" when OK
}

// Explain walks the steps of Verify to the end instead of stopping at the first refusal. The two cannot disagree:
// Verify accepts a token exactly when no Check has a Reason and none failed for want of keys.
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

// checkResult puts a step's outcome into words.
func checkResult(name string, err error) Check {
	var rejected *TokenError
	var limited *advice
	switch {
	case err == nil:
		return Check{Name: name, OK: true}
	case errors.As(err, &rejected):
		return Check{Name: name, Reason: rejected.Reason, Detail: rejected.Detail, Hint: rejected.Hint}
	case errors.As(err, &limited):
		return Check{Name: name, Detail: limited.detail, Hint: limited.hint}
	}
	return Check{Name: name, Reason: ReasonNoKeys, Detail: err.Error(), Hint: cmp.Or(fault.Hint(err), "`leadctl sso discover` shows what the provider answers")}
}
