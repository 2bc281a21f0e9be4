//go:build live

package provision_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/odoo/crm"
	"github.com/leadctl/leadctl/pkg/odoo/provision"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// requireEnv returns a setting. With the tag "live" and without a server, the tests fail instead of being skipped.
func requireEnv(t *testing.T, name string) string {
	t.Helper()
	v := os.Getenv(name)
	require.NotEmpty(t, v, "%s is not set; scripts/live sets it", name)
	return v
}

// liveRig makes databases on the server of the variables prefix_URL, prefix_DSN and prefix_MASTER_FILE: with cluster
// from a locked template, else from one that Odoo can open. Both templates stay for the next run. A proxy refuses the
// paths that begin with one of shut.
func liveRig(t *testing.T, variables, name string, cluster bool, shut ...string) rig {
	t.Helper()
	template := "lct_template_s"
	if cluster {
		template = "lct_template_c"
	}
	return liveRigFor(t, variables, name, cluster, provision.Provisioning{Template: template + name[len(name)-2:]},
		shut...)
}

// liveShared makes companies in one database on that server.
func liveShared(t *testing.T, variables, name string, cluster bool, shut ...string) rig {
	t.Helper()
	return liveRigFor(t, variables, name, cluster,
		provision.Provisioning{Mode: provision.ModeCompany, Shared: "lct_shared_" + name,
			TemplateSecret: adminPassword}, shut...)
}

func liveRigFor(t *testing.T, variables, name string, cluster bool, how provision.Provisioning, shut ...string) rig {
	t.Helper()
	secret, err := os.ReadFile(requireEnv(t, variables+"_MASTER_FILE"))
	require.NoError(t, err)
	address := requireEnv(t, variables+"_URL")
	if len(shut) > 0 {
		address = startBlockingProxy(t, address, shut)
	}
	r := rig{server: client(t, address, 2*time.Minute), prefix: "lct_" + name,
		dsn: requireEnv(t, variables+"_DSN"), how: how, shut: shut}
	r.how.Installation, r.how.Master = "live", odoo.Secret(strings.TrimSpace(string(secret)))
	if cluster {
		r.how.ClusterDSN = odoo.Secret(r.dsn)
	} else {
		r.how.TemplateSecret = adminPassword
	}
	r.prepare(t)
	return r
}

// startProxy starts a proxy for a server and returns its address.
func startProxy(t *testing.T, address string, serve func(w http.ResponseWriter, r *http.Request,
	odoo http.Handler)) string {
	t.Helper()
	to, err := url.Parse(address)
	require.NoError(t, err)
	through := httputil.NewSingleHostReverseProxy(to)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { serve(w, r, through) }))
	t.Cleanup(proxy.Close)
	return proxy.URL
}

// startBlockingProxy starts a proxy that refuses the paths that begin with one of shut.
func startBlockingProxy(t *testing.T, address string, shut []string) string {
	t.Helper()
	return startProxy(t, address, func(w http.ResponseWriter, r *http.Request, odoo http.Handler) {
		if slices.ContainsFunc(shut, func(beginning string) bool { return strings.HasPrefix(r.URL.Path, beginning) }) {
			http.Error(w, "<html><h1>403 Forbidden</h1></html>", http.StatusForbidden)
			return
		}
		odoo.ServeHTTP(w, r)
	})
}

// testProtocol runs what differs between protocols, for a way of making workspaces that another rig tests whole.
func testProtocol(t *testing.T, r rig) {
	t.Run("first sign-in, twice", func(t *testing.T) { testSteps(t, r) })
	t.Run("rotation", func(t *testing.T) { testRotate(t, r) })
	t.Run("push", func(t *testing.T) { testPush(t, r) })
	t.Run("sign-on link", func(t *testing.T) { testSSO(t, r) })
}

// testSQLMatchesOdoo compares the rows that leadctl wrote in SQL with rows that Odoo wrote. All columns but names, ids
// and times must be equal.
func testSQLMatchesOdoo(t *testing.T, r rig) {
	testUserSQLMatchesOdoo(t, r)
	testCompanySQLMatchesOdoo(t, r)
}

// connect connects to a workspace's database.
func (r rig) connect(t *testing.T, w provision.Workspace) *pgx.Conn {
	t.Helper()
	cfg, err := pgx.ParseConfig(r.dsn)
	require.NoError(t, err)
	cfg.Database = w.Database
	conn, err := pgx.ConnectConfig(context.Background(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// testCompanySQLMatchesOdoo compares a company that SQL named with one that Odoo named.
func testCompanySQLMatchesOdoo(t *testing.T, r rig) {
	ctx := context.Background()
	var companies [2]string
	for i, name := range []string{"aa & <Sons>", "bb & <Sons>"} {
		w := r.provision(t, tenantid.ID(131+i))
		s, err := r.prov.Session(ctx, w)
		require.NoError(t, err)
		if i == 0 {
			require.NoError(t, r.prov.EnsureBaseline(ctx, w, name))
		} else {
			require.NoError(t, s.Write(ctx, "res.company", []int64{1}, odoo.Record{"name": name}, nil))
		}
		seen, err := s.SearchRead(ctx, "res.company", odoo.Query{Fields: []string{"name", "partner_id"}})
		require.NoError(t, err)
		require.Equal(t, name, seen[0].Text("name"))
		require.Contains(t, seen[0]["partner_id"], name)
		require.NoError(t, r.connect(t, w).QueryRow(ctx, `SELECT jsonb_pretty(jsonb_build_object(
				'company', to_jsonb(c) - '{logo_web,write_date,write_uid}'::text[],
				'partner', to_jsonb(p) - '{calendar_last_notif_ack,write_date,write_uid}'::text[]))
			FROM res_company c JOIN res_partner p ON p.id = c.partner_id WHERE c.id = 1`).Scan(&companies[i]))
	}
	require.Equal(t, strings.ReplaceAll(companies[1], "bb & <Sons>", "aa & <Sons>"), companies[0])
}

// testUserSQLMatchesOdoo compares the user that was the template's spare with one that Odoo made.
func testUserSQLMatchesOdoo(t *testing.T, r rig) {
	ctx := context.Background()
	w := r.provision(t, 130)
	conn := r.connect(t, w)
	var people [2]string
	for i, who := range []string{"aa", "bb"} {
		uid, err := r.prov.EnsureUser(ctx, w, provision.User{Email: who + "@example.com", Name: who + " <&>"})
		require.NoError(t, err)
		require.NoError(t, conn.QueryRow(ctx, `SELECT jsonb_pretty(jsonb_build_object(
				'user', to_jsonb(u) - '{id,partner_id,create_date,write_date,create_uid,write_uid}'::text[],
				'partner', to_jsonb(p) - '{id,commercial_partner_id,calendar_last_notif_ack}'::text[]
					- '{create_date,write_date,create_uid,write_uid}'::text[],
				'own commercial partner', p.commercial_partner_id = p.id,
				'groups', (SELECT jsonb_agg(gid ORDER BY gid) FROM res_groups_users_rel WHERE uid = u.id),
				'companies', (SELECT jsonb_agg(cid ORDER BY cid) FROM res_company_users_rel WHERE user_id = u.id)))
			FROM res_users u JOIN res_partner p ON p.id = u.partner_id WHERE u.id = $1`, uid).Scan(&people[i]))
		s, err := r.prov.Session(ctx, w)
		require.NoError(t, err)
		seen, err := s.SearchRead(ctx, "res.users",
			odoo.Query{Domain: odoo.Domain{odoo.Where("login", "=", who+"@example.com")},
				Fields: []string{"name", "email", "share", "image_128"}})
		require.NoError(t, err)
		require.Len(t, seen, 1)
		require.Equal(t, who+" <&>", seen[0].Text("name"))
		require.Equal(t, who+"@example.com", seen[0].Text("email"))
		require.False(t, seen[0].Bool("share"))
	}
	require.Equal(t, strings.ReplaceAll(people[1], "bb", "aa"), people[0])
}

// testBurst makes twenty workspaces at once and logs how long each took. scripts/bench limits the times.
func testBurst(t *testing.T, r rig) {
	took := make([]time.Duration, 20)
	var wg sync.WaitGroup
	for i := range took {
		w := r.workspace(t, tenantid.ID(200+i))
		wg.Go(func() {
			start := time.Now()
			assert.NoError(t, runSteps(r, w))
			took[i] = time.Since(start)
		})
	}
	wg.Wait()
	slices.Sort(took)
	t.Logf("fastest %v, median %v, p95 %v", took[0], took[10], took[18])
}

// testMerges does with real Odoo what salespeople do with duplicates: "Duplicate" and "Merge contacts" work, and a push
// after them makes nothing twice.
func testMerges(t *testing.T, r rig) {
	ctx := context.Background()
	w, s := r.openCRM(t, 119)
	leads := make([]crm.Lead, 4)
	for i := range leads {
		leads[i] = crm.Lead{UEN: fmt.Sprintf("2022%05dC", i), Name: fmt.Sprint("Merged ", i), Score: 0.5, Bucket: "low"}
	}
	known := ledger{}
	known.push(t, r, w, leads)
	// Odoo 14 logs a merge in the name of the user, whom it wants to have an address, as every person has.
	require.NoError(t, s.Write(ctx, "res.users", []int64{s.UID()}, odoo.Record{"email": "her@example.com"}, nil))
	hers, err := s.Create(ctx, "res.partner", []odoo.Record{{"name": "Her contact", "is_company": true}}, nil)
	require.NoError(t, err)
	at := func(i int) crm.Entry { return known[leads[i].UEN] }

	// 0 into 1, both pushed; 2 into hers; 3 duplicated.
	mergeContacts(t, s, at(1).Contact, at(0).Contact)
	mergeContacts(t, s, hers[0], at(2).Contact)
	_, err = s.Call(ctx, odoo.Call{Model: "res.partner", Method: "copy", IDs: []int64{at(3).Contact}})
	require.NoError(t, err)
	contacts := countRecords(t, s, "res.partner")
	for i := range leads {
		leads[i].Score, leads[i].Industry = 0.75, "shipping"
	}
	require.Equal(t, map[crm.Action]int{crm.ActionUpdated: 4}, known.push(t, r, w, leads))
	require.Equal(t, map[crm.Action]int{crm.ActionUnchanged: 4}, known.push(t, r, w, leads))
	require.Equal(t, contacts, countRecords(t, s, "res.partner"))
	require.EqualValues(t, 4, countRecords(t, s, "crm.lead", odoo.Where("x_pre_sdr_bucket", "!=", false)))
	require.Equal(t, at(1).Contact, known.lead(t, s, leads[0].UEN, "partner_id").Int("partner_id"))
	require.Equal(t, hers[0], at(2).Contact, "the push follows the merge")
	contact := known.contact(t, s, leads[2].UEN, "name", "x_uen", "x_industry_norm")
	require.Equal(t, "Her contact", contact.Text("name"))
	require.Equal(t, []string{leads[2].UEN, "shipping"},
		[]string{contact.Text("x_uen"), contact.Text("x_industry_norm")})
}

// mergeContacts merges other into kept, as the wizard "Merge" of the list of contacts does.
func mergeContacts(t *testing.T, s *odoo.Session, kept, other int64) {
	t.Helper()
	ctx := context.Background()
	const wizard = "base.partner.merge.automatic.wizard"
	made, err := s.Create(ctx, wizard, []odoo.Record{{"state": "selection", "dst_partner_id": kept,
		"partner_ids": []any{[]any{6, 0, []int64{kept, other}}}}}, nil)
	require.NoError(t, err)
	_, err = s.Call(ctx, odoo.Call{Model: wizard, Method: "action_merge", IDs: made})
	require.NoError(t, err)
}

// testSalesperson tests what a salesperson finds in Odoo. Like testCRM, it runs once for each version.
func testSalesperson(t *testing.T, r rig) {
	t.Run("pushed values", func(t *testing.T) { t.Parallel(); testPushedValues(t, r) })
	t.Run("fields removed", func(t *testing.T) { t.Parallel(); testRemoveFields(t, r) })
	t.Run("language", func(t *testing.T) { t.Parallel(); testOtherLanguage(t, r) })
	t.Run("leads menu", func(t *testing.T) { t.Parallel(); testLeadsMenu(t, r) })
}

// testOtherLanguage: in a workspace whose template lacks the language, Odoo loads it, and a new person's pages have it,
// with leadctl's views in them.
func testOtherLanguage(t *testing.T, r rig) {
	r.how.Language = "fr_FR"
	r = r.withOptions(t, odoo.Options{})
	w, _ := r.openCRM(t, 132)
	ledger{}.push(t, r, w, []crm.Lead{{UEN: "202400001J", Name: "En français", Score: 0.9, Bucket: "high"}})
	for _, login := range []string{"spare132@example.com", "new132@example.com"} {
		person := r.person(t, w, login, crm.RoleOps)
		user, err := person.Read(t.Context(), "res.users", []int64{person.UID()}, []string{"lang"})
		require.NoError(t, err)
		require.Equal(t, "fr_FR", user[0].Text("lang"), login)
		views := r.shownViews(t, w, person, login)
		require.True(t, strings.Contains(views, "Marqu"), "%s: a button in French", login)
		require.True(t, strings.Contains(views, "x_pre_sdr_score"), login)
	}
}

// testLeadsMenu: where leads are pushed as leads, a salesperson has the menu Leads, and finds them there.
func testLeadsMenu(t *testing.T, r rig) {
	r.how.LeadType = crm.TypeLead
	r = r.withOptions(t, odoo.Options{})
	w, _ := r.openCRM(t, 129)
	ledger{}.push(t, r, w, []crm.Lead{{UEN: "202400001H", Name: "In the menu", Score: 0.9, Bucket: "high"}})
	person := r.person(t, w, "leads@example.com", crm.RoleOps)
	menus, err := person.SearchRead(t.Context(), "ir.ui.menu", odoo.Query{Fields: []string{"complete_name", "action"},
		Domain: odoo.Domain{odoo.Where("name", "=", "Leads")}})
	require.NoError(t, err)
	at := slices.IndexFunc(menus, func(m odoo.Record) bool { return m.Text("complete_name") == "CRM/Leads" })
	require.GreaterOrEqual(t, at, 0, "%v", menus)
	admin, err := r.prov.OpenForSettings(t.Context(), w)
	require.NoError(t, err)
	action, err := admin.ResolveXMLIDs(t.Context(), []string{"crm.crm_lead_all_leads"})
	require.NoError(t, err)
	require.Equal(t, "ir.actions.act_window,"+odoo.FormatID(action["crm.crm_lead_all_leads"]), menus[at].Text("action"))
	// The domain of that action.
	shown, err := person.SearchRead(t.Context(), "crm.lead", odoo.Query{Fields: []string{"name"},
		Domain: odoo.Domain{"|", odoo.Where("type", "=", "lead"), odoo.Where("type", "=", false)}})
	require.NoError(t, err)
	require.Len(t, shown, 1)
	require.Equal(t, "In the menu", shown[0].Text("name"))
}
