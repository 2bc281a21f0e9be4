package provision_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/odoo/provision"
	"github.com/leadctl/leadctl/pkg/pgtemp"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// The raw clone is SQL on Odoo's PostgreSQL. These tests run it on a real PostgreSQL, as a role like Odoo's (CREATEDB,
// no superuser). The template has only the tables of Odoo that the clone uses. The live tests use Odoo's own template.

var odooTables = []string{
	`CREATE TABLE ir_config_parameter (id serial PRIMARY KEY, key text UNIQUE NOT NULL, value text,
		create_uid int, write_uid int, create_date timestamp, write_date timestamp)`,
	`CREATE TABLE res_users (id serial PRIMARY KEY, login text UNIQUE NOT NULL, password text, active bool,
		partner_id int, signature text, write_date timestamp)`,
	`CREATE TABLE res_partner (id serial PRIMARY KEY, name text, complete_name text, commercial_company_name text,
		email text, email_normalized text, active bool, partner_share bool, lang text, write_date timestamp)`,
	`CREATE TABLE res_lang (code text, active bool)`,
	`INSERT INTO res_lang VALUES ('en_US', true), ('zh_CN', true), ('ms_MY', false)`,
	`INSERT INTO res_partner (id, name, complete_name, active, partner_share, lang)
		VALUES (50, 'leadctl-spare', 'leadctl-spare', false, true, 'en_US')`,
	`CREATE TABLE res_company (id serial PRIMARY KEY, name text, partner_id int, write_date timestamp)`,
	`INSERT INTO res_partner (id, name, complete_name) VALUES (1, 'New workspace', 'New workspace')`,
	`INSERT INTO res_company (id, name, partner_id) VALUES (1, 'New workspace', 1), (2, 'New workspace', 50)`,
	`CREATE TABLE ir_attachment (res_model text, res_id int, res_field text)`,
	`INSERT INTO ir_attachment VALUES ('res.partner', 50, 'image_1920'), ('res.partner', 51, 'image_1920'),
		('res.partner', 50, NULL)`,
	`CREATE TABLE res_users_apikeys (id serial PRIMARY KEY, name text, user_id int, scope text, key text, index text,
		create_date timestamp)`,
	`CREATE TABLE ir_cron (id serial PRIMARY KEY, active bool, nextcall timestamp)`,
	`INSERT INTO ir_cron (active, nextcall) VALUES (true, now() AT TIME ZONE 'utc' - interval '1 day'),
		(false, now() AT TIME ZONE 'utc' - interval '1 day')`,
	`CREATE TABLE ir_model_data (module text, name text, model text, res_id int)`,
	`INSERT INTO res_users (id, login, password, active)
		VALUES (2, 'admin', 'template-hash', true), (6, 'leadctl', NULL, true)`,
	`INSERT INTO res_users (id, login, active, partner_id, signature)
		VALUES (7, 'leadctl-spare', false, 50, '<div>leadctl-spare</div>')`,
	`INSERT INTO res_users_apikeys (name, user_id, key, index) VALUES ('of the template', 2, 'x', 'y')`,
	`INSERT INTO ir_model_data VALUES ('base', 'user_admin', 'res.users', 2)`,
	`INSERT INTO ir_config_parameter (key, value) VALUES ('database.uuid', 'template'), ('database.secret', 'template'),
		('database.create_date', 'template'), ('leadctl.template', '1')`,
}

// pg is the PostgreSQL of this package's tests.
type pg struct {
	dsn    string // of Odoo's role, on the maintenance database
	serial atomic.Int32
}

// running is the server to stop after the tests, nil when no test needed it.
var running atomic.Pointer[pgtemp.Server]

var cluster = sync.OnceValues(func() (*pg, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	server, err := pgtemp.Start(ctx, pgtemp.Options{})
	if err != nil {
		return nil, err
	}
	super, err := pgx.Connect(ctx, server.DSN("postgres"))
	if err != nil {
		return nil, err
	}
	defer super.Close(ctx)
	running.Store(server)
	_, err = super.Exec(ctx, `CREATE ROLE odoo LOGIN CREATEDB; CREATE ROLE meagre LOGIN`)
	return &pg{dsn: withRole(server.DSN("postgres"), "odoo")}, err
})

func TestMain(m *testing.M) {
	code := m.Run()
	if server := running.Load(); server != nil {
		_ = server.Stop()
	}
	os.Exit(code)
}

// withRole returns dsn with another role.
func withRole(dsn, role string) string {
	u, err := url.Parse(dsn)
	if err != nil {
		panic(err)
	}
	u.User = url.User(role)
	return u.String()
}

// clones is a template on the shared PostgreSQL, and a provisioner that clones it.
type clones struct {
	*pg
	template, prefix string
	prov             *provision.Provisioner
}

func newClones(t *testing.T) clones {
	t.Helper()
	p, err := cluster()
	require.NoError(t, err)
	n := p.serial.Add(1)
	c := clones{pg: p, template: fmt.Sprintf("tmpl%d", n), prefix: fmt.Sprintf("p%d", n)}
	c.exec(t, "postgres", "CREATE DATABASE "+c.template)
	for _, sql := range odooTables {
		c.exec(t, c.template, sql)
	}
	c.exec(t, "postgres", "ALTER DATABASE "+c.template+" IS_TEMPLATE true ALLOW_CONNECTIONS false")
	c.prov = c.provisioner(t, "odoo")
	return c
}

func (c clones) provisioner(t *testing.T, role string) *provision.Provisioner {
	t.Helper()
	prov, err := provision.NewProvisioner(client(t, "http://127.0.0.1:9", time.Second),
		provision.Provisioning{Installation: "test", Template: c.template,
			ClusterDSN: odoo.Secret(withRole(c.dsn, role))})
	require.NoError(t, err)
	return prov
}

func (c clones) connect(t *testing.T, database string) *pgx.Conn {
	t.Helper()
	cfg, err := pgx.ParseConfig(c.dsn)
	require.NoError(t, err)
	cfg.Database = database
	conn, err := pgx.ConnectConfig(context.Background(), cfg)
	require.NoError(t, err)
	return conn
}

func (c clones) exec(t *testing.T, database, sql string, args ...any) {
	t.Helper()
	conn := c.connect(t, database)
	defer conn.Close(context.Background())
	_, err := conn.Exec(context.Background(), sql, args...)
	require.NoError(t, err, sql)
}

func (c clones) text(t *testing.T, database, sql string, args ...any) (value string) {
	t.Helper()
	conn := c.connect(t, database)
	defer conn.Close(context.Background())
	require.NoError(t, conn.QueryRow(context.Background(), sql, args...).Scan(&value), sql)
	return value
}

func (c clones) workspace(id tenantid.ID) provision.Workspace {
	return provision.Workspace{Tenant: id, Database: provision.DatabaseName(c.prefix, id), Secret: odoo.NewSecret()}
}

func TestCloneGetsAnIdentityOfItsOwn(t *testing.T) {
	t.Parallel()
	c, ctx := newClones(t), context.Background()
	w := c.workspace(42)
	created, err := c.prov.EnsureDatabase(ctx, w)
	require.NoError(t, err)
	require.True(t, created)
	created, err = c.prov.EnsureDatabase(ctx, w)
	require.NoError(t, err)
	require.False(t, created)

	require.Equal(t, "test/tenant/42", c.text(t, w.Database,
		`SELECT value FROM ir_config_parameter WHERE key = 'leadctl.owner'`))
	require.Equal(t, "0",
		c.text(t, w.Database, `SELECT count(*)::text FROM ir_config_parameter WHERE value = 'template'`))
	require.Equal(t, "0",
		c.text(t, w.Database, `SELECT count(*)::text FROM res_users WHERE password IS NOT NULL OR login = 'admin'`))
	require.Equal(t, "1", c.text(t, w.Database, `SELECT count(*)::text FROM res_users_apikeys`))
	require.Equal(t, "1",
		c.text(t, w.Database,
			`SELECT count(*)::text FROM ir_cron WHERE nextcall > now() AT TIME ZONE 'utc' + interval '5 minutes'`),
		"jobs that were due when the template was made must not run in each clone at once")
	require.Equal(t, string(w.Secret[:8]), c.text(t, w.Database,
		`SELECT index FROM res_users_apikeys WHERE user_id = 6 AND scope IS NULL`))
	require.Equal(t, "odoo", c.text(t, "postgres", `SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = $1`,
		w.Database))
	require.Equal(t, "0", c.text(t, "postgres", `SELECT count(*)::text FROM pg_database WHERE datname LIKE $1`,
		c.prefix+"%\\_\\_new"))
}

// TestCases/D-001 at this layer: the next attempt finishes what a kill leaves behind, and does not clone again.
func TestCloneIsFinishedNotRepeated(t *testing.T) {
	t.Parallel()
	c, ctx := newClones(t), context.Background()
	w := c.workspace(1)
	half := w.Database + "__new"
	oid := func(name string) string {
		return c.text(t, "postgres", `SELECT oid::text FROM pg_database WHERE datname = $1`, name)
	}
	c.exec(t, "postgres", "CREATE DATABASE "+half+" TEMPLATE "+c.template)
	first := oid(half)
	_, err := c.prov.EnsureDatabase(ctx, w)
	require.NoError(t, err)
	require.Equal(t, first, oid(w.Database), "killed after the clone")

	c.exec(t, "postgres", "ALTER DATABASE "+w.Database+" RENAME TO "+half)
	_, err = c.prov.EnsureDatabase(ctx, w)
	require.NoError(t, err)
	require.Equal(t, first, oid(w.Database), "killed after the identity")

	stopped, cancel := context.WithCancel(ctx)
	cancel()
	other := c.workspace(2)
	_, err = c.prov.EnsureDatabase(stopped, other)
	require.Error(t, err)
	_, err = c.prov.EnsureDatabase(ctx, other)
	require.NoError(t, err)
}

// EnsureBaseline names the workspace's company once; a later name of a user stays.
func TestCompanyIsNamedOnce(t *testing.T) {
	t.Parallel()
	c, ctx := newClones(t), context.Background()
	w := c.workspace(1)
	_, err := c.prov.EnsureDatabase(ctx, w)
	require.NoError(t, err)
	names := func() string {
		return c.text(t, w.Database, `SELECT concat_ws('|', c.name, p.name, p.complete_name, p.commercial_company_name,
				(SELECT name FROM res_company WHERE id = 2))
			FROM res_company c JOIN res_partner p ON p.id = c.partner_id WHERE c.id = 1`)
	}
	for range 2 {
		require.NoError(t, c.prov.EnsureBaseline(ctx, w, "Tan & <Sons>"))
		require.Equal(t, "Tan & <Sons>|Tan & <Sons>|Tan & <Sons>|Tan & <Sons>|New workspace", names())
	}
	c.exec(t, w.Database, `UPDATE res_company SET name = 'Ours' WHERE id = 1`)
	require.NoError(t, c.prov.EnsureBaseline(ctx, w, "Another"))
	require.Equal(t, "Ours|Tan & <Sons>|Tan & <Sons>|Tan & <Sons>|New workspace", names())
	foreign := w
	foreign.Tenant = 2
	require.Equal(t, odoo.CodeForeign, fault.Code(c.prov.EnsureBaseline(ctx, foreign, "Theirs")))
}

// TestHopelessCloneIsRemoved checks that a clone that no attempt could finish does not stay. It would keep the next
// attempt from cloning the repaired template.
func TestHopelessCloneIsRemoved(t *testing.T) {
	t.Parallel()
	c, ctx := newClones(t), context.Background()
	change := func(sql string) {
		c.exec(t, "postgres", "ALTER DATABASE "+c.template+" ALLOW_CONNECTIONS true")
		c.exec(t, c.template, sql)
		c.exec(t, "postgres", "ALTER DATABASE "+c.template+" ALLOW_CONNECTIONS false")
	}
	change(`UPDATE res_users SET login = 'gone' WHERE login = 'leadctl'`)
	w := c.workspace(1)
	_, err := c.prov.EnsureDatabase(ctx, w)
	require.Equal(t, fault.Operator, fault.KindOf(err), "%v", err)
	require.Equal(t, "0", c.text(t, "postgres", `SELECT count(*)::text FROM pg_database WHERE datname LIKE $1`,
		w.Database+"%"))
	change(`UPDATE res_users SET login = 'leadctl' WHERE login = 'gone'`)
	_, err = c.prov.EnsureDatabase(ctx, w)
	require.NoError(t, err)
}

func TestForeignDatabaseIsLeftAlone(t *testing.T) {
	t.Parallel()
	c, ctx := newClones(t), context.Background()
	w := c.workspace(7)
	_, err := c.prov.EnsureDatabase(ctx, w)
	require.NoError(t, err)
	for what, sql := range map[string]string{
		"another tenant's":       `UPDATE ir_config_parameter SET value = 'test/tenant/8' WHERE key = 'leadctl.owner'`,
		"another installation's": `UPDATE ir_config_parameter SET value = 'prod/tenant/7' WHERE key = 'leadctl.owner'`,
		"without a marker":       `DELETE FROM ir_config_parameter WHERE key = 'leadctl.owner'`,
		"not Odoo's":             `ALTER TABLE IF EXISTS ir_config_parameter RENAME TO something_else`,
	} {
		c.exec(t, w.Database, sql)
		_, err := c.prov.EnsureDatabase(ctx, w)
		require.Equal(t, odoo.CodeForeign, fault.Code(err), what)
		_, err = c.prov.DropDatabase(ctx, w)
		require.Equal(t, odoo.CodeForeign, fault.Code(err), what)
		if what == "not Odoo's" {
			c.exec(t, w.Database, `ALTER TABLE something_else RENAME TO ir_config_parameter`)
		}
	}
	c.exec(t, "postgres", "ALTER DATABASE "+w.Database+" ALLOW_CONNECTIONS false")
	_, err = c.prov.EnsureDatabase(ctx, w)
	require.Equal(t, odoo.CodeForeign, fault.Code(err))
}

// TestSessionsDoNotStopADrop drops a workspace that another session has open, as Odoo has.
func TestSessionsDoNotStopADrop(t *testing.T) {
	t.Parallel()
	c, ctx := newClones(t), context.Background()
	w := c.workspace(3)
	_, err := c.prov.EnsureDatabase(ctx, w)
	require.NoError(t, err)
	open := c.connect(t, w.Database)
	defer open.Close(ctx)
	gone, err := c.prov.DropDatabase(ctx, w)
	require.NoError(t, err)
	require.True(t, gone)
	require.Error(t, open.Ping(ctx))
	gone, err = c.prov.DropDatabase(ctx, w)
	require.NoError(t, err)
	require.False(t, gone)
}

func TestAttemptsAtOneCloneTakeTurns(t *testing.T) {
	t.Parallel()
	c := newClones(t)
	w := c.workspace(9)
	replicas := []*provision.Provisioner{c.prov, c.provisioner(t, "odoo")}
	var made atomic.Int32
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			created, err := replicas[i%2].EnsureDatabase(context.Background(), w)
			assert.NoError(t, err)
			if created {
				made.Add(1)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 1, made.Load())
}

func TestOperatorFaults(t *testing.T) {
	t.Parallel()
	c, ctx := newClones(t), context.Background()
	w := c.workspace(1)
	_, err := c.provisioner(t, "meagre").EnsureDatabase(ctx, w)
	require.Equal(t, fault.Operator, fault.KindOf(err), "a role without CREATEDB: %v", err)
	require.NotContains(t, fault.Text(err), "meagre")
	_, err = c.provisioner(t, "unknown_role").EnsureDatabase(ctx, w)
	require.Equal(t, fault.Operator, fault.KindOf(err), "an unknown role: %v", err)

	c.exec(t, "postgres", "ALTER DATABASE "+c.template+" ALLOW_CONNECTIONS true")
	_, err = c.prov.EnsureDatabase(ctx, w)
	require.Equal(t, fault.Operator, fault.KindOf(err), "an unlocked template")
	require.Contains(t, fault.Hint(err), "template prepare")
	c.exec(t, c.template, `DELETE FROM ir_config_parameter WHERE key = 'leadctl.template'`)
	c.exec(t, "postgres", "ALTER DATABASE "+c.template+" ALLOW_CONNECTIONS false")
	_, err = c.prov.EnsureDatabase(ctx, w)
	require.Equal(t, fault.Operator, fault.KindOf(err), "a template that leadctl did not prepare")
	require.Equal(t, "0", c.text(t, "postgres", `SELECT count(*)::text FROM pg_database WHERE datname = $1`,
		w.Database))

	_, err = provision.NewProvisioner(client(t, "http://127.0.0.1:9", time.Second), provision.Provisioning{Installation: "x", Template: "t",
		ClusterDSN: "postgres://u:hunter2@host:notaport/db"})
	require.Equal(t, fault.Operator, fault.KindOf(err))
	require.NotContains(t, err.Error(), "hunter2")
}

func TestWorkspaceNamesAreChecked(t *testing.T) {
	t.Parallel()
	c, ctx := newClones(t), context.Background()
	good := c.workspace(1)
	for _, w := range []provision.Workspace{
		{}, {Tenant: 1, Database: good.Database}, {Tenant: 1, Database: good.Database, Secret: "admin"},
		{Tenant: 1, Database: "postgres; DROP", Secret: good.Secret},
		{Tenant: 1, Database: good.Database + "__new", Secret: good.Secret},
		{Tenant: 1, Database: "Upper", Secret: good.Secret}, {Tenant: 0, Database: good.Database, Secret: good.Secret},
	} {
		_, err := c.prov.EnsureDatabase(ctx, w)
		require.Error(t, err, "%+v", w)
		_, err = c.prov.DropDatabase(ctx, w)
		require.Error(t, err, "%+v", w)
	}
	require.Equal(t, "leadctl_t42", provision.DatabaseName("leadctl", 42))
}
