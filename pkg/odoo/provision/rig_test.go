package provision_test

import (
	"cmp"
	"context"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/odoo/odootest"
	"github.com/leadctl/leadctl/pkg/odoo/provision"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// rig is a server with a prepared template and a way of making workspaces on it. The server is the stand-in, or with
// the tag "live" a real one. The same tests run on all rigs.
type rig struct {
	server *odoo.Server
	how    provision.Provisioning
	prov   *provision.Provisioner
	stand  *odootest.Server // nil on a real server
	url    string
	dsn    string // a real server's PostgreSQL, for dropping databases
	prefix string
	shut   []string // path prefixes that a proxy before the server refuses
	speaks string   // the configured protocol; "" for the server's choice
}

// withOptions returns the same rig with other options for its server.
func (r rig) withOptions(t *testing.T, o odoo.Options) rig {
	t.Helper()
	o.BaseURL, o.Timeout = cmp.Or(o.BaseURL, r.server.BaseURL()), cmp.Or(o.Timeout, 2*time.Minute)
	var err error
	r.server, err = odoo.New(o)
	require.NoError(t, err)
	r.prov, err = provision.NewProvisioner(r.server, r.how)
	require.NoError(t, err)
	r.speaks = o.Protocol
	return r
}

// backendName returns the name of the rig's way of making workspaces, as in a Report.
func (r rig) backendName() string {
	switch {
	case r.how.ClusterDSN != "":
		return "raw clone"
	case len(r.shut) > 0:
		return "web form"
	}
	return "database service"
}

const (
	master        = "the-master-password"
	adminPassword = "the-template-password"
)

// standIn returns a rig with a new stand-in.
func standIn(t *testing.T, o odootest.Options) rig {
	t.Helper()
	return standInFor(t, o, provision.Provisioning{Template: "tmpl"})
}

func standInFor(t *testing.T, o odootest.Options, how provision.Provisioning) rig {
	t.Helper()
	o.Master = master
	r := rig{stand: odootest.New(o), prefix: "lct", how: how, shut: o.Shut}
	web := httptest.NewServer(r.stand)
	t.Cleanup(web.Close)
	r.url = web.URL
	r.server = client(t, web.URL, 20*time.Second)
	r.how.Installation, r.how.Master, r.how.TemplateSecret = "test", master, adminPassword
	r.prepare(t)
	return r
}

func client(t *testing.T, url string, timeout time.Duration) *odoo.Server {
	t.Helper()
	s, err := odoo.New(odoo.Options{BaseURL: url, Timeout: timeout})
	require.NoError(t, err)
	return s
}

func (r rig) template() provision.Template {
	t := provision.Template{Name: r.how.Template, Master: r.how.Master, ClusterDSN: r.how.ClusterDSN,
		Secret: r.how.TemplateSecret}
	if r.how.Mode == provision.ModeCompany {
		t.Name, t.Shared, t.Installation = r.how.Shared, true, r.how.Installation
	}
	return t
}

// prepare makes the template and the provisioner.
func (r *rig) prepare(t *testing.T) {
	t.Helper()
	checks, err := provision.PrepareTemplate(context.Background(), r.server, r.template())
	for _, c := range checks {
		if r.stand != nil && c.Err == nil {
			continue // it took microseconds
		}
		t.Logf("template: %-24s %6.2fs %v", c.Name, c.Took.Seconds(), c.Err)
	}
	require.NoError(t, err)
	r.prov, err = provision.NewProvisioner(r.server, r.how)
	require.NoError(t, err)
}

// workspace names a tenant's workspace and removes it after the test.
func (r rig) workspace(t *testing.T, id tenantid.ID) provision.Workspace {
	t.Helper()
	w := provision.Workspace{Tenant: id, Database: r.prov.DatabaseName(r.prefix, id), Secret: odoo.NewSecret()}
	switch {
	case r.stand != nil:
	case r.how.Mode == provision.ModeCompany:
		_, err := r.prov.DropDatabase(context.Background(), w) // a killed run may have left it
		require.NoError(t, err)
		t.Cleanup(func() { _, err := r.prov.DropDatabase(context.Background(), w); assert.NoError(t, err) })
	default:
		r.dropDatabases(t, w.Database)
		t.Cleanup(func() { r.dropDatabases(t, w.Database) })
	}
	return w
}

// dropDatabases drops a workspace's databases with or without a marker, so that a test on a real server begins and ends
// without them. It does so in SQL, because that takes no time from the Odoo process of the tests.
func (r rig) dropDatabases(t *testing.T, name string) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, r.dsn)
	require.NoError(t, err)
	defer conn.Close(ctx)
	for _, n := range []string{name, name + "__new"} {
		require.EventuallyWithT(t, func(c *assert.CollectT) { // autovacuum may have it open
			_, err := conn.Exec(ctx, "DROP DATABASE IF EXISTS "+n+" WITH (FORCE)")
			assert.NoError(c, err)
		}, time.Minute, 100*time.Millisecond)
	}
}

// provision makes a workspace's database.
func (r rig) provision(t *testing.T, id tenantid.ID) provision.Workspace {
	t.Helper()
	w := r.workspace(t, id)
	created, err := r.prov.EnsureDatabase(context.Background(), w)
	require.NoError(t, err)
	require.True(t, created)
	return w
}

// sessionJSON2 opens db over JSON-2 without asking Odoo which user holds the key.
func sessionJSON2(t *testing.T, server *odoo.Server, db string, key odoo.Secret) *odoo.Session {
	t.Helper()
	a := odoo.Account{Database: db, Secret: key, Key: true, UID: 1, Over: odoo.ProtocolJSON2}
	s, _, err := server.Open(t.Context(), a)
	require.NoError(t, err)
	return s
}
