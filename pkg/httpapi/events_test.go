package httpapi_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/tenantid"
)

const eventsPath = "/onboarding/events"

// event is one block of a stream; an absent field is "".
type event struct{ name, id, data, retry, comment string }

// listener reads a stream block by block.
type listener struct {
	t    testing.TB
	resp *http.Response
	in   *bufio.Reader
}

func (r *rig) listen(t testing.TB, token, lastID string) *listener {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.web.URL+eventsPath, nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	resp, err := r.web.Client().Do(req)
	require.NoError(t, err)
	t.Cleanup(func() { resp.Body.Close() })
	return &listener{t, resp, bufio.NewReader(resp.Body)}
}

// next returns the next block; ok is false when the stream has ended properly.
func (l *listener) next() (e event, ok bool) {
	l.t.Helper()
	for {
		line, err := l.in.ReadString('\n')
		if errors.Is(err, io.EOF) {
			require.Empty(l.t, line, "the stream ends between blocks")
			return e, false
		}
		require.NoError(l.t, err)
		if line = strings.TrimSuffix(line, "\n"); line == "" {
			return e, true
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			e.name = value
		case "id":
			e.id = value
		case "data":
			require.Empty(l.t, e.data, "one line of data per event")
			e.data = value
		case "retry":
			e.retry = value
		case "":
			e.comment += value
		default:
			l.t.Fatalf("field %q", line)
		}
	}
}

// status returns the next status event.
func (l *listener) status() (e event, state map[string]any) {
	l.t.Helper()
	for {
		e, ok := l.next()
		require.True(l.t, ok, "the stream ended early")
		if e.name != "" {
			require.Equal(l.t, "status", e.name)
			require.NotEmpty(l.t, e.id)
			require.NoError(l.t, json.Unmarshal([]byte(e.data), &state), e.data)
			return e, state
		}
	}
}

// ends requires that no further event comes, and returns the last block.
func (l *listener) ends() (last event) {
	l.t.Helper()
	for {
		e, ok := l.next()
		if !ok {
			return last
		}
		require.Empty(l.t, e.name, "another event: %+v", e)
		last = e
	}
}

// newcomer creates a tenant whose onboarding has just begun.
func (r *rig) newcomer(t testing.TB, name string) (id tenantid.ID, token string) {
	t.Helper()
	require.NoError(t, r.db.Owner.QueryRow(t.Context(), `INSERT INTO tenants (name) VALUES ($1) RETURNING tenant_id`,
		name).Scan(&id))
	r.exec(t, `INSERT INTO onboarding_status (tenant_id, status, step) VALUES ($1, 'provisioning', 'tenant')`, id)
	r.exec(t, `INSERT INTO onboarding_steps (tenant_id, step, position, state, attempt, started_at)
		VALUES ($1, 'tenant', 0, 'running', 1, now())`, id)
	return id, r.token("tenant_id", id)
}

func (r *rig) move(t testing.TB, id tenantid.ID, status string) {
	t.Helper()
	r.exec(t, `UPDATE onboarding_status SET status = $2, updated_at = clock_timestamp() WHERE tenant_id = $1`, id,
		status)
}

func TestEventsTellEachChangeUntilReady(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, token := r.newcomer(t, "Watched")
	other, _ := r.newcomer(t, "CANARY-OTHER")
	l := r.listen(t, token, "")
	require.Equal(t, http.StatusOK, l.resp.StatusCode)
	require.Equal(t, "text/event-stream", l.resp.Header.Get("Content-Type"))
	require.Equal(t, "no-store", l.resp.Header.Get("Cache-Control"))
	begin, _ := l.next()
	require.NotEmpty(t, begin.retry)

	first, state := l.status()
	require.Equal(t, "provisioning", state["status"])
	require.InDelta(t, float64(id), state["tenant_id"], 0)
	step := state["steps"].([]any)[0].(map[string]any)
	require.Equal(t, "tenant", step["step"])
	require.Equal(t, "running", step["state"])

	r.move(t, other, "error") // must not appear in this stream
	r.exec(t, `UPDATE onboarding_steps SET state = 'done', finished_at = now() WHERE tenant_id = $1`, id)
	second, state := l.status()
	require.Equal(t, "done", state["steps"].([]any)[0].(map[string]any)["state"])
	require.InDelta(t, float64(id), state["tenant_id"], 0)
	require.NotEqual(t, first.id, second.id)

	r.move(t, id, "ready")
	_, state = l.status()
	require.Equal(t, "ready", state["status"])
	l.ends()
}

// A client resumes a stream at another replica without repeated events. A client that has the last event gets 204.
func TestEventsResumeAnywhere(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, token := r.newcomer(t, "Resumed")
	first, _ := r.listen(t, token, "").status()

	replica := newRig(t, func(s *setup) { s.deps.DB = r.db.App })
	l := replica.listen(t, replica.token("tenant_id", id), first.id)
	r.move(t, id, "syncing")
	second, state := l.status()
	require.Equal(t, "syncing", state["status"], "the client's last event is not repeated")
	r.exec(t, `UPDATE onboarding_status SET status = 'error', error = $2 WHERE tenant_id = $1`, id,
		"one\r\ntwo\n\ndata: three")
	last, state := l.status()
	require.Equal(t, "one\r\ntwo\n\ndata: three", state["error"])
	require.NotEqual(t, second.id, last.id)
	l.ends()

	require.Equal(t, http.StatusNoContent, r.listen(t, token, last.id).resp.StatusCode)
	again, _ := r.listen(t, token, second.id).status()
	require.Equal(t, last, again)
}

// C-040
func TestEventsIgnoreIDsTheyDoNotKnow(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, token := r.newcomer(t, "C-040")
	_, foreign := r.newcomer(t, "C-040 foreign")
	theirs, _ := r.listen(t, foreign, "").status()
	own, _ := r.listen(t, token, "").status()
	for _, id := range []string{theirs.id, "0", "-1", "99999999999999999999", "'; DROP TABLE tenants; --",
		strings.Repeat("x", 4000), "\xff\xfe"} {
		e, _ := r.listen(t, token, id).status()
		require.Equal(t, own, e, "%q", id)
	}
	require.NotEqual(t, own.id, theirs.id)
}

func TestEventsEndWhenTheCallerMayNotSeeThemAnyMore(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, token := r.newcomer(t, "Suspended later")
	l := r.listen(t, token, "")
	l.status()
	r.exec(t, `UPDATE tenants SET status = 'suspended' WHERE tenant_id = $1`, id)
	l.ends()

	short, _ := r.newcomer(t, "Short token")
	l = r.listen(t, r.token("tenant_id", short, "exp", time.Now().Add(2*time.Second).Unix()), "")
	l.status()
	require.NotEmpty(t, l.ends().retry, "the client may reconnect with a new token")
}

func TestEventsMakeWayForAnEndingProcess(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, token := r.newcomer(t, "Drained")
	l := r.listen(t, token, "")
	l.status()
	r.api.Drain()
	require.NotEmpty(t, l.ends().retry)
}

func TestEventsOfAnOnboardingThatNeverBegan(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var id tenantid.ID
	require.NoError(t, r.db.Owner.QueryRow(t.Context(),
		`INSERT INTO tenants (name) VALUES ('Never began') RETURNING tenant_id`).Scan(&id))
	requireProblem(t, r.get(t, eventsPath, r.token("tenant_id", id)), http.StatusNotFound, "not_found")
}

// A user and a tenant each have a limit of streams, which does not affect other tenants. An ended stream frees its
// place.
func TestEventStreamsAreShared(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(s *setup) { s.cfg.Streams, s.cfg.UserStreams = 3, 2 })
	id, _ := r.newcomer(t, "Many streams")
	_, other := r.newcomer(t, "One stream")
	as := func(subject string) string { return r.token("tenant_id", id, "sub", subject) }
	refused := func(token, code string) {
		t.Helper()
		a := r.get(t, eventsPath, token)
		p := requireProblem(t, a, http.StatusTooManyRequests, code)
		require.NotEmpty(t, p["hint"])
		require.Equal(t, "5", a.header.Get("Retry-After"))
	}
	ann := r.listen(t, as("ann"), "")
	ann.status()
	r.listen(t, as("ann"), "").status()
	refused(as("ann"), "QUOTA_USER_STREAMS")
	r.listen(t, as("ben"), "").status()
	refused(as("ben"), "QUOTA_STREAMS")
	r.listen(t, other, "").status()

	require.NoError(t, ann.resp.Body.Close())
	var again *listener
	require.Eventually(t, func() bool { // the server notices the closed connection at its next write
		again = r.listen(t, as("cat"), "")
		return again.resp.StatusCode == http.StatusOK
	}, time.Minute, 50*time.Millisecond)
	again.status()
	r.move(t, id, "ready")
	again.status()
	again.ends()
	require.Equal(t, http.StatusOK, r.get(t, "/onboarding/status", as("ann")).status)
}
