package serve

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/pgtest"
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
	d := start(t, settings(t, db.LoginDSN, provider.URL))
	resp := begin(t, d.base+"/export/latest_scores.csv?limit=all", provider.token(id))
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Positive(t, count(t, db, `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
		WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '%lead_scores%'`))
	_, err := io.ReadAll(resp.Body)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Empty(t, resp.Trailer.Get("X-Row-Count"))
	require.Equal(t, http.StatusOK, get(t, d.base+"/livez", "").status)
	eventually(t, "the log says so", func() bool { return strings.Contains(d.log.String(), "export broken off") })
}

// Downloads of readers who take nothing leave connections for everybody else.
func TestSlowReadersLeaveRoomForOthers(t *testing.T) {
	t.Parallel()
	db, provider := pgtest.New(t), newIDP(t)
	d := start(t, settings(t, db.LoginDSN, provider.URL, "LEADCTL_DATABASE_MAX_CONNS", "3"))
	big, other := newTenant(t, db, "Slow", 100_000), newTenant(t, db, "Other", 1)
	for range 3 {
		conn, err := net.Dial("tcp", strings.TrimPrefix(d.base, "http://"))
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		_, err = io.WriteString(conn,
			"GET /export/latest_scores.csv?limit=all HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+provider.token(
				big)+"\r\n\r\n")
		require.NoError(t, err)
	}
	eventually(t, "one download holds the tenant's slot", func() bool {
		return count(t, db, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
			AND query LIKE '%lead_scores%' AND pid <> pg_backend_pid()`) == 1
	})
	require.Equal(t, http.StatusOK, get(t, d.base+"/scores/latest", provider.token(big)).status)
	require.Equal(t, http.StatusOK, get(t, d.base+"/export/latest_scores.csv", provider.token(other)).status)
	a := get(t, d.base+"/export/latest_scores.csv", provider.token(big))
	require.Equal(t, http.StatusTooManyRequests, a.status)
	require.Equal(t, "3", a.header.Get("Retry-After"))
}
