// Package doctor says what is wrong with an installation and what to do about it: every check is one line with a state,
// a fact and, when something has to be done, the fix.
//
// What a daemon refuses to start with is decided in package serve and package schema; doctor asks the same questions,
// all of them, goes on after a bad answer, and looks at what a daemon finds out only later: whether the stored secrets
// open, each workspace lets leadctl in, jobs move, and the register is fresh. It changes nothing but what Options.Fix
// allows.
package doctor

import (
	"cmp"
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/leadctl/leadctl/pkg/config"
	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/wire"
)

// State of a check.
const (
	OK      = "ok"
	Fixed   = "fixed"   // something was wrong, and Options.Fix put it right
	Warning = "warning" // it runs, but not as it should in production
	Failed  = "failed"  // something must be done
	Skipped = "skipped" // an earlier check has to pass first, or the thing is not configured
)

// Check is one line of the report.
type Check struct {
	Name  string `json:"check"`
	State string `json:"state"`
	Fact  string `json:"fact"`
	Fix   string `json:"fix"`
}

// Options of Examine.
type Options struct {
	Config config.Config
	Token  string // a token to judge; "" for none
	// Fix allows what is safe: jobs that were given up are tried again, and companies brought to the register. Both do
	// nothing that a running leadctl would not do.
	Fix bool
	By  tenant.By // who uses Fix
	// Quick leaves out what asks every workspace, every secret or the publisher.
	Quick bool
	Free  func(dir string) (Space, error) // nil asks the file system
	// TenantEditors says who may edit the user attribute that names the tenant, in a Keycloak realm. Nil: no
	// administrator is known.
	TenantEditors func(context.Context) ([]string, error)
}

// patience bounds each group of checks: a server that hangs is as good as none.
const patience = 20 * time.Second

// Verdict is nil when no check failed, else an Operator fault.
func Verdict(checks []Check) error {
	n := 0
	for _, c := range checks {
		if c.State == Failed {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	return fault.New(fault.Operator, "doctor: %d of %d checks failed", n,
		len(checks)).WithHint("the column fix says what to do for each")
}

// Examine runs every check against what the configuration describes, those that do not build on each other at the same
// time, and reports them in the order in which a reader would go.
func Examine(ctx context.Context, o Options) []Check {
	checks := []Check{fromError("configuration", o.Config.ForServe(), o.Config.Env)}
	for _, w := range o.Config.Warnings() {
		if checks[0].State == OK { // else it says so itself
			checks = append(checks, Check{Name: "configuration", State: Warning, Fact: w,
				Fix: "docs/config.md names the setting"})
		}
	}
	groups := []group{o.checkDatabase, o.inTime(checkOdoo), o.inTime(checkProvider), o.inTime(checkTenantEditors)}
	if !o.Quick {
		groups = append(groups, o.inTime(checkPublisher))
	}
	return append(append(checks, runGroups(ctx, groups)...), checkDisk(o)...)
}

// group is some checks that build on each other.
type group func(context.Context) []Check

// inTime is a group with an end to its time.
func (o Options) inTime(ask func(context.Context, Options) []Check) group {
	return func(ctx context.Context) []Check {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		return ask(ctx, o)
	}
}

// atOnce is how many groups ask at the same time.
const atOnce = 4

// runGroups runs the groups side by side and keeps their order.
func runGroups(ctx context.Context, groups []group) []Check {
	found := make([][]Check, len(groups))
	var all errgroup.Group
	all.SetLimit(atOnce)
	for i, ask := range groups {
		all.Go(func() error {
			found[i] = ask(ctx)
			return nil
		})
	}
	_ = all.Wait() // what went wrong is in the checks
	return slices.Concat(found...)
}

// checkDatabase is every check that asks the database, or has to be left out without it.
func (o Options) checkDatabase(ctx context.Context) []Check {
	db, err := o.openDatabase(ctx)
	if err != nil {
		checks := []Check{fromError("postgresql", err,
			"").orFix("is PostgreSQL running, and does POSTGRES_DSN name it?"), checkKeyset(o)}
		return append(checks, skippedChecks("no database", "settings", "migrations", "row security", "login", "two tenants",
			"stored secrets", "jobs", "companies")...)
	}
	defer db.Close()
	with := func(ask func(context.Context, Options, *postgres.DB) []Check) group {
		return o.inTime(func(ctx context.Context, o Options) []Check { return ask(ctx, o, db) })
	}
	checks := append(with(checkCatalog)(ctx), checkKeyset(o))
	if hasFailed(checks, "migrations") {
		return append(checks, skippedChecks("migrations come first", "two tenants", "stored secrets", "jobs", "companies")...)
	}
	groups := []group{with(checkTwoTenants), with(checkStuckJobs), with(checkRegister)}
	if !o.Quick {
		groups = append(groups, with(checkStoredSecrets), with(checkWorkspaces))
	}
	return append(checks, runGroups(ctx, groups)...)
}

// openDatabase opens the database and makes sure that it answers.
func (o Options) openDatabase(ctx context.Context) (*postgres.DB, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	db, err := wire.Database(ctx, o.Config, nil)
	if err != nil {
		return nil, err
	}
	if err := db.Ping(ctx); err != nil {
		db.Close()
		return nil, err
	}
	return db, nil
}

func hasFailed(checks []Check, name string) bool {
	for _, c := range checks {
		if c.Name == name && c.State == Failed {
			return true
		}
	}
	return false
}

func fromError(name string, err error, fact string) Check {
	if err == nil {
		return Check{Name: name, State: OK, Fact: fact}
	}
	return Check{Name: name, State: Failed, Fact: err.Error(), Fix: fault.Hint(err)}
}

// orFix says what to do where the error itself does not.
func (c Check) orFix(fix string) Check {
	if c.State == Failed {
		c.Fix = cmp.Or(c.Fix, fix)
	}
	return c
}

func skippedChecks(why string, names ...string) (checks []Check) {
	for _, n := range names {
		checks = append(checks, Check{Name: n, State: Skipped, Fact: why})
	}
	return checks
}
