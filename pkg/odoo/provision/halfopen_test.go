package provision_test

import (
	"context"
	"net/http"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/odoo/odootest"
	"github.com/leadctl/leadctl/pkg/tcpproxy"
)

// testHalfOpenConnection keeps connections up but lets no answer through, whether or not Odoo carried the call out.
// Each call must end with its deadline, and leave neither a slot nor a goroutine behind.
func testHalfOpenConnection(t *testing.T) {
	r := standIn(t, odootest.Options{})
	w := r.provision(t, 6)
	proxy, err := tcpproxy.Start(strings.TrimPrefix(r.url, "http://"))
	require.NoError(t, err)
	t.Cleanup(proxy.Close)
	transport := &http.Transport{}
	s, err := odoo.New(odoo.Options{BaseURL: "http://" + proxy.Addr, HTTPClient: &http.Client{Transport: transport},
		Timeout: time.Second, MaxConcurrent: 3, TripAfter: 1000})
	require.NoError(t, err)
	alive := func() bool {
		_, ok, err := s.Authenticate(context.Background(), w.Database, odoo.ServiceLogin, w.Secret)
		return err == nil && ok
	}
	const label = `"half-open":"D-010"`
	running := func() int {
		var b strings.Builder
		_ = pprof.Lookup("goroutine").WriteTo(&b, 1)
		return strings.Count(b.String(), label)
	}
	pprof.Do(context.Background(), pprof.Labels("half-open", "D-010"), func(ctx context.Context) {
		require.Eventually(t, alive, time.Minute, 10*time.Millisecond)
		end := proxy.AddFault(tcpproxy.Fault{Drop: true})
		before := len(r.stand.Calls())
		var wg sync.WaitGroup
		for range 6 { // twice as many as there are slots
			wg.Go(func() {
				_, _, err := s.Authenticate(ctx, w.Database, odoo.ServiceLogin, w.Secret)
				assert.Equal(t, odoo.CodeUnreachable, fault.Code(err), "%v", err)
			})
		}
		assert.Eventually(t, func() bool { return len(r.stand.Calls()) > before }, time.Minute, time.Millisecond,
			"the server gets the call")
		assert.Positive(t, running())
		wg.Wait()
		end()
		require.Eventually(t, alive, time.Minute, 10*time.Millisecond)
	})
	transport.CloseIdleConnections()
	require.Eventually(t, func() bool { return running() == 0 }, time.Minute, 10*time.Millisecond,
		"goroutines outlive their calls")
}
