package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/logging"
	"github.com/leadctl/leadctl/pkg/web"
)

// A row with a new method works in a browser: preflight, pace, status, log level and metrics come from the row alone.
func TestAPutRowNeedsNoOtherEdit(t *testing.T) {
	t.Parallel()
	const origin = "https://ui.example"
	var log strings.Builder
	reg := prometheus.NewRegistry()
	door := web.New(web.Config{CORSOrigins: []string{origin}},
		web.Deps{Log: logging.New(&log, slog.LevelDebug, "json"), Metrics: reg})
	now := time.Now()
	s := &Server{door: door, now: func() time.Time { return now }}
	type input struct {
		Body struct {
			Name string `json:"name"`
		}
	}
	put := func(_ context.Context, in *input) (*okOut, error) {
		out := &okOut{}
		out.Body.OK = in.Body.Name == "x"
		return out, nil
	}
	row := openRoute(http.MethodPut, "/try/{id}", "Try a method",
		timedHandler(put)).takesBody().succeedsWith(http.StatusAccepted).
		atPace(web.NewPace(1, 1)).logsAt(slog.LevelDebug)
	h := s.handlerOf(append(s.routeTable(), row))

	send := func(method, origin string, header ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), method, "https://api.example/try/1", strings.NewReader(`{"name":"x"}`))
		r.Header.Set("Origin", origin)
		r.Header.Set("Content-Type", "application/json")
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	preflight := send(http.MethodOptions, origin, "Access-Control-Request-Method", "PUT",
		"Access-Control-Request-Headers", "content-type")
	require.Equal(t, http.StatusNoContent, preflight.Code)
	require.Equal(t, origin, preflight.Header().Get("Access-Control-Allow-Origin"))
	require.Contains(t, strings.Split(preflight.Header().Get("Access-Control-Allow-Methods"), ", "), "PUT")

	answer := send(http.MethodPut, origin, "Sec-Fetch-Site", "cross-site")
	require.Equal(t, http.StatusAccepted, answer.Code, answer.Body)
	require.JSONEq(t, `{"ok":true}`, answer.Body.String())
	require.Equal(t, origin, answer.Header().Get("Access-Control-Allow-Origin"))
	require.Contains(t, log.String(), `"level":"DEBUG","msg":"request","method":"PUT"`)

	require.Equal(t, http.StatusForbidden, send(http.MethodPut, "https://other.example", "Sec-Fetch-Site", "cross-site").Code)
	require.Equal(t, http.StatusUnsupportedMediaType, send(http.MethodPut, origin, "Content-Type", "text/plain").Code)
	require.Equal(t, http.StatusTooManyRequests, send(http.MethodPut, origin).Code, "the row's pace")
	count, err := testutil.GatherAndCount(reg, "leadctl_http_requests_total")
	require.NoError(t, err)
	require.Positive(t, count)
}
