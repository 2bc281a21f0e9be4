package provision_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/odoo/odootest"
	"github.com/leadctl/leadctl/pkg/odoo/provision"
)

func testBadAnswers(t *testing.T) {
	r := standIn(t, odootest.Options{}).withOptions(t, odoo.Options{Protocol: odoo.ProtocolXMLRPC})
	s := r.session(t, 2)
	deep := strings.Repeat("<value><array><data>", 100_000)
	requireClassified(t, r, s, map[string]badAnswer{
		"500 page": {odootest.Fault{Do: odootest.Status, Code: 500}, fault.Unavailable, true},
		"502 page": {odootest.Fault{Do: odootest.Status, Code: 502}, fault.Unavailable, true},
		"404 page": {odootest.Fault{Do: odootest.Status, Code: 404}, fault.Operator, false},
		"302":      {odootest.Fault{Do: odootest.Status, Code: 302}, fault.Operator, false},
		"413":      {odootest.Fault{Do: odootest.Status, Code: 413}, fault.TooLarge, false},
		"429":      {odootest.Fault{Do: odootest.Status, Code: 429}, fault.Unavailable, false},
		"200 page": {odootest.Fault{Do: odootest.Garbage}, fault.Unavailable, true},
		"deeply nested": {odootest.Fault{Do: odootest.Garbage, Text: "<methodResponse>" + deep}, fault.Unavailable,
			true},
		"huge": {odootest.Fault{Do: odootest.Huge, Code: 40}, fault.Unavailable, true},
		"cut":  {odootest.Fault{Do: odootest.Truncate}, fault.Unavailable, true},
		"traceback": {odootest.Fault{Code: 1,
			Text: "Traceback (most recent call last):\n  File \"x\"\nValueError: " + canary}, fault.Unprocessable,
			false},
		"user error":    {odootest.Fault{Code: 2, Text: canary}, fault.Unprocessable, false},
		"access denied": {odootest.Fault{Code: 3, Text: "Access Denied"}, fault.Denied, false},
		"access error":  {odootest.Fault{Code: 4, Text: canary}, fault.Denied, false},
		"slots used up": {odootest.Fault{Code: 1,
			Text: "Traceback\n  File\npsycopg2.OperationalError: FATAL:  remaining connection slots are reserved"},
			fault.Unavailable, false},
		"unknown db": {odootest.Fault{Code: 1,
			Text: "Traceback\n  File\npsycopg2.OperationalError: FATAL:  database \"lct_t2\" does not exist"},
			fault.NotFound, false},
		"locked db": {odootest.Fault{Code: 1,
			Text: "Traceback\n  File\npsycopg2.OperationalError: FATAL:  " +
				"Datenbank »lct_t2« akzeptiert gegenwärtig keine Verbindungen"}, fault.NotFound, false},
		"another db": {odootest.Fault{Code: 1,
			Text: "Traceback\n  File\npsycopg2.OperationalError: FATAL:  database \"lct_t22\" does not exist"},
			fault.Unavailable, false},
		"unknown role": {odootest.Fault{Code: 1,
			Text: "Traceback\n  File\npsycopg2.OperationalError: FATAL:  role \"odoo\" does not exist"},
			fault.Unavailable, false},
		"serialization": {odootest.Fault{Code: 1,
			Text: "Traceback\n  File\npsycopg2.errors.SerializationFailure: could not serialize\nDETAIL: x"},
			fault.Unavailable, false},
	})
	r.stand.Inject(odootest.Fault{Op: "res.partner.search_count", Times: 1, Code: 1,
		Text: "Traceback\n  File\nTypeError: cannot marshal None unless allow_none is enabled"})
	_, err := s.SearchCount(context.Background(), "res.partner", odoo.Query{})
	require.NoError(t, err, "a method that returns nothing succeeded")
}

// badAnswer is an answer and the fault that the caller must get.
type badAnswer struct {
	f         odootest.Fault
	kind      fault.Kind
	ambiguous bool
}

// requireClassified checks that each answer fails as expected, that no text for users repeats the upstream's message,
// and that the next call succeeds.
func requireClassified(t *testing.T, r rig, s *odoo.Session, answers map[string]badAnswer) {
	t.Helper()
	for name, c := range answers {
		c.f.Op = "res.partner.search_count"
		if c.f.Text == "" {
			c.f.Text = canary
		}
		r.stand.Inject(c.f)
		_, err := s.SearchCount(context.Background(), "res.partner", odoo.Query{})
		r.stand.Heal()
		require.Error(t, err, name)
		require.Equal(t, c.kind, fault.KindOf(err), "%s: %v", name, err)
		require.Equal(t, c.ambiguous, odoo.Ambiguous(err), "%s: %v", name, err)
		require.NotContains(t, fault.Text(err), canary, name)
		require.Less(t, len(err.Error()), 600, name)
	}
	n, err := s.SearchCount(context.Background(), "res.partner", odoo.Query{})
	require.NoError(t, err, "one bad answer must not spoil the next")
	require.Positive(t, n)
}

// testBadAnswersJSON2 is testBadAnswers over JSON-2.
func testBadAnswersJSON2(t *testing.T) {
	r := standIn(t, odootest.Options{})
	w := r.provision(t, 6)
	require.NoError(t, r.stand.AddKey(w.Database, odoo.ServiceLogin, string(w.Secret)))
	server, err := odoo.New(odoo.Options{BaseURL: r.url, TripAfter: 1000})
	require.NoError(t, err)
	s := sessionJSON2(t, server, w.Database, w.Secret)
	requireClassified(t, r, s, map[string]badAnswer{
		"500 page":          {odootest.Fault{Do: odootest.Status, Code: 500}, fault.Unavailable, true},
		"502 page":          {odootest.Fault{Do: odootest.Status, Code: 502}, fault.Unavailable, true},
		"404 page":          {odootest.Fault{Do: odootest.Status, Code: 404}, fault.Operator, false},
		"302":               {odootest.Fault{Do: odootest.Status, Code: 302}, fault.Operator, false},
		"200 page":          {odootest.Fault{Do: odootest.Garbage}, fault.Unavailable, true},
		"huge":              {odootest.Fault{Do: odootest.Huge, Code: 40}, fault.Unavailable, true},
		"cut":               {odootest.Fault{Do: odootest.Truncate}, fault.Unavailable, true},
		"reset":             {odootest.Fault{Do: odootest.Reset}, fault.Unavailable, true},
		"key refused":       {odootest.Fault{Code: 401}, fault.Denied, false},
		"access error":      {odootest.Fault{Code: 403}, fault.Denied, false},
		"user error":        {odootest.Fault{Code: 422}, fault.Unprocessable, false},
		"our own mistake":   {odootest.Fault{Code: 500}, fault.Unprocessable, false},
		"temporarily away":  {odootest.Fault{Code: 503}, fault.Unavailable, true},
		"too much for Odoo": {odootest.Fault{Code: 413}, fault.TooLarge, false},
	})
}

// testBadAnswersWeb is testBadAnswers over JSON-RPC.
func testBadAnswersWeb(t *testing.T) {
	r := standIn(t, serverVariants["19 without XML-RPC"])
	s := r.session(t, 2)
	requireClassified(t, r, s, map[string]badAnswer{
		"500 page":      {odootest.Fault{Do: odootest.Status, Code: 500}, fault.Unavailable, true},
		"404 page":      {odootest.Fault{Do: odootest.Status, Code: 404}, fault.Operator, false},
		"302":           {odootest.Fault{Do: odootest.Status, Code: 302}, fault.Operator, false},
		"200 page":      {odootest.Fault{Do: odootest.Garbage}, fault.Unavailable, true},
		"huge":          {odootest.Fault{Do: odootest.Huge, Code: 40}, fault.Unavailable, true},
		"cut":           {odootest.Fault{Do: odootest.Truncate}, fault.Unavailable, true},
		"reset":         {odootest.Fault{Do: odootest.Reset}, fault.Unavailable, true},
		"our mistake":   {odootest.Fault{Code: 1}, fault.Unprocessable, false},
		"user error":    {odootest.Fault{Code: 2}, fault.Unprocessable, false},
		"access denied": {odootest.Fault{Code: 3}, fault.Denied, false},
		"access error":  {odootest.Fault{Code: 4}, fault.Denied, false},
	})
	r.stand.EndSessions()
	n, err := s.SearchCount(context.Background(), "res.partner", odoo.Query{})
	require.NoError(t, err, "leadctl signs in again after a session ended")
	require.Positive(t, n)
}

// testBadAnswersForms checks that leadctl looks at the result after a bad answer of a form, and repeats nothing that
// was done.
func testBadAnswersForms(t *testing.T) {
	r := standIn(t, serverVariants["19 by forms"])
	ctx := context.Background()
	w := r.workspace(t, 3)
	for name, c := range map[string]struct {
		f    odootest.Fault
		kind fault.Kind
	}{
		"500 page":           {odootest.Fault{Do: odootest.Status, Code: 500}, fault.Unavailable},
		"200 without alert":  {odootest.Fault{Do: odootest.Garbage}, fault.Unprocessable},
		"an alert":           {odootest.Fault{Code: 1}, fault.Unprocessable},
		"the wrong password": {odootest.Fault{Code: 3, Text: "Access Denied"}, fault.Operator},
	} {
		c.f.Op = "web.database.duplicate"
		if c.f.Text == "" {
			c.f.Text = canary
		}
		r.stand.Inject(c.f)
		_, err := r.prov.EnsureDatabase(ctx, w)
		r.stand.Heal()
		require.Equal(t, c.kind, fault.KindOf(err), "%s: %v", name, err)
		require.NotContains(t, fault.Text(err), canary, name)
	}
	// Killed between the copy with the new name and the drop of the first database: both exist, and the next attempt
	// drops the first one.
	r.stand.Inject(odootest.Fault{Op: "web.database.drop", Times: 1, Do: odootest.Reset})
	_, err := r.prov.EnsureDatabase(ctx, w)
	require.NoError(t, err, "the attempt finds the workspace")
	r.stand.Inject(odootest.Fault{Op: "web.database.drop", Times: 2, Do: odootest.Reset})
	other := r.workspace(t, 4)
	_, err = r.prov.EnsureDatabase(ctx, other)
	require.True(t, odoo.Ambiguous(err), "%v", err)
	_, err = r.prov.EnsureDatabase(ctx, other)
	require.NoError(t, err)
	for _, one := range []provision.Workspace{w, other} {
		left, err := r.server.Databases(master).Exists(ctx, one.Database+"__new")
		require.NoError(t, err)
		require.False(t, left)
		require.Equal(t, 1, countNamings(r.stand, one.Database))
	}
	taken := r.server.Databases(master)
	require.Equal(t, fault.Conflict, fault.KindOf(taken.Duplicate(ctx, w.Database, other.Database)))
	require.Equal(t, fault.NotFound, fault.KindOf(taken.Duplicate(ctx, "no_such", "any")))
	gone, err := taken.Drop(ctx, "no_such")
	require.NoError(t, err)
	require.False(t, gone, "the form reports success in any case")
}

// TestAskedAgain checks that a read is repeated after one HTTP 500, and a change of a database only if it did not
// happen.
func TestAskedAgain(t *testing.T) {
	t.Parallel()
	for name, o := range serverVariants {
		t.Run(name, func(t *testing.T) { t.Parallel(); testAskedAgain(t, o) })
	}
}

func testAskedAgain(t *testing.T, o odootest.Options) {
	r := standIn(t, o)
	w := r.provision(t, 7)
	all := r.server.Databases(r.how.Master)
	ask := map[string]func() (bool, error){
		"common.version": func() (bool, error) { v, err := r.server.Version(t.Context()); return v.Major > 0, err },
		"common.authenticate": func() (bool, error) {
			_, ok, err := r.server.Authenticate(t.Context(), w.Database, odoo.ServiceLogin, w.Secret)
			return ok, err
		},
		"db.db_exist":       func() (bool, error) { return all.Exists(t.Context(), w.Database) },
		"web.database.list": func() (bool, error) { return all.Exists(t.Context(), w.Database) },
	}
	for op, ask := range ask {
		r.stand.Inject(odootest.Fault{Op: op, Do: odootest.Status, Code: 500, Times: 1})
		ok, err := ask()
		require.NoError(t, err, op)
		require.True(t, ok, op)
		r.stand.Heal()
	}
	for _, done := range []bool{false, true} {
		fail := func() {
			for _, op := range []string{"duplicate_database", "rename", "drop"} {
				r.stand.Inject(odootest.Fault{Op: "db." + op, Do: odootest.Status, Code: 500, Times: 1, Execute: done})
			}
			r.stand.Inject(odootest.Fault{Op: "web.database.duplicate", Do: odootest.Status, Code: 500, Times: 1,
				Execute: done})
			r.stand.Inject(odootest.Fault{Op: "web.database.drop", Do: odootest.Status, Code: 500, Times: 1,
				Execute: done})
		}
		first, second := fmt.Sprintf("copy_%v", done), fmt.Sprintf("named_%v", done)
		fail()
		require.NoError(t, all.Duplicate(t.Context(), w.Database, first))
		r.stand.Heal()
		fail()
		require.NoError(t, all.Rename(t.Context(), first, second))
		r.stand.Heal()
		require.Equal(t, 1, countNamings(r.stand, first))
		require.Equal(t, 1, countNamings(r.stand, second))
		there, err := all.Exists(t.Context(), first)
		require.NoError(t, err)
		require.False(t, there)
		fail()
		gone, err := all.Drop(t.Context(), second)
		require.NoError(t, err)
		require.True(t, gone)
		r.stand.Heal()
		require.Equal(t, 1, countEffects(r.stand, "drop", second))
	}
	r.stand.Inject(odootest.Fault{Op: "*", Do: odootest.Status, Code: 500})
	err := all.Duplicate(t.Context(), w.Database, "never")
	require.Equal(t, fault.Unavailable, fault.KindOf(err), "a server that answers every call with 500: %v", err)
}
