package provision_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/odoo/odootest"
	"github.com/leadctl/leadctl/pkg/odoo/provision"
)

// TestFirstPersonTakesTheSpareOver checks that the first person gets the spare user in SQL. For the second person, and
// for an address that Odoo may store differently, Odoo makes the user. The database is a clone on a real PostgreSQL,
// and the stand-in answers for Odoo.
func TestFirstPersonTakesTheSpareOver(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	c, r := newClones(t), standIn(t, odootest.Options{})
	prov, err := provision.NewProvisioner(r.server,
		provision.Provisioning{Installation: "test", Template: c.template, ClusterDSN: odoo.Secret(c.dsn),
			Language: "zh_CN"})
	require.NoError(t, err)
	w := c.workspace(1)
	_, err = r.prov.EnsureDatabase(ctx, w)
	require.NoError(t, err)
	require.NoError(t, r.stand.AddKey(w.Database, odoo.ServiceLogin, string(w.Secret)))
	_, err = prov.EnsureDatabase(ctx, w)
	require.NoError(t, err)

	_, err = prov.EnsureUser(ctx, w, provision.User{Email: `"odd one"@example.com`})
	require.NoError(t, err)
	require.Equal(t, 1, countCreated(r.stand, "res.users", `"odd one"@example.com`))
	for i, uid := 0, int64(0); uid < 7; i++ { // the stand-in has no spare: another user has its number
		uid, err = prov.EnsureUser(ctx, w, provision.User{Email: fmt.Sprintf(`"odd %d"@example.com`, i)})
		require.NoError(t, err)
	}
	before := len(r.stand.Calls())
	uid, err := prov.EnsureUser(ctx, w, provision.User{Email: "First@Example.com", Name: "Tan & Co"})
	require.NoError(t, err)
	require.EqualValues(t, 7, uid)
	require.NotContains(t, r.stand.Calls()[before:], "res.users.create")
	require.Zero(t, countCreated(r.stand, "res.users", "first@example.com"))
	require.Equal(t, "first@example.com t <div>Tan &amp; Co</div>",
		c.text(t, w.Database, `SELECT concat_ws(' ', login, active, signature) FROM res_users WHERE id = 7`))
	require.Equal(t, "Tan & Co|Tan & Co|first@example.com|first@example.com|t|f|zh_CN", c.text(t, w.Database,
		`SELECT concat_ws('|', name, complete_name, email, email_normalized, active, partner_share, lang)
			FROM res_partner WHERE id = 50`))
	require.Equal(t, "2", c.text(t, w.Database, `SELECT count(*)::text FROM ir_attachment`),
		"only the spare user's picture is deleted")

	_, err = prov.EnsureUser(ctx, w, provision.User{Email: "second@example.com"})
	require.NoError(t, err)
	require.Equal(t, 1, countCreated(r.stand, "res.users", "second@example.com"))
}
