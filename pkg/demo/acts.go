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
	"github.com/leadctl/leadctl/pkg/fault"
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
	clientID     = "leadctl-demo"
	registerSeed = 20260816
	templateName = "leadctl_template"
)

// act is one part of the story: what it is called, and what came of it in a few words.
type act struct {
	title string
	do    func(*demo, context.Context) (outcome string, err error)
}

func acts() []act {
	return []act{
		{"database", (*demo).database},
		{"identity provider", (*demo).identityProvider},
		{"odoo", (*demo).odoo},
		{"register", (*demo).register},
		{"api", (*demo).api},
		{"first sign-ins", (*demo).signIns},
		{"a rule of one's own", (*demo).rule},
		{"scores", (*demo).scores},
		{"exports", (*demo).exports},
		{"isolation", (*demo).isolation},
	}
}

// database starts PostgreSQL unless one is configured, and brings it to the schema.
func (d *demo) database(ctx context.Context) (string, error) {
	where := "the one that POSTGRES_DSN names"
	if d.cfg.Database.DSN == "" {
		server, err := pgtemp.Start(ctx, pgtemp.Options{Log: func(format string, args ...any) { d.opts.Log.Debug(fmt.Sprintf(format, args...)) }})
		if err != nil {
			return "", err
		}
		d.onClose(func() { _ = server.Stop() })
		d.cfg.Database.DSN, where = server.DSN("postgres"), "PostgreSQL "+server.Version()+", thrown away afterwards"
	}
	done, err := schema.Up(ctx, d.cfg.Database.DSN, schema.Options{FS: migrations.FS})
	if err != nil {
		return "", err
	}
	d.cfg.Env = "development"
	if d.db, err = wire.Database(ctx, d.cfg, d.opts.Log); err != nil {
		return "", err
	}
	d.onClose(d.db.Close)
	return fmt.Sprintf("%s; schema version %d, row-level security forced", where, done.To), d.keyset()
}

// keyset makes a key for this demo's secrets. A database that outlives the demo needs one that does too.
func (d *demo) keyset() error {
	if d.cfg.Secrets.Keyset != "" {
		return nil
	}
	if d.opts.Config.Database.DSN != "" {
		return fault.New(fault.Invalid, "LEADCTL_KEYSET_FILE: not set, while POSTGRES_DSN is: its secrets would open with nothing later").
			WithHint("leadctl secrets init FILE, then LEADCTL_KEYSET_FILE=FILE; or unset POSTGRES_DSN")
	}
	json, err := secret.Generate()
	d.cfg.Secrets.Keyset = string(json)
	return err
}

func (d *demo) identityProvider(context.Context) (string, error) {
	issuer, err := d.serveLoopback(func(base string) (http.Handler, error) {
		var users []devidp.User
		for _, p := range d.people {
			users = append(users, p.User)
		}
		users = append(users, visitors()...)
		provider, err := devidp.New(devidp.Config{Issuer: base, Users: users, Clients: []devidp.Client{{ID: clientID, RedirectURIs: []string{"http://127.0.0.1/callback", "http://127.0.0.1/auth/callback"}, PostLogoutRedirectURIs: []string{"http://127.0.0.1/"}}}})
		d.idp = provider
		return provider, err
	})
	if err != nil {
		return "", err
	}
	d.cfg.API.PublicURL, d.cfg.API.CookieSecure, d.cfg.API.MetricsListen = "", false, "" // plain http on loopback
	d.cfg.Console.OperatorRole = operatorRole
	d.cfg.SSO.Issuer, d.cfg.SSO.ClientID, d.cfg.SSO.Audiences, d.cfg.SSO.InternalURL = issuer, clientID, nil, ""
	return fmt.Sprintf("OIDC at %s\n%s (ops) and %s (viewer)", issuer, d.people[0].Email, d.people[1].Email), nil
}

// odoo starts the stand-in, with its template made by the code that makes real ones, unless a real Odoo is configured.
func (d *demo) odoo(ctx context.Context) (string, error) {
	if d.cfg.Odoo.ServerURL != "" {
		return "the real one at " + d.cfg.Odoo.ServerURL, nil
	}
	stand := odootest.New(odootest.Options{Master: "demo-master"})
	base, err := d.serveLoopback(func(string) (http.Handler, error) { return stand, nil })
	if err != nil {
		return "", err
	}
	d.cfg.Odoo.ServerURL, d.cfg.Odoo.TemplateDB, d.cfg.Odoo.MasterPassword, d.cfg.Odoo.TemplatePassword = base, templateName, "demo-master", string(odoo.NewSecret())
	server, err := odoo.New(odoo.Options{BaseURL: base})
	if err != nil {
		return "", err
	}
	_, err = provision.PrepareTemplate(ctx, server, provision.Template{Name: templateName, Master: odoo.Secret(d.cfg.Odoo.MasterPassword), Secret: odoo.Secret(d.cfg.Odoo.TemplatePassword)})
	return "a stand-in at " + base + "\n(ODOO_SERVER_URL and ODOO_TEMPLATE_DB would name a real one)", err
}

// register ingests synthetic rows as a file would be, and derives the companies.
func (d *demo) register(ctx context.Context) (string, error) {
	r, w := io.Pipe()
	go func() {
		_, err := acragen.Write(w, d.opts.Rows, registerSeed, acragen.Options{})
		w.CloseWithError(err)
	}()
	report, err := acra.Ingest(ctx, d.db, acra.Options{Source: acra.Stream("synthetic rows", r), Log: d.opts.Log})
	if err != nil {
		return "", err
	}
	var companies leads.CompaniesReport
	err = d.db.InSystem(ctx, "companies", func(ctx context.Context, tx postgres.SystemTx) (err error) {
		companies, err = leads.RefreshCompanies(ctx, tx)
		return err
	})
	run := report.Run
	return fmt.Sprintf("%d synthetic ACRA rows read: %d live ones loaded, %d not live, %d rejected\n%d companies to choose from", run.Read, run.Inserted, run.Filtered, run.Rejected, companies.Added), err
}

func (d *demo) api(ctx context.Context) (string, error) {
	if err := d.startDaemon(ctx); err != nil {
		return "", err
	}
	return "listening on " + d.base, nil
}

// signIns has everybody sign in for the first time, and waits for their workspaces as their browsers would.
func (d *demo) signIns(ctx context.Context) (string, error) {
	var told []string
	for _, p := range d.people {
		start := time.Now()
		if err := d.signIn(ctx, p); err != nil {
			return "", err
		}
		told = append(told, fmt.Sprintf("%-5s  tenant %s, workspace %s, ready in %s", p.Name, p.tenant, p.database, time.Since(start).Round(time.Millisecond)))
	}
	return strings.Join(told, "\n"), nil
}

// rule lets the ops user choose other companies than the default, and shows that a viewer cannot.
func (d *demo) rule(ctx context.Context) (string, error) {
	const body = `{"name": "Default", "payload": {"industries": ["manufacturing", "construction"], "incorporation_year": {"min": 1990}}}`
	alice, bob := d.people[0], d.people[1]
	if status, _, err := d.call(ctx, http.MethodPost, "/icp/rules", alice.token, body); err != nil || status != http.StatusOK {
		return "", unexpected("POST /icp/rules as ops", status, err)
	}
	if status, _, err := d.call(ctx, http.MethodPost, "/icp/rules", bob.token, body); err != nil || status != http.StatusForbidden {
		return "", unexpected("POST /icp/rules as viewer", status, err)
	}
	return fmt.Sprintf("%s now looks for manufacturers and builders\n%s, a viewer, may not change rules (403)", alice.Name, bob.Name), nil
}

func (d *demo) scores(ctx context.Context) (string, error) {
	var told []string
	for _, p := range d.people {
		var n int // with those that the daemon has scored since the first sign-in
		err := d.db.InTenant(ctx, p.tenant, func(ctx context.Context, tx postgres.TenantTx) error {
			if _, err := leads.Score(ctx, tx, leads.ScoreOptions{}, tenant.By{Actor: "demo"}); err != nil {
				return err
			}
			return tx.QueryRow(ctx, `SELECT count(*) FROM lead_scores`).Scan(&n)
		})
		if err != nil {
			return "", err
		}
		told = append(told, fmt.Sprintf("%-5s  %d leads", p.Name, n))
	}
	return strings.Join(told, "\n"), nil
}
