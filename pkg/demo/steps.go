package demo

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/leadctl/leadctl/migrations"
	"github.com/leadctl/leadctl/pkg/acra"
	"github.com/leadctl/leadctl/pkg/acra/acragen"
	"github.com/leadctl/leadctl/pkg/devidp"
	"github.com/leadctl/leadctl/pkg/leads"
	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/odoo/odootest"
	"github.com/leadctl/leadctl/pkg/odoo/provision"
	"github.com/leadctl/leadctl/pkg/pgtemp"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/schema"
	"github.com/leadctl/leadctl/pkg/secret"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/wire"
)

const (
	clientID       = "leadctl-demo"
	registerSeed   = 20260816
	templateName   = "leadctl_template"
	masterPassword = "demo-master" // of the Odoo stand-in
)

// step is one step of the demo. run returns its result in one or a few lines.
type step struct {
	title string
	run   func(*demo, context.Context) (outcome string, err error)
}

func steps() []step {
	return []step{
		{"database", (*demo).startDatabase},
		{"identity provider", (*demo).startIdentityProvider},
		{"odoo", (*demo).startOdoo},
		{"register", (*demo).ingestRegister},
		{"api", (*demo).startAPI},
		{"first sign-ins", (*demo).signInAll},
		{"customer profile", (*demo).changeProfile},
		{"scores", (*demo).scoreAll},
		{"exports", (*demo).exportAll},
		{"isolation", (*demo).proveIsolation},
	}
}

// startDatabase starts a temporary PostgreSQL, migrates it and makes a key for the secrets in it.
func (d *demo) startDatabase(ctx context.Context) (string, error) {
	debug := func(format string, args ...any) { d.opts.Log.Debug(fmt.Sprintf(format, args...)) }
	server, err := pgtemp.Start(ctx, pgtemp.Options{Log: debug})
	if err != nil {
		return "", err
	}
	d.onClose(func() { _ = server.Stop() })
	d.cfg.Env, d.cfg.Database.DSN = "development", server.DSN("postgres")
	done, err := schema.Up(ctx, d.cfg.Database.DSN, schema.Options{FS: migrations.FS})
	if err != nil {
		return "", err
	}
	keyset, err := secret.Generate()
	if err != nil {
		return "", err
	}
	d.cfg.Secrets.Keyset = string(keyset)
	if d.db, err = wire.Database(ctx, d.cfg, d.opts.Log); err != nil {
		return "", err
	}
	d.onClose(d.db.Close)
	const outcome = "PostgreSQL %s, temporary; schema version %d, row-level security forced"
	return fmt.Sprintf(outcome, server.Version(), done.To), nil
}

func (d *demo) startIdentityProvider(context.Context) (string, error) {
	issuer, err := d.serveLoopback(func(base string) (http.Handler, error) {
		users := consoleUsers()
		for _, p := range d.people {
			users = append(users, p.User)
		}
		client := devidp.Client{ID: clientID, PostLogoutRedirectURIs: []string{"http://127.0.0.1/"},
			RedirectURIs: []string{"http://127.0.0.1/callback", "http://127.0.0.1/auth/callback"}}
		provider, err := devidp.New(devidp.Config{Issuer: base, Users: users, Clients: []devidp.Client{client}})
		d.idp = provider
		return provider, err
	})
	if err != nil {
		return "", err
	}
	d.cfg.API.CookieSecure, d.cfg.API.MetricsListen = false, "" // plain http on loopback, and no second port
	d.cfg.Console.OperatorRole = operatorRole
	d.cfg.SSO.Issuer, d.cfg.SSO.ClientID = issuer, clientID
	return fmt.Sprintf("OIDC at %s\n%s (ops) and %s (viewer)", issuer, d.people[0].Email, d.people[1].Email), nil
}

// startOdoo starts the Odoo stand-in and prepares its template, as `leadctl odoo template prepare` does on a real
// server.
func (d *demo) startOdoo(ctx context.Context) (string, error) {
	standIn := odootest.New(odootest.Options{Master: masterPassword})
	base, err := d.serveLoopback(func(string) (http.Handler, error) { return standIn, nil })
	if err != nil {
		return "", err
	}
	d.cfg.Odoo.ServerURL, d.cfg.Odoo.TemplateDB = base, templateName
	d.cfg.Odoo.MasterPassword, d.cfg.Odoo.TemplatePassword = masterPassword, string(odoo.NewSecret())
	server, err := odoo.New(odoo.Options{BaseURL: base})
	if err != nil {
		return "", err
	}
	_, err = provision.PrepareTemplate(ctx, server, provision.Template{
		Name: templateName, Master: odoo.Secret(masterPassword), Secret: odoo.Secret(d.cfg.Odoo.TemplatePassword)})
	return "a stand-in at " + base, err
}

// ingestRegister ingests synthetic rows as from a file, and makes companies of them.
func (d *demo) ingestRegister(ctx context.Context) (string, error) {
	r, w := io.Pipe()
	go func() {
		_, err := acragen.Write(w, d.opts.Rows, registerSeed, acragen.Options{})
		w.CloseWithError(err)
	}()
	rows := acra.Stream("synthetic rows", r)
	report, err := acra.Ingest(ctx, d.db, acra.Options{Source: rows, By: demoActor(), Log: d.opts.Log})
	if err != nil {
		return "", err
	}
	var companies leads.CompaniesReport
	err = d.db.InSystem(ctx, "companies", func(ctx context.Context, tx postgres.SystemTx) (err error) {
		companies, err = leads.RefreshCompanies(ctx, tx)
		return err
	})
	run := report.Run
	return fmt.Sprintf(
		"%d synthetic ACRA rows read: %d live ones loaded, %d not live, %d rejected\n%d companies to choose from",
		run.Read, run.Inserted, run.Filtered, run.Rejected, companies.Added), err
}

// demoActor is who acts in the audit log where the demo calls a package directly.
func demoActor() tenant.By { return tenant.By{Actor: "demo"} }

func (d *demo) startAPI(ctx context.Context) (string, error) {
	if err := d.startDaemon(ctx); err != nil {
		return "", err
	}
	return "listening on " + d.base, nil
}

// signInAll signs everyone in for the first time and waits until their workspaces are ready.
func (d *demo) signInAll(ctx context.Context) (string, error) {
	var lines []string
	for _, p := range d.people {
		start := time.Now()
		if err := d.signIn(ctx, p); err != nil {
			return "", err
		}
		lines = append(lines, fmt.Sprintf("%-5s  tenant %s, workspace %s, ready in %s",
			p.Name, p.tenant, p.database, time.Since(start).Round(time.Millisecond)))
	}
	return strings.Join(lines, "\n"), nil
}

// changeProfile replaces the default customer profile as ops, and expects that a viewer is refused.
func (d *demo) changeProfile(ctx context.Context) (string, error) {
	const body = `{"name": "Default", "payload": {"industries": ["manufacturing", "construction"],
		"incorporation_year": {"min": 1990}}}`
	alice, bob := d.people[0], d.people[1]
	status, _, err := d.call(ctx, http.MethodPost, "/icp/rules", alice.token, body)
	if err != nil || status != http.StatusOK {
		return "", unexpectedStatus("POST /icp/rules as ops", status, err)
	}
	status, _, err = d.call(ctx, http.MethodPost, "/icp/rules", bob.token, body)
	if err != nil || status != http.StatusForbidden {
		return "", unexpectedStatus("POST /icp/rules as viewer", status, err)
	}
	return fmt.Sprintf("%s now looks for manufacturers and builders\n%s, a viewer, may not change profiles (403)",
		alice.Name, bob.Name), nil
}

// scoreAll brings the scores of both tenants up to date, without waiting for the daemon's jobs.
func (d *demo) scoreAll(ctx context.Context) (string, error) {
	var lines []string
	for _, p := range d.people {
		var n int // includes what the daemon has scored since the first sign-in
		err := d.db.InTenant(ctx, p.tenant, func(ctx context.Context, tx postgres.TenantTx) error {
			if _, err := leads.Score(ctx, tx, leads.ScoreOptions{}, demoActor()); err != nil {
				return err
			}
			return tx.QueryRow(ctx, `SELECT count(*) FROM lead_scores`).Scan(&n)
		})
		if err != nil {
			return "", err
		}
		lines = append(lines, fmt.Sprintf("%-5s  %d leads", p.Name, n))
	}
	return strings.Join(lines, "\n"), nil
}
