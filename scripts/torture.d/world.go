package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/migrations"
	"github.com/leadctl/leadctl/pkg/devidp"
	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/odoo/odootest"
	"github.com/leadctl/leadctl/pkg/odoo/provision"
	"github.com/leadctl/leadctl/pkg/pgtemp"
	"github.com/leadctl/leadctl/pkg/schema"
	"github.com/leadctl/leadctl/pkg/secret"
	"github.com/leadctl/leadctl/pkg/tcpproxy"
)

const (
	login    = "torture_daemon"
	clientID = "leadctl-torture"
	template = "leadctl_template"
)

// sharedPostgres is the PostgreSQL server of all worlds, with a migrated template database.
type sharedPostgres struct {
	server   *pgtemp.Server
	port     string // TCP port of PostgreSQL
	password string // of the serving login
}

func startSharedPostgres(ctx context.Context) (*sharedPostgres, error) {
	p := &sharedPostgres{port: freePort(), password: randomHex()}
	var err error
	if p.server, err = pgtemp.Start(ctx, pgtemp.Options{Settings: map[string]string{"listen_addresses": "127.0.0.1",
		"port": p.port, "max_connections": "300", "synchronous_commit": "on"}}); err != nil {
		return nil, err
	}
	dsn := p.server.DSN("postgres")
	if err := executeSQL(ctx, dsn, "CREATE DATABASE torture_template"); err != nil {
		return nil, errors.Join(err, p.server.Stop())
	}
	dsn = p.server.DSN("torture_template")
	if _, err := schema.Up(ctx, dsn, schema.Options{FS: migrations.FS}); err != nil {
		return nil, errors.Join(err, p.server.Stop())
	}
	if err := schema.CreateLogin(ctx, dsn, login, p.password); err != nil {
		return nil, errors.Join(err, p.server.Stop())
	}
	return p, nil
}

func (p *sharedPostgres) close() { _ = p.server.Stop() }

// world is the surroundings of one scene.
type world struct {
	shared       *sharedPostgres
	o            options
	name         string
	dir          string // logs, history and passed failpoints
	odoo         *odootest.Server
	odooWeb      *httptest.Server
	idpWeb       *httptest.Server
	pg, od, idp  *tcpproxy.Proxy
	idpURL       string
	provider     *devidp.Provider
	keyset       string
	master       string
	people       []*person
	replicas     []*replica
	history      *history
	ownerDSN     string
	databaseName string
}

func newWorld(ctx context.Context, shared *sharedPostgres, o options, name string, people int) (*world, error) {
	w := &world{shared: shared, o: o, name: name, master: randomHex(), databaseName: name,
		ownerDSN: shared.server.DSN(name)}
	var err error
	if w.dir, err = os.MkdirTemp("", "leadctl-torture-"); err != nil {
		return nil, err
	}
	if w.history, err = newHistory(filepath.Join(w.dir, "history.jsonl")); err != nil {
		return nil, err
	}
	if err := executeSQL(ctx, shared.server.DSN("postgres"),
		"CREATE DATABASE "+name+" TEMPLATE torture_template"); err != nil {
		return nil, err
	}
	keyset, err := secret.Generate()
	if err != nil {
		return nil, err
	}
	w.keyset = string(keyset)
	if err := w.startOdoo(ctx); err != nil {
		return nil, err
	}
	if w.pg, err = tcpproxy.Start("127.0.0.1:" + shared.port); err != nil {
		return nil, err
	}
	return w, w.startProvider(ctx, people)
}

// startOdoo starts the Odoo stand-in with a prepared template, behind a proxy.
func (w *world) startOdoo(ctx context.Context) (err error) {
	ledger, err := os.Create(filepath.Join(w.dir, "ledger.jsonl"))
	if err != nil {
		return err
	}
	w.odoo = odootest.New(odootest.Options{Master: w.master, Ledger: ledger})
	w.odooWeb = httptest.NewServer(w.odoo)
	server, err := odoo.New(odoo.Options{BaseURL: w.odooWeb.URL})
	if err != nil {
		return err
	}
	t := provision.Template{Name: template, Master: odoo.Secret(w.master), Secret: odoo.Secret(w.templateSecret())}
	if _, err := provision.PrepareTemplate(ctx, server, t); err != nil {
		return err
	}
	w.od, err = tcpproxy.Start(strings.TrimPrefix(w.odooWeb.URL, "http://"))
	return err
}

func (w *world) templateSecret() string { return "template-" + w.master }

// startProvider starts the identity provider and issues a token for each person. Each person has a verified address at
// a company of their own, and the role ops.
func (w *world) startProvider(ctx context.Context, people int) (err error) {
	var users []devidp.User
	for i := range people {
		id := fmt.Sprintf("person%d", i+1)
		users = append(users, devidp.User{ID: id, Name: id, Email: id + "@company" + strconv.Itoa(i+1) + ".example",
			EmailVerified: true, Roles: []string{"ops"}})
	}
	var handler http.Handler
	w.idpWeb = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter,
		r *http.Request) {
		handler.ServeHTTP(rw, r)
	}))
	if w.idp, err = tcpproxy.Start(strings.TrimPrefix(w.idpWeb.URL, "http://")); err != nil {
		return err
	}
	w.idpURL = "http://" + w.idp.Addr
	provider, err := devidp.New(devidp.Config{Issuer: w.idpURL, Users: users,
		Clients: []devidp.Client{{ID: clientID, RedirectURIs: []string{"http://127.0.0.1/callback"}}}})
	if err != nil {
		return err
	}
	handler, w.provider = provider, provider
	for _, u := range users {
		token, err := provider.IssueToken(ctx, u.ID, clientID)
		if err != nil {
			return err
		}
		w.people = append(w.people, &person{id: u.ID, email: u.Email, token: token})
	}
	return nil
}

// issueToken returns a new token of the person.
func (w *world) issueToken(ctx context.Context, p *person) string {
	token, err := w.provider.IssueToken(ctx, p.id, clientID)
	if err != nil && ctx.Err() == nil {
		panic(err)
	}
	return token
}

// replicaEnv returns the environment of a replica: development, since nothing here uses TLS, but the serving login.
func (w *world) replicaEnv(port string) []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + w.dir, "LEADCTL_ENV=development", "LEADCTL_KEYSET=" + w.keyset,
		"POSTGRES_DSN=postgres://" + login + ":" + w.shared.password + "@" + w.pg.Addr + "/" + w.databaseName +
			"?sslmode=disable&connect_timeout=3",
		"NEXIUS_ISSUER=" + w.idpURL, "NEXIUS_CLIENT_ID=" + clientID,
		"ODOO_SERVER_URL=http://" + w.od.Addr, "ODOO_MASTER_PASSWORD=" + w.master, "ODOO_TEMPLATE_DB=" + template,
		"LEADCTL_ODOO_TEMPLATE_PASSWORD=" + w.templateSecret(),
		"LEADCTL_API_LISTEN=127.0.0.1:" + port, "LEADCTL_API_METRICS_LISTEN=127.0.0.1:" + freePort(),
		"LEADCTL_LOG_FORMAT=json", "LEADCTL_LOG_LEVEL=debug", "DISABLE_SCHEDULER=1",
	}
}

func (w *world) close() {
	for _, r := range w.replicas {
		r.killAndWait()
	}
	for _, p := range []*tcpproxy.Proxy{w.pg, w.od, w.idp} {
		p.Close()
	}
	w.odooWeb.CloseClientConnections()
	w.odooWeb.Close()
	w.idpWeb.Close()
	w.history.close()
	ctx := context.Background()
	_ = executeSQL(ctx, w.shared.server.DSN("postgres"), "DROP DATABASE IF EXISTS "+w.databaseName+" WITH (FORCE)")
	_ = os.RemoveAll(w.dir)
}

// keepLogs moves the world's files to a folder that is kept, and returns its path.
func (w *world) keepLogs() string {
	kept := filepath.Join(cmp.Or(os.Getenv("TMPDIR"), "/tmp"), "leadctl-torture-"+w.name)
	_ = os.RemoveAll(kept)
	if err := os.Rename(w.dir, kept); err != nil {
		return err.Error()
	}
	return kept
}

func executeSQL(ctx context.Context, dsn, sql string) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql)
	return err
}

func freePort() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

func randomHex() string {
	b := make([]byte, 12)
	_, _ = rand.Read(b) // it never fails
	return hex.EncodeToString(b)
}
