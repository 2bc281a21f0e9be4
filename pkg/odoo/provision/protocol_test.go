package provision_test

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/odoo/odootest"
	"github.com/leadctl/leadctl/pkg/odoo/provision"
)

// TestProtocolIsChosen checks the protocol: on 19 JSON-2 for keys and JSON-RPC for passwords, XML-RPC for older
// versions, and always the configured one.
func TestProtocolIsChosen(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for _, c := range []struct {
		name, protocol string
		major          int
		keys           bool
		shut           bool // XML-RPC
		path           string
		code           string
	}{
		{"19 with keys", "", 19, true, false, "/json/2/", ""},
		{"19 with keys, XML-RPC configured", odoo.ProtocolXMLRPC, 19, true, false, "/xmlrpc/2/object", ""},
		{"19 with passwords", odoo.ProtocolAuto, 19, false, false, "/web/dataset/call_kw/", ""},
		{"19 with passwords, XML-RPC configured", odoo.ProtocolXMLRPC, 19, false, false, "/xmlrpc/2/object", ""},
		{"14 with passwords", odoo.ProtocolAuto, 14, false, false, "/xmlrpc/2/object", ""},
		{"14 with keys", odoo.ProtocolAuto, 14, true, false, "/xmlrpc/2/object", ""},
		{"19 with keys, shut", odoo.ProtocolAuto, 19, true, true, "/json/2/", ""},
		{"19 with passwords, shut", odoo.ProtocolAuto, 19, false, true, "/web/dataset/call_kw/", ""},
		{"JSON-2 configured on 14", odoo.ProtocolJSON2, 14, true, false, "", odoo.CodeMisconfig},
		{"JSON-2 configured with passwords", odoo.ProtocolJSON2, 19, false, false, "", odoo.CodeMisconfig},
		{"14 shut", odoo.ProtocolAuto, 14, false, true, "", odoo.CodeMisconfig},
		{"XML-RPC configured and shut", odoo.ProtocolXMLRPC, 19, true, true, "", odoo.CodeMisconfig},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := standIn(t, odootest.Options{Major: c.major})
			w := r.provision(t, 1)
			require.NoError(t, r.stand.AddKey(w.Database, odoo.ServiceLogin, string(w.Secret)))
			var paths []string
			spy := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, in *http.Request) {
				paths = append(paths, in.URL.Path)
				if c.shut && strings.HasPrefix(in.URL.Path, "/xmlrpc") {
					http.NotFound(out, in)
					return
				}
				r.stand.ServeHTTP(out, in)
			}))
			t.Cleanup(spy.Close)
			server, err := odoo.New(odoo.Options{BaseURL: spy.URL, Protocol: c.protocol})
			require.NoError(t, err)
			how := r.how
			if c.keys {
				how.ClusterDSN = "postgres://unused@localhost:1/unused" // this test never connects
			}
			prov, err := provision.NewProvisioner(server, how)
			var s *odoo.Session
			if err == nil {
				s, err = prov.Session(ctx, w)
			}
			if c.code != "" {
				require.Equal(t, c.code, fault.Code(err), "%v", err)
				require.NotEmpty(t, fault.Hint(err))
				return
			}
			require.NoError(t, err)
			_, err = s.SearchCount(ctx, "res.partner", odoo.Query{})
			require.NoError(t, err)
			require.True(t, strings.HasPrefix(paths[len(paths)-1], c.path), "%v", paths)
			require.Equal(t, int64(3), s.UID(), "the same account over each protocol")
		})
	}
}

// TestPagesSayNo checks that leadctl asks over XML-RPC, where that is open, after JSON-RPC refused a sign-in or lost a
// session.
func TestPagesSayNo(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	answer := func(text string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != "/web/session/authenticate" {
				return false
			}
			_, _ = io.WriteString(w, text)
			return true
		}
	}
	var lost atomic.Int64
	for name, spoil := range map[string]func(http.ResponseWriter, *http.Request) bool{
		"too many wrong passwords": answer(
			`{"error":{"data":{"name":"odoo.exceptions.AccessDenied","message":"Too many login failures"}}}`),
		"hidden by a dbfilter": answer(
			`{"error":{"data":{"name":"odoo.exceptions.AccessError","message":"Database not found."}}}`),
		"shut by a proxy": func(w http.ResponseWriter, r *http.Request) bool {
			if strings.HasPrefix(r.URL.Path, "/web") {
				http.Error(w, "<h1>Forbidden</h1>", http.StatusForbidden)
			}
			return strings.HasPrefix(r.URL.Path, "/web")
		},
		"sessions lost by a balancer": func(_ http.ResponseWriter, r *http.Request) bool {
			if r.Header.Get("Cookie") != "" {
				lost.Add(1)
			}
			r.Header.Del("Cookie")
			return false
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := standIn(t, odootest.Options{Major: 19})
			w := r.provision(t, 1)
			var calls atomic.Int64
			proxy := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, in *http.Request) {
				if strings.HasPrefix(in.URL.Path, "/xmlrpc/2/object") {
					calls.Add(1)
				}
				if !spoil(out, in) {
					r.stand.ServeHTTP(out, in)
				}
			}))
			t.Cleanup(proxy.Close)
			server := client(t, proxy.URL, time.Minute)
			s, ok, err := server.Open(ctx, odoo.Account{Database: w.Database, Login: odoo.ServiceLogin,
				Secret: w.Secret})
			require.NoError(t, err)
			require.True(t, ok)
			for range 2 {
				_, err = s.SearchCount(ctx, "res.partner", odoo.Query{})
				require.NoError(t, err)
			}
			require.EqualValues(t, 2, calls.Load())
			_, ok, err = server.Authenticate(ctx, w.Database, odoo.ServiceLogin, "wrong")
			require.NoError(t, err)
			require.False(t, ok)
			_, _, err = server.Authenticate(ctx, "no_such", odoo.ServiceLogin, w.Secret)
			require.Equal(t, odoo.CodeMissing, fault.Code(err))
		})
	}
	require.Positive(t, lost.Load(), "JSON-RPC opened a session, and the balancer lost it")
}

// testCutAnywhere breaks off each answer of a first sign-in at a random byte, header included. The second attempt must
// finish the sign-in and do nothing twice.
func testCutAnywhere(t *testing.T, o odootest.Options) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	for at := range 100 {
		r := standIn(t, o)
		var calls atomic.Int64 // concurrent: a broken call may be sent again on another connection
		cut := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, in *http.Request) {
			if calls.Add(1) != int64(at+1) {
				r.stand.ServeHTTP(out, in)
				return
			}
			breakOffAnswer(t, out, in, r.stand, random)
		}))
		t.Cleanup(cut.Close)
		r = r.withOptions(t, odoo.Options{BaseURL: cut.URL, Timeout: 20 * time.Second})
		w := r.workspace(t, 4)
		if err := runSteps(r, w); err != nil {
			require.Equal(t, fault.Unavailable, fault.KindOf(err), "call %d: %v", at, err)
			require.True(t, odoo.Ambiguous(err), "call %d: %v", at, err)
		}
		if calls.Load() <= int64(at) {
			require.Greater(t, at, 20)
			return // the whole sign-in takes fewer calls
		}
		require.NoError(t, runSteps(r, w), "call %d", at)
		require.Equal(t, 1, countNamings(r.stand, w.Database), "call %d", at)
		require.Equal(t, 1, countCreated(r.stand, "res.users", "a@example.com"), "call %d", at)
	}
	t.Fatal("the sign-in takes more calls than the script reaches")
}

// breakOffAnswer carries the call out, sends a random beginning of its answer, and resets the connection.
func breakOffAnswer(t *testing.T, out http.ResponseWriter, in *http.Request, server http.Handler, random *rand.Rand) {
	rec := httptest.NewRecorder()
	server.ServeHTTP(rec, in)
	var whole strings.Builder
	_ = rec.Result().Write(&whole)
	conn, _, err := http.NewResponseController(out).Hijack()
	if err != nil {
		t.Errorf("hijack: %v", err)
		return
	}
	_, _ = io.WriteString(conn, whole.String()[:random.IntN(whole.Len()-1)])
	_ = conn.(*net.TCPConn).SetLinger(0)
	_ = conn.Close()
}
