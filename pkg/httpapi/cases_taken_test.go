package httpapi_test

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// withinTen is the time within which long work must end after a suspension, a removal or a sign-out.
const withinTen = 10 * time.Second

// accessTakenBack: a download and an event stream end when the caller is removed or the tenant is suspended.
func accessTakenBack(t *testing.T, _ *rig) {
	t.Run("download", brokenDownload)
	t.Run("event stream", func(t *testing.T) {
		t.Parallel()
		var s *setup
		r := newRig(t, func(given *setup) { s = given })
		id, _ := r.newcomer(t, "B-080 stream")
		r.exec(t, `INSERT INTO tenant_users (tenant_id, user_id, issuer, subject, roles)
			VALUES ($1, 'b080@acme.example', $2, 'B-080', '{admin}')`, id, r.URL)
		l := r.listen(t, r.token("tenant_id", id, "sub", "B-080"), "")
		l.status()
		start := time.Now()
		r.removeUser(t, s, id, "b080@acme.example")
		r.move(t, id, "syncing")
		l.ends() // without the change
		require.Less(t, time.Since(start), withinTen)
	})
}

// brokenDownload removes the user while the reader of a large download pauses.
func brokenDownload(t *testing.T) {
	t.Parallel()
	for _, end := range []string{"remove", "suspend", "nothing"} {
		t.Run(end, func(t *testing.T) {
			t.Parallel()
			var s *setup
			r := newRig(t, func(given *setup) { s = given })
			id := r.tenant(t, "B-080 "+end)
			r.exec(t, `INSERT INTO tenant_users (tenant_id, user_id, issuer, subject, roles)
				VALUES ($1, 'b080@acme.example', $2, 'B-080', '{admin}')`, id, r.URL)
			r.exec(t, `WITH c AS (INSERT INTO companies (uen, name) SELECT 'U' || i, 'Company ' || i
					FROM generate_series(1, 20000) i RETURNING company_id)
				INSERT INTO lead_scores (tenant_id, company_id, score, bucket, rationale)
				SELECT $1, company_id, 0.5, 'medium', repeat('r', 2000) FROM c`, id)
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
				r.web.URL+"/export/latest_scores.csv?limit=all", nil)
			require.NoError(t, err)
			req.Header.Set("Authorization", "Bearer "+r.token("tenant_id", id, "sub", "B-080"))
			resp, err := r.web.Client().Do(req)
			require.NoError(t, err)
			defer resp.Body.Close()
			require.Equal(t, http.StatusOK, resp.StatusCode)
			switch end {
			case "remove":
				r.removeUser(t, s, id, "b080@acme.example")
			case "suspend":
				r.exec(t, `UPDATE tenants SET status = 'suspended' WHERE tenant_id = $1`, id)
			}
			time.Sleep(withinTen - time.Second)
			n, err := io.Copy(io.Discard, resp.Body)
			if end == "nothing" {
				require.NoError(t, err)
				require.Equal(t, "20000", resp.Trailer.Get("X-Row-Count"))
				return
			}
			require.Error(t, err, "%d bytes", n)
			require.Empty(t, resp.Trailer.Get("X-Row-Count"))
			require.Less(t, n, int64(30<<20), "only what was on its way")
		})
	}
}

// signedOutStream: the event stream of a session ends with the session, and says nothing more.
func signedOutStream(t *testing.T) {
	r, _, issuer := signInRig(t)
	b := signIn(t, r, issuer, ignoreAnswer)
	id, _ := r.newcomer(t, "B-081")
	r.exec(t, `INSERT INTO tenant_users (tenant_id, user_id, issuer, subject, roles)
		SELECT $1, 'b081@acme.example', issuer, subject, '{admin}' FROM sessions`, id)
	l := r.listen(t, b.access.Value, "")
	require.Equal(t, http.StatusOK, l.resp.StatusCode)
	l.status()
	start := time.Now()
	out := r.do(t, request{method: http.MethodPost, path: "/auth/logout", header: b.cookies()})
	require.Equal(t, http.StatusNoContent, out.status, out.body)
	r.move(t, id, "syncing")
	l.ends()
	require.Less(t, time.Since(start), withinTen)
}
