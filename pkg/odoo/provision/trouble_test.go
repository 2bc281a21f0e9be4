package provision_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/odoo/odootest"
	"github.com/leadctl/leadctl/pkg/odoo/provision"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

const canary = "CNR-upstream-words"

// TestCases runs the reliability cases that concern a single Odoo server, by their ids.
func TestCases(t *testing.T) {
	t.Parallel()
	t.Run("D-007", func(t *testing.T) { t.Parallel(); testDownAndBack(t) })
	t.Run("D-008", func(t *testing.T) { t.Parallel(); testSlots(t) })
	t.Run("D-009", func(t *testing.T) {
		t.Parallel()
		t.Run("XML-RPC", func(t *testing.T) { t.Parallel(); testBadAnswers(t) })
		t.Run("JSON-2", func(t *testing.T) { t.Parallel(); testBadAnswersJSON2(t) })
		t.Run("web", func(t *testing.T) { t.Parallel(); testBadAnswersWeb(t) })
		t.Run("forms", func(t *testing.T) { t.Parallel(); testBadAnswersForms(t) })
	})
	t.Run("D-010", func(t *testing.T) {
		t.Parallel()
		t.Run("no answer", func(t *testing.T) { t.Parallel(); testHalfOpen(t) })
		t.Run("half-open", func(t *testing.T) { t.Parallel(); testHalfOpenConnection(t) })
	})
	t.Run("D-011", func(t *testing.T) {
		t.Parallel()
		t.Run("reset/database", func(t *testing.T) { t.Parallel(); testDatabaseBrokenOff(t) })
		t.Run("reset/company", func(t *testing.T) { t.Parallel(); testCompanyBrokenOff(t) })
		for _, name := range []string{"14", "19", "19 by forms", "19 without XML-RPC"} {
			o := serverVariants[name]
			t.Run("cut/"+name, func(t *testing.T) { t.Parallel(); testCutAnywhere(t, o) })
		}
	})
	t.Run("D-012", func(t *testing.T) { t.Parallel(); testRevoked(t) })
	t.Run("no connections left", func(t *testing.T) { t.Parallel(); testNoConnections(t) })
	t.Run("D-013", func(t *testing.T) { t.Parallel(); testTemplateResumes(t) })
	for name, o := range serverVariants {
		t.Run("B-059/"+name, func(t *testing.T) { t.Parallel(); testSecretsStay(t, o) })
	}
}

// testDownAndBack calls an address without a server, and then a server that comes back.
func testDownAndBack(t *testing.T) {
	dead := httptest.NewServer(http.NotFoundHandler())
	url := dead.URL
	dead.Close()
	_, err := client(t, url, time.Second).Version(context.Background())
	require.Equal(t, fault.Unavailable, fault.KindOf(err))
	require.Equal(t, odoo.CodeUnreachable, fault.Code(err))
	require.False(t, odoo.Ambiguous(err), "nothing was sent")
	require.NotContains(t, fault.Text(err), strings.TrimPrefix(url, "http://"))

	r := standIn(t, odootest.Options{})
	r.stand.Inject(odootest.Fault{Op: "*", Do: odootest.Status, Code: 503})
	w := r.workspace(t, 1)
	_, err = r.prov.EnsureDatabase(context.Background(), w)
	require.Equal(t, odoo.CodeUnreachable, fault.Code(err))
	r.stand.Heal()
	_, err = r.prov.EnsureDatabase(context.Background(), w)
	require.NoError(t, err)
}

// testSlots checks that no more calls run at once than allowed, and that a caller who waits for a slot gives up at its
// deadline.
func testSlots(t *testing.T) {
	var now, most atomic.Int32
	release := make(chan struct{})
	stand := odootest.New(odootest.Options{})
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := now.Add(1)
		defer now.Add(-1)
		for {
			m := most.Load()
			if n <= m || most.CompareAndSwap(m, n) {
				break
			}
		}
		<-release
		stand.ServeHTTP(w, r)
	}))
	t.Cleanup(web.Close)
	s, err := odoo.New(odoo.Options{BaseURL: web.URL, MaxConcurrent: 3})
	require.NoError(t, err)
	var wg sync.WaitGroup
	for range 12 {
		wg.Go(func() {
			_, err := s.Version(context.Background())
			assert.NoError(t, err)
		})
	}
	require.Eventually(t, func() bool { return now.Load() == 3 }, 10*time.Second, time.Millisecond)
	impatient, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	_, err = s.Version(impatient)
	require.Equal(t, fault.Unavailable, fault.KindOf(err))
	require.False(t, odoo.Ambiguous(err), "it never got a slot")
	close(release)
	wg.Wait()
	require.EqualValues(t, 3, most.Load())
}

// session provisions a workspace and opens it.
func (r rig) session(t *testing.T, id int32) *odoo.Session {
	t.Helper()
	s, err := r.prov.Session(context.Background(), r.provision(t, tenantid.ID(id)))
	require.NoError(t, err)
	return s
}

// testHalfOpen checks that a call to a server that never answers ends at its deadline, and that later calls are not
// affected.
func testHalfOpen(t *testing.T) {
	r := standIn(t, odootest.Options{})
	w := r.provision(t, 3)
	const cooldown = 200 * time.Millisecond
	short, err := odoo.New(odoo.Options{BaseURL: r.url, Timeout: 50 * time.Millisecond, MaxConcurrent: 3,
		Cooldown: cooldown})
	require.NoError(t, err)
	r.stand.Inject(odootest.Fault{Op: "common.*", Do: odootest.Hang})
	before := len(r.stand.Calls())
	for range 20 { // more than there are slots: each call must free its slot
		_, _, err := short.Authenticate(context.Background(), w.Database, odoo.ServiceLogin, w.Secret)
		require.Equal(t, fault.Unavailable, fault.KindOf(err))
	}
	require.Less(t, len(r.stand.Calls())-before, 10, "the breaker must stop calls to a server that does not answer")
	_, err = short.Version(context.Background())
	require.Equal(t, fault.Unavailable, fault.KindOf(err))
	r.stand.Heal()
	require.Eventually(t, func() bool {
		_, err := short.Version(context.Background())
		return err == nil
	}, 10*time.Second, 10*time.Millisecond, "the breaker must notice that the server is back")
	for range 3 {
		_, err = short.Version(context.Background())
		require.NoError(t, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = r.server.Version(ctx)
	require.Equal(t, fault.Interrupted, fault.KindOf(err))
	for range 20 { // canceled calls say nothing about the server
		_, _ = r.server.Version(ctx)
	}
	_, err = r.server.Version(context.Background())
	require.NoError(t, err)
}

// testBrokenOff resets the connection at every call of a first sign-in, once before the call is carried out and once
// after. The second attempt must finish the sign-in and do nothing twice.
func testBrokenOff(t *testing.T, fresh func() rig, demandOnce func(rig, provision.Workspace)) {
	for _, executed := range []bool{false, true} {
		for at := range 100 {
			r := fresh()
			r.stand.Inject(odootest.Fault{Op: "*", Skip: at, Times: 1, Do: odootest.Reset, Execute: executed})
			before := len(r.stand.Calls())
			w := r.workspace(t, 4)
			err := runSteps(r, w)
			if len(r.stand.Calls()) <= before+at {
				require.NoError(t, err)
				require.Greater(t, at, 20)
				break // the whole sign-in takes fewer calls
			}
			if err != nil { // a step may have found its work done
				require.Equal(t, fault.Unavailable, fault.KindOf(err), "call %d: %v", at, err)
				require.True(t, odoo.Ambiguous(err))
			}
			require.NoError(t, runSteps(r, w), "call %d, executed %v", at, executed)
			users := countCreated(r.stand, "res.users", "a@example.com")
			require.Equal(t, 1, users, "call %d, executed %v", at, executed)
			demandOnce(r, w)
		}
	}
}

func testDatabaseBrokenOff(t *testing.T) {
	testBrokenOff(t, func() rig { return standIn(t, odootest.Options{}) }, func(r rig, w provision.Workspace) {
		require.Equal(t, 1, countEffects(r.stand, "rename", w.Database))
		require.Equal(t, 1, countEffects(r.stand, "duplicate_database", w.Database+"__new"))
	})
}

func testCompanyBrokenOff(t *testing.T) {
	fresh := func() rig {
		return standInFor(t, odootest.Options{}, provision.Provisioning{Mode: provision.ModeCompany, Shared: "shared"})
	}
	testBrokenOff(t, fresh, func(r rig, w provision.Workspace) {
		require.Equal(t, 1, countCreated(r.stand, "res.users", r.prov.ServiceLogin(w.Tenant)))
		companies := 0
		for _, e := range r.stand.Ledger() {
			if e.Do == "create" && e.Model == "res.company" {
				companies++
			}
		}
		require.Equal(t, 1, companies)
	})
}

// runSteps runs the steps of a first sign-in and returns the error of the first failed step.
func runSteps(r rig, w provision.Workspace) error {
	ctx := context.Background()
	for _, step := range []func() error{
		func() error { _, err := r.prov.EnsureDatabase(ctx, w); return err },
		func() error { _, err := r.prov.EnsureServiceAccount(ctx, w); return err },
		func() error { _, err := r.prov.EnsureFields(ctx, w); return err },
		func() error { _, err := r.prov.EnsureUser(ctx, w, provision.User{Email: "a@example.com"}); return err },
		func() error { return r.prov.EnsureBaseline(ctx, w, "A") },
		func() error { _, err := r.prov.SmokeTest(ctx, w); return err },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func countCreated(s *odootest.Server, model, name string) int {
	n := 0
	for _, e := range s.Ledger() {
		if e.Do == "create" && e.Model == model && e.Name == name && !strings.HasPrefix(e.Database, "tmpl") {
			n++
		}
	}
	return n
}

// testRevoked checks that refused credentials are reported after one look, and that no others are tried.
func testRevoked(t *testing.T) {
	ctx := context.Background()
	r := standIn(t, odootest.Options{})
	w := r.provision(t, 5)
	w.Secret = odoo.NewSecret() // Odoo no longer accepts the stored secret
	before := len(r.stand.Calls())
	_, err := r.prov.EnsureServiceAccount(ctx, w)
	require.Equal(t, odoo.CodeAccessDenied, fault.Code(err))
	require.Equal(t, fault.Denied, fault.KindOf(err))
	tried := r.stand.Calls()[before:]
	require.LessOrEqual(t, len(tried), 3)
	for _, call := range tried {
		door, login, _ := strings.Cut(call, " ")
		require.Contains(t, []string{"web.authenticate", "common.authenticate"}, door)
		require.Equal(t, odoo.ServiceLogin, login)
	}
}

// testNoConnections checks that leadctl does not believe Odoo's "no such database" while Odoo has no connection to
// PostgreSQL. It makes nothing twice, and reports nothing as dropped.
func testNoConnections(t *testing.T) {
	ctx := context.Background()
	r := standIn(t, odootest.Options{})
	w := r.provision(t, 7)
	before := len(r.stand.Ledger())
	r.stand.Exhaust()
	_, err := r.prov.EnsureDatabase(ctx, w)
	require.Equal(t, fault.Unavailable, fault.KindOf(err), "%v", err)
	_, err = r.prov.DropDatabase(ctx, w)
	require.Equal(t, fault.Unavailable, fault.KindOf(err), "%v", err)
	require.Len(t, r.stand.Ledger(), before)
	r.stand.Heal()
	gone, err := r.prov.DropDatabase(ctx, w)
	require.NoError(t, err)
	require.True(t, gone)
}

// testTemplateResumes breaks off the making of the template at each of its calls. The next run must go on where it
// stopped.
func testTemplateResumes(t *testing.T) {
	for at := range 60 {
		stand := odootest.New(odootest.Options{Master: master})
		web := httptest.NewServer(stand)
		t.Cleanup(web.Close)
		server := client(t, web.URL, time.Minute)
		how := provision.Template{Name: "tmpl", Master: master, Secret: adminPassword}
		stand.Inject(odootest.Fault{Op: "*", Skip: at, Times: 1, Do: odootest.Status, Code: 502, Execute: true})
		checks, err := provision.PrepareTemplate(context.Background(), server, how)
		if err == nil {
			require.Greater(t, at, 10)
			return
		}
		require.Error(t, checks[len(checks)-1].Err, "the failed step is the last one reported")
		before := len(stand.Ledger())
		parts, err := provision.TemplateStatus(context.Background(), server, how)
		require.NoError(t, err, "call %d", at)
		require.NotEmpty(t, parts)
		require.Len(t, stand.Ledger(), before, "looking changed something")
		_, err = provision.PrepareTemplate(context.Background(), server, how)
		require.NoError(t, err, "call %d", at)
		// Only a break between the making and the first mark makes a run drop the database and start again.
		require.LessOrEqual(t, countEffects(stand, "create_database", "tmpl__new"), 2)
		require.Equal(t, 1, countCreated(stand, "res.users", odoo.ServiceLogin)+templateUsers(stand), "call %d", at)
	}
	t.Fatal("the template takes more calls than this test breaks off")
}

func templateUsers(s *odootest.Server) int {
	n := 0
	for _, e := range s.Ledger() {
		if e.Do == "create" && e.Model == "res.users" && strings.HasPrefix(e.Database, "tmpl") {
			n++
		}
	}
	return n
}

// testSecretsStay checks that neither errors nor logs repeat a secret of a call, whatever the server answers.
func testSecretsStay(t *testing.T, o odootest.Options) {
	var log bytes.Buffer
	r := standIn(t, o)
	server, err := odoo.New(odoo.Options{BaseURL: r.url,
		Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	require.NoError(t, err)
	prov, err := provision.NewProvisioner(server, r.how)
	require.NoError(t, err)
	secrets := []odoo.Secret{master, adminPassword}
	said := fmt.Sprint(r.how)
	for at := range 30 { // each call of these steps once gets its arguments as the answer
		r.stand.Inject(odootest.Fault{Op: "*", Skip: at, Times: 1, Code: 1,
			Text: "Traceback\n  File\nTypeError: f({args})"})
		w := r.workspace(t, tenantid.ID(100+at))
		next := odoo.NewSecret()
		secrets = append(secrets, w.Secret, next)
		_, err := prov.EnsureDatabase(context.Background(), w)
		said += fmt.Sprintf("%v %+v %v", err, err, w)
		_, err = prov.EnsureServiceAccount(context.Background(), w)
		said += fmt.Sprintf("%v %+v", err, err)
		err = prov.Rotate(context.Background(), w, next)
		said += fmt.Sprintf("%v %+v", err, err)
		r.stand.Heal()
	}
	said += log.String()
	require.Contains(t, said, "TypeError")
	require.Contains(t, said, "[secret]")
	for _, s := range secrets {
		require.False(t, strings.Contains(said, string(s)), "a secret is in an error or log")
	}
	for _, e := range r.stand.Ledger() {
		require.False(t, slices.Contains(secrets, odoo.Secret(e.Name)))
	}
}

// TestRedirectTakesNoSecretAway checks that leadctl does not follow a redirect and reports it to the operator.
func TestRedirectTakesNoSecretAway(t *testing.T) {
	t.Parallel()
	var hits atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	t.Cleanup(elsewhere.Close)
	web := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	t.Cleanup(web.Close)
	_, _, err := client(t, web.URL, time.Minute).Authenticate(context.Background(), "db", "login", "secret")
	require.Equal(t, fault.Operator, fault.KindOf(err))
	require.NotEmpty(t, fault.Hint(err))
	require.Zero(t, hits.Load())
}

func TestRetryAfterIsKept(t *testing.T) {
	t.Parallel()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	t.Cleanup(web.Close)
	_, err := client(t, web.URL, time.Minute).Version(context.Background())
	require.Equal(t, 7*time.Second, fault.RetryAfter(err))
}

func TestAddress(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "odoo.example.com", "ftp://odoo", "https://user:pw@odoo", "https://odoo?db=x",
		"https://", "http://[::1"} {
		_, err := odoo.New(odoo.Options{BaseURL: bad})
		require.Equal(t, fault.Operator, fault.KindOf(err), bad)
		require.NotContains(t, fmt.Sprint(err), "pw")
	}
	s, err := odoo.New(odoo.Options{BaseURL: " https://odoo.example.com/prefix/ "})
	require.NoError(t, err)
	require.Equal(t, "https://odoo.example.com/prefix", s.BaseURL())
}
