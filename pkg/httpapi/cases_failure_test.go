package httpapi_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/onboarding"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/web"
)

// everyFailureIsAProblem provokes each class of failure.
func everyFailureIsAProblem(t *testing.T, _ *rig) {
	checked := func(t *testing.T, a answer, status int, code string) {
		t.Helper()
		requireProblem(t, a, status, code)
		for _, leak := range []string{"CANARY", "SQLSTATE", "SELECT", "goroutine", ".go:", "pgx", "/work", "127.0.0.1",
			"lead_scores"} {
			require.NotContains(t, a.body, leak)
		}
		if status == http.StatusServiceUnavailable {
			require.NotEmpty(t, a.header.Get("Retry-After"))
		}
	}
	t.Run("database gone", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, func(s *setup) { s.deps.DB = dead(t); s.deps.Onboarding = &onboarding.Service{DB: s.deps.DB} })
		for _, row := range guarded(web.Member) {
			checked(t, r.do(t, call(row, 1, r.token("tenant_id", 1, "roles", []string{"admin"}))),
				http.StatusServiceUnavailable, "unavailable")
		}
		checked(t, r.do(t, request{method: http.MethodPost, path: "/onboarding/first_login", token: r.token()}),
			http.StatusServiceUnavailable, "unavailable")
	})
	t.Run("provider gone", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.down.Store(true)
		for _, row := range guarded(web.Identity, web.Member) {
			checked(t, r.do(t, call(row, 1, r.token("tenant_id", 1))), http.StatusServiceUnavailable, "unavailable")
		}
	})
	t.Run("panic", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, func(s *setup) {
			s.deps.Health = func(context.Context) error { panic("CANARY: a bug") }
		})
		for range 3 {
			checked(t, r.get(t, "/readyz", ""), http.StatusInternalServerError, "internal")
		}
		require.Equal(t, http.StatusOK, r.get(t, "/health", "").status, "the process continues")
		require.Contains(t, r.log.String(), "CANARY: a bug", "the log has the reason")
	})
	t.Run("table locked", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		// waits one second for a lock
		impatient, err := postgres.Open(t.Context(), r.db.LoginDSN, postgres.Options{Timeout: 3 * time.Second})
		require.NoError(t, err)
		t.Cleanup(impatient.Close)
		locked := newRig(t, func(s *setup) { s.deps.DB = impatient })
		id := r.tenant(t, "C-044")
		tx, err := r.db.Owner.Begin(t.Context())
		require.NoError(t, err)
		_, err = tx.Exec(t.Context(), `LOCK TABLE lead_scores, icp_rules IN ACCESS EXCLUSIVE MODE`)
		require.NoError(t, err)
		token := locked.token("tenant_id", id)
		for _, path := range []string{"/scores/latest", "/icp/rules", "/export/latest_scores.csv"} {
			checked(t, locked.get(t, path, token), http.StatusServiceUnavailable, "unavailable")
		}
		require.NoError(t, tx.Rollback(t.Context()))
		require.Equal(t, http.StatusOK, locked.get(t, "/scores/latest", token).status,
			"available at once after the lock")
	})
	t.Run("broken table", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		id := r.tenant(t, "C-044")
		r.exec(t, `ALTER TABLE lead_scores DROP COLUMN rationale`)
		checked(t, r.get(t, export, r.token("tenant_id", id)), http.StatusInternalServerError, "internal")
		require.Contains(t, r.log.String(), "SQLSTATE", "the log has the reason")
	})
	t.Run("unknown", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		checked(t, r.get(t, "/nowhere", ""), http.StatusNotFound, "not_found")
		checked(t, r.do(t, request{method: http.MethodDelete, path: "/whoami"}), http.StatusMethodNotAllowed,
			"method_not_allowed")
	})
	t.Run("broken body", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		_, token := r.editor(t, "C-044")
		conn := r.dial(t)
		fmt.Fprintf(conn, "POST /icp/rules HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: "+
			"application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", token)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		content, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		checked(t, answer{resp.StatusCode, resp.Header, string(content), nil}, http.StatusBadRequest, "invalid")
	})
}
