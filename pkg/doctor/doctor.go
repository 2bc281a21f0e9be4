// Package doctor says what is wrong with an installation and what to do about it: every check is one line with a state, a
// fact and, when something has to be done, the fix.
//
// It looks and changes nothing. What a daemon refuses to start with is decided in package serve and package schema; doctor
// asks the same questions, all of them, and goes on after a bad answer.
package doctor

import (
	"context"
	"fmt"
	"time"

	"github.com/leadctl/leadctl/migrations"
	"github.com/leadctl/leadctl/pkg/config"
	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/logging"
	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/schema"
	"github.com/leadctl/leadctl/pkg/secret"
	"github.com/leadctl/leadctl/pkg/serve"
	"github.com/leadctl/leadctl/pkg/sso"
)

// State of a check.
const (
	OK      = "ok"
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
	return fault.New(fault.Operator, "doctor: %d of %d checks failed", n, len(checks)).WithHint("the column fix says what to do for each")
}

// Examine runs every check against what cfg describes.
func Examine(ctx context.Context, cfg config.Config) []Check {
	checks := []Check{fromError("configuration", cfg.ForServe(), cfg.Env)}
	checks = append(checks, database(ctx, cfg)...)
	checks = append(checks, issuer(ctx, cfg)...)
	checks = append(checks, keyset(cfg), odooServer(ctx, cfg))
	return checks
}

func fromError(name string, err error, fact string) Check {
	if err == nil {
		return Check{Name: name, State: OK, Fact: fact}
	}
	return Check{Name: name, State: Failed, Fact: err.Error(), Fix: fault.Hint(err)}
}

func skipped(why string, names ...string) (checks []Check) {
	for _, n := range names {
		checks = append(checks, Check{Name: n, State: Skipped, Fact: why})
	}
	return checks
}

func database(ctx context.Context, cfg config.Config) []Check {
	db, err := serve.Database(ctx, cfg, nil)
	if err == nil {
		defer db.Close()
		err = db.Ping(ctx)
	}
	if err != nil {
		return append([]Check{fromError("postgresql", err, "")}, skipped("no database", "migrations", "row security", "login")...)
	}
	checks := []Check{}
	err = db.Look(ctx, func(q schema.Querier) error {
		checks = append(checks, server(ctx, q), schemaVersion(ctx, q), gate(ctx, q), login(ctx, q, cfg))
		return nil
	})
	if err != nil {
		checks = append(checks, fromError("postgresql", err, ""))
	}
	return checks
}

func server(ctx context.Context, q schema.Querier) Check {
	var version string
	var number int
	err := q.QueryRow(ctx, `SELECT current_setting('server_version'), current_setting('server_version_num')::int`).Scan(&version, &number)
	if err == nil && number < schema.MinServerVersion {
		err = fault.New(fault.Operator, "PostgreSQL %s: version 15 or newer is needed", version)
	}
	return fromError("postgresql", err, version)
}

func schemaVersion(ctx context.Context, q schema.Querier) Check {
	st, err := schema.ReadStatus(ctx, q, migrations.FS)
	if err == nil {
		err = st.Problem()
	}
	return fromError("migrations", err, fmt.Sprintf("version %d", st.Version))
}

func gate(ctx context.Context, q schema.Querier) Check {
	found, err := schema.Gate(ctx, q)
	if err == nil {
		err = schema.Refusal(found)
	}
	return fromError("row security", err, "no tenant can see another's row")
}

// login is what RESET ROLE would lead to. In development one login for everything is fine.
func login(ctx context.Context, q schema.Querier, cfg config.Config) Check {
	found, err := schema.GateLogin(ctx, q)
	if err == nil && len(found) > 0 && cfg.Development() {
		return Check{Name: "login", State: Warning, Fact: found[0].String(), Fix: "fine for development; production refuses it"}
	}
	if err == nil {
		err = schema.Refusal(found)
	}
	return fromError("login", err, "may become leadctl_app and leadctl_system only")
}

func issuer(ctx context.Context, cfg config.Config) []Check {
	if cfg.SSO.Issuer == "" {
		return skipped("NEXIUS_ISSUER is not set", "issuer", "clock", "audience")
	}
	found, err := sso.Discover(ctx, serve.SSO(cfg, logging.Discard()))
	usable := 0
	for _, k := range found.Keys {
		if k.Refused == "" {
			usable++
		}
	}
	checks := []Check{fromError("issuer", err, fmt.Sprintf("%s, %d usable keys", cfg.SSO.Issuer, usable)), clock(found)}
	return append(checks, audience(cfg))
}

func clock(found sso.Discovery) Check {
	if !found.ClockDifferenceSeen {
		return Check{Name: "clock", State: Skipped, Fact: "the issuer did not say what time it is"}
	}
	c := Check{Name: "clock", State: OK, Fact: fmt.Sprintf("%s from the issuer's", found.ClockDifference)}
	if found.ClockDifference.Abs() > 30*time.Second {
		c.State, c.Fix = Failed, "synchronise both clocks (NTP); tokens are refused beyond 60 s"
	}
	return c
}

func audience(cfg config.Config) Check {
	if len(cfg.SSO.Audiences) == 0 && cfg.SSO.ClientID == "" {
		return Check{Name: "audience", State: Failed, Fact: "not checked: every client of the realm is accepted", Fix: "set NEXIUS_AUDIENCE or NEXIUS_CLIENT_ID"}
	}
	return Check{Name: "audience", State: OK, Fact: "checked"}
}

func keyset(cfg config.Config) Check {
	if cfg.Secrets.Keyset == "" {
		return Check{Name: "keyset", State: Failed, Fact: "not set: no Odoo secret can be kept", Fix: "leadctl secrets init FILE, then LEADCTL_KEYSET_FILE=FILE"}
	}
	_, err := secret.Parse([]byte(cfg.Secrets.Keyset))
	return fromError("keyset", err, "readable")
}

func odooServer(ctx context.Context, cfg config.Config) Check {
	if cfg.Odoo.ServerURL == "" {
		return Check{Name: "odoo", State: Skipped, Fact: "ODOO_SERVER_URL is not set"}
	}
	server, err := odoo.New(odoo.Options{BaseURL: cfg.Odoo.ServerURL, Timeout: 10 * time.Second})
	var v odoo.Version
	if err == nil {
		v, err = server.Version(ctx)
	}
	return fromError("odoo", err, "version "+v.Name)
}
