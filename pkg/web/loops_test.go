package web

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// loopRig is a server whose GET /state and POST /begin answer with the number of the call.
type loopRig struct {
	http.Handler
	now    time.Time
	calls  int
	status int
	log    bytes.Buffer
}

func newLoopRig() *loopRig {
	r := &loopRig{now: time.Unix(1_000_000, 0), status: http.StatusOK}
	d := New(Config{}, Deps{Log: slog.New(slog.NewTextHandler(&r.log, nil))})
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, _ *http.Request) {
		r.calls++
		w.Header().Set("X-Call", fmt.Sprint(r.calls))
		w.WriteHeader(r.status)
		fmt.Fprint(w, r.calls)
	}
	for _, pattern := range []string{"GET /state", "POST /begin", "POST /change"} {
		mux.HandleFunc(pattern, answer)
	}
	r.Handler = d.Wrap(mux, nil, []string{"GET /state", "POST /begin"}, nil)
	d.now = func() time.Time { return r.now }
	return r
}

func (r *loopRig) ask(method, path, token string) *httptest.ResponseRecorder {
	req, w := httptest.NewRequest(method, path, nil), httptest.NewRecorder()
	req.Header.Set("Authorization", "Bearer "+token)
	r.ServeHTTP(w, req)
	return w
}

func TestLoopsAreAnsweredFromMemory(t *testing.T) {
	t.Parallel()
	r := newLoopRig()
	for i := range 600 { // six seconds with 100 requests each
		r.now = time.Unix(1_000_000+int64(i/100), int64(i%100)*10_000_000)
		w := r.ask("GET", "/state", "a")
		require.Equal(t, http.StatusOK, w.Code)
		require.Equal(t, w.Header().Get("X-Call"), w.Body.String())
		require.NotEmpty(t, w.Header().Get("X-Request-Id"))
	}
	require.Equal(t, loopAfter+5, r.calls, "the first ones, then one a second")
	require.Equal(t, loopAfter, strings.Count(r.log.String(), "path=/state"), "the others have one line together")
	require.Equal(t, 1, strings.Count(r.log.String(), "in a loop"))
	r.now = r.now.Add(time.Minute)
	for range 2 * loopAfter {
		r.ask("GET", "/state", "a")
	}
	require.Equal(t, 2, strings.Count(r.log.String(), "in a loop"))
}

func TestLoopsAreOfOneSession(t *testing.T) {
	t.Parallel()
	r := newLoopRig()
	for range 3 * loopAfter {
		r.ask("GET", "/state", "a")
	}
	before := r.calls
	require.Equal(t, fmt.Sprint(before+1), r.ask("GET", "/state", "b").Body.String())
	require.Equal(t, fmt.Sprint(before+2), r.ask("GET", "/state?x=1", "a").Body.String())
	require.Equal(t, fmt.Sprint(before), r.ask("GET", "/state", "a").Body.String())
}

// TestChangesEndLoopsAnswers: after a request that may change something, and for everything but a success, the handler
// answers.
func TestChangesEndLoopsAnswers(t *testing.T) {
	t.Parallel()
	r := newLoopRig()
	for range 3 * loopAfter {
		r.ask("GET", "/state", "a")
	}
	for _, change := range []func(){
		func() { r.ask("POST", "/change", "b") },
		func() { r.status = http.StatusAccepted; r.ask("POST", "/begin", "b"); r.status = http.StatusOK },
	} {
		change()
		before := r.calls
		require.Equal(t, fmt.Sprint(before+1), r.ask("GET", "/state", "a").Body.String())
		require.Equal(t, fmt.Sprint(before+1), r.ask("GET", "/state", "a").Body.String())
	}
	r.status = http.StatusForbidden
	for range 3 * loopAfter {
		before := r.calls
		require.Equal(t, fmt.Sprint(before+1), r.ask("GET", "/state", "refused").Body.String())
	}
	r.status = http.StatusOK
	for range 3 * loopAfter {
		r.ask("POST", "/begin", "a")
	}
	before := r.calls
	require.Equal(t, http.StatusOK, r.ask("POST", "/begin", "a").Code)
	require.Equal(t, before, r.calls)
}

// TestLoopsAreForgotten: many sessions take bounded memory.
func TestLoopsAreForgotten(t *testing.T) {
	t.Parallel()
	l := New(Config{}, Deps{}).newLoops([]string{"GET /state"})
	now := time.Unix(1_000_000, 0)
	key := func(i int) (k [32]byte) { copy(k[:], fmt.Sprint(i)); return k }
	for i := range maxLoops + 100 {
		l.noteRequest(t.Context(), key(i), "GET /state", now)
	}
	require.Len(t, l.byKey, maxLoops)
	l.noteRequest(t.Context(), key(-1), "GET /state", now.Add(loopMemory))
	require.Len(t, l.byKey, 1)
}
