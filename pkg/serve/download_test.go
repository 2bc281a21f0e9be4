package serve

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/pgtest"
	"github.com/leadctl/leadctl/pkg/tcpproxy"
)

// begin starts a download and leaves its body to be read.
func begin(t testing.TB, url, token string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

// A download may take longer than a request may take to arrive, and longer than other answers have.
func TestALongDownloadOutlivesTheServersTimes(t *testing.T) {
	t.Parallel()
	db, provider := pgtest.New(t), newIDP(t)
	id := newTenant(t, db, "Long", 100_000)
	d := start(t, settings(t, db.LoginDSN, provider.URL),
		func(o *Options) { o.times.request, o.times.answer = 300*time.Millisecond, 300*time.Millisecond })
	resp := begin(t, d.base+"/export/latest_scores.json?limit=all", provider.token(id))
	time.Sleep(time.Second) // three times either limit, with most of it unsent
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.True(t, json.Valid(body))
	require.Equal(t, "100000", resp.Trailer.Get("X-Row-Count"))
}

// A download that breaks off is seen to: no last chunk, no trailer. It is never a short document that looks whole.
func TestABrokenDownloadIsSeenToBreak(t *testing.T) {
	t.Parallel()
	db, provider := pgtest.New(t), newIDP(t)
	id := newTenant(t, db, "Broken", 100_000)
	proxy, dsn := startPostgresProxy(t, db.LoginDSN)
	d := start(t, settings(t, dsn, provider.URL))
	defer proxy.AddFault(tcpproxy.Fault{Limit: 5 << 20})()
	resp := begin(t, d.base+"/export/latest_scores.csv?limit=all", provider.token(id))
	require.Equal(t, http.StatusOK, resp.StatusCode)
	_, err := io.ReadAll(resp.Body)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Empty(t, resp.Trailer.Get("X-Row-Count"))
	require.Equal(t, http.StatusOK, get(t, d.base+"/livez", "").status)
	eventually(t, "the log says so", func() bool { return strings.Contains(d.log.String(), "export broken off") })
}

// D-085: three readers in each of two tenants take nothing. They hold no transaction, and a third tenant's downloads
// are served.
func slowReaders(t *testing.T) {
	db, provider := pgtest.New(t), newIDP(t)
	d := start(t, settings(t, db.LoginDSN, provider.URL))
	other := newTenant(t, db, "Other", 5000)
	for _, name := range []string{"Slow", "Slower"} {
		token := provider.token(newTenant(t, db, name, 100_000))
		for range 3 {
			require.Equal(t, http.StatusOK, begin(t, d.base+"/export/latest_scores.csv?limit=all", token).StatusCode)
		}
		a := get(t, d.base+"/export/latest_scores.csv", token)
		require.Equal(t, http.StatusTooManyRequests, a.status, "a tenant's slots are for downloads that are still read")
		require.Equal(t, "3", a.header.Get("Retry-After"))
		require.Equal(t, http.StatusOK, get(t, d.base+"/scores/latest", token).status)
	}
	for _, limit := range []string{"200", "all"} {
		a := get(t, d.base+"/export/latest_scores.csv?limit="+limit, provider.token(other))
		require.Equal(t, http.StatusOK, a.status, a.body)
	}
	eventually(t, "no download holds a transaction", func() bool {
		return count(t, db, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
			AND xact_start IS NOT NULL AND pid <> pg_backend_pid() AND query LIKE '%lead_scores%'`) == 0
	})
}

// A reader that reads all the time, but slowly, is disconnected at the time limit.
func TestASlowDownloadEnds(t *testing.T) {
	t.Parallel()
	db, provider := pgtest.New(t), newIDP(t)
	id := newTenant(t, db, "Slow", 100_000)
	d := start(t, settings(t, db.LoginDSN, provider.URL), func(o *Options) { o.times.download = 2 * time.Second })
	resp := begin(t, d.base+"/export/latest_scores.csv?limit=all", provider.token(id))
	eventually(t, "the log says so", func() bool {
		_, _ = io.CopyN(io.Discard, resp.Body, 1000)
		return strings.Contains(d.log.String(), "export broken off")
	})
	_, err := io.Copy(io.Discard, resp.Body)
	require.Error(t, err)
	require.Empty(t, resp.Trailer.Get("X-Row-Count"))
}
