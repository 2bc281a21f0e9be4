// Package doctor finds faults of an installation and says how to repair them. A check is one line with a state, a fact
// and, when an operator must act, the fix.
//
// Packages serve and schema decide when a daemon does not start. doctor makes the same checks and goes on after one
// that fails. It also checks what a daemon notices only later: whether the stored secrets open, each workspace accepts
// leadctl's account, jobs progress, and the register is fresh. It changes nothing except what Options.Fix allows.
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
	Fixed   = "fixed"   // a fault that Options.Fix repaired
	Warning = "warning" // leadctl works, but not as it should in production
	Failed  = "failed"  // an operator must act
	Skipped = "skipped" // an earlier check failed, or the feature is not configured
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
	Token  string // a token to check; "" for none
	// Fix allows safe repairs: Examine retries discarded jobs and updates the companies from the register. A running
	// leadctl does the same.
	Fix bool
	By  tenant.By // who uses Fix
	// Quick leaves out the checks of each workspace, each secret and the register's publisher.
	Quick bool
	Free  func(dir string) (Space, error) // nil: ask the file system
	// TenantEditors lists who may edit the user attribute with the tenant, in a Keycloak realm. Nil: no administrator's
	// password is known.
	TenantEditors func(context.Context) ([]string, error)
}

// patience limits each group of checks, so that a server that hangs does not stop the report.
const patience = 20 * time.Second

// Verdict returns an Operator fault when a check failed, otherwise nil.
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
	return fault.New(fault.Operator, "doctor: %d of %d checks failed", n, len(checks)).
		WithHint("see the column fix")
}

// Examine checks the installation that the configuration describes. It runs independent groups of checks concurrently
// and returns the checks in a fixed order.
func Examine(ctx context.Context, o Options) []Check {
	checks := []Check{fromError("configuration", o.Config.ForServe(), o.Config.Env)}
	for _, w := range o.Config.Warnings() {
		if checks[0].State == OK { // the error of ForServe includes the warnings
			checks = append(checks, Check{Name: "configuration", State: Warning, Fact: w,
				Fix: "see the setting in docs/config.md"})
		}
	}
	groups := []group{o.checkDatabase, o.inTime(checkOdoo), o.inTime(checkProvider), o.inTime(checkTenantEditors)}
	if !o.Quick {
		groups = append(groups, o.inTime(checkPublisher))
	}
	return append(append(checks, runGroups(ctx, groups)...), checkDisk(o)...)
}

// group makes checks that depend on each other.
type group func(context.Context) []Check

// inTime returns a group that is cancelled after patience.
func (o Options) inTime(ask func(context.Context, Options) []Check) group {
	return func(ctx context.Context) []Check {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		return ask(ctx, o)
	}
}

// atOnce is the number of groups that run at the same time.
const atOnce = 4

// runGroups runs the groups concurrently and returns their checks in the order of groups.
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
	_ = all.Wait() // groups return no errors, only checks
	return slices.Concat(found...)
}

// checkDatabase makes the checks that need the database. Without a database it reports them as skipped.
func (o Options) checkDatabase(ctx context.Context) []Check {
	db, err := o.openDatabase(ctx)
	if err != nil {
		unreachable := fromError("postgresql", err, "").orFix("start PostgreSQL, and set POSTGRES_DSN to its address")
		return append([]Check{unreachable, checkKeyset(o)}, skippedChecks("no database", "settings", "migrations",
			"row security", "login", "two tenants", "stored secrets", "jobs", "companies")...)
	}
	defer db.Close()
	with := func(ask func(context.Context, Options, *postgres.DB) []Check) group {
		return o.inTime(func(ctx context.Context, o Options) []Check { return ask(ctx, o, db) })
	}
	checks := append(with(checkCatalog)(ctx), checkKeyset(o))
	if hasFailed(checks, "migrations") {
		return append(checks, skippedChecks("migrations failed", "two tenants", "stored secrets", "jobs",
			"companies")...)
	}
	groups := []group{with(checkTwoTenants), with(checkStuckJobs), with(checkRegister)}
	if !o.Quick {
		groups = append(groups, with(checkStoredSecrets), with(checkWorkspaces))
	}
	return append(checks, runGroups(ctx, groups)...)
}

// openDatabase opens the database and pings it.
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

// orFix sets the fix of a failed check whose error has no hint.
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
