package httpapi

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/onboarding"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenantid"
	"github.com/leadctl/leadctl/pkg/web"
)

// Times of an event stream.
const (
	eventPoll      = 300 * time.Millisecond // between two reads of the state, after a change
	eventPollMost  = 2 * time.Second        // between two reads, when nothing has changed for a while
	eventRecheck   = 5 * time.Second        // between two looks whether the caller may still read
	eventHeartbeat = 15 * time.Second       // proxies close connections that are silent for longer
	eventWrite     = 10 * time.Second       // a client that reads nothing for this long is disconnected
	eventsAtMost   = 5 * time.Minute        // then the client reconnects, and its token is verified again
	// eventRetry is how long a client waits before it reconnects. When the server ends the stream, the wait is up to
	// four times as long, so that not all clients reconnect at once.
	eventRetry = time.Second
)

type eventsIn struct {
	strictQuery
	LastEventID string `header:"Last-Event-ID" doc:"Id of the last event received; an unknown id is ignored"`
}

// getEvents sends the state of the tenant's onboarding as server-sent events, until it is ready or in error. Each event
// ("status") is the whole state on one line of JSON, so a client may miss events. An id is a digest of the rows, so
// every replica knows it. A client that already has the last event of an ended onboarding gets 204 and must not
// reconnect.
func (s *Server) getEvents(ctx context.Context, in *eventsIn) (*huma.StreamResponse, error) {
	who := web.PrincipalOf(ctx)
	leave, err := s.streams.openStream(who.Tenant.ID, who.Identity)
	if err != nil {
		return nil, err
	}
	first, err := s.readSnapshot(ctx, who.Tenant.ID)
	if err != nil {
		leave()
		return nil, err
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		defer leave()
		_, w := humago.Unwrap(hc)
		if id, _, err := first.Event(); err == nil && first.Ended() && id == in.LastEventID {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		e := newEvents(w, in.LastEventID)
		if err := s.sendChanges(ctx, e, first); err != nil && ctx.Err() == nil {
			web.LogOf(ctx).InfoContext(ctx, "event stream ended", "error", err)
		}
	}}, nil
}

// sendChanges sends the state at each change until the onboarding ends. While the database is unavailable, the stream
// waits.
func (s *Server) sendChanges(ctx context.Context, e *events, now onboarding.Snapshot) error {
	who := web.PrincipalOf(ctx)
	until := s.now().Add(eventsAtMost)
	if exp := who.Identity.Expiry; !exp.IsZero() && exp.Before(until) {
		until = exp
	}
	if err := e.sendRetry(eventRetry); err != nil {
		return err
	}
	checked := s.now()
	for pause := eventPoll; ; {
		changed, err := e.sendState(now)
		if err != nil || now.Ended() {
			return err
		}
		if pause = min(pause*9/8, eventPollMost); changed {
			pause = eventPoll
		}
		if err := s.waitToPoll(ctx, pause, until); err != nil {
			return e.sendRetry(eventRetry + rand.N(3*eventRetry))
		}
		next, err := s.readSnapshot(ctx, who.Tenant.ID)
		if err == nil {
			checked, err = s.recheckStream(ctx, e, next, checked)
		}
		switch {
		case err == nil:
			now = next
		case !fault.Is(err, fault.Unavailable):
			return err
		}
	}
}

// recheckStream looks whether the caller may still read the stream: before each change that it tells, and otherwise
// every eventRecheck. It returns the time of the last look.
func (s *Server) recheckStream(
	ctx context.Context, e *events, next onboarding.Snapshot, checked time.Time,
) (time.Time, error) {
	id, _, err := next.Event()
	if err != nil || id == e.last && s.now().Sub(checked) < eventRecheck {
		return checked, err
	}
	return s.now(), s.door.Recheck(ctx)
}

// waitToPoll waits for pause. It returns an error when the stream must end.
func (s *Server) waitToPoll(ctx context.Context, pause time.Duration, until time.Time) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(pause):
	}
	if s.draining.Load() || !s.now().Before(until) {
		return fault.New(fault.Unavailable, "event stream: the client must reconnect")
	}
	return nil
}

// readSnapshot reads the state of the tenant's onboarding. It fails when the tenant is suspended.
func (s *Server) readSnapshot(ctx context.Context, id tenantid.ID) (snap onboarding.Snapshot, err error) {
	ctx, cancel := context.WithTimeout(ctx, web.Patience)
	defer cancel()
	err = s.db.ReadTenant(ctx, id, func(ctx context.Context, tx postgres.TenantTx) error {
		snap, err = onboarding.ReadSnapshot(ctx, tx)
		return err
	})
	return snap, err
}

// events writes the body of an event stream.
type events struct {
	w          http.ResponseWriter
	controller *http.ResponseController
	last       string    // id of the last event that the client has
	spoke      time.Time // time of the last write
}

func newEvents(w http.ResponseWriter, last string) *events {
	e := &events{w: w, controller: http.NewResponseController(w), last: last}
	_ = e.controller.SetReadDeadline(time.Time{}) // net/http would read an expired deadline as a closed connection
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // otherwise nginx buffers events
	return e
}

// sendState sends the snapshot if the client does not have it, and otherwise a heartbeat when one is due.
func (e *events) sendState(now onboarding.Snapshot) (changed bool, err error) {
	id, line, err := now.Event()
	switch {
	case err != nil:
		return false, err
	case id != e.last:
		e.last = id
		return true, e.writeBlock("event: status\nid: %s\ndata: %s\n\n", id, line)
	case time.Since(e.spoke) >= eventHeartbeat:
		return false, e.writeBlock(":\n\n")
	}
	return false, nil
}

// sendRetry tells the client how long to wait before it opens the stream again.
func (e *events) sendRetry(after time.Duration) error {
	return e.writeBlock("retry: %d\n\n", after.Milliseconds())
}

func (e *events) writeBlock(format string, args ...any) error {
	e.spoke = time.Now()
	_ = e.controller.SetWriteDeadline(e.spoke.Add(eventWrite)) // fails for writers without deadlines, as in tests
	if _, err := fmt.Fprintf(e.w, format, args...); err != nil {
		return err
	}
	return e.controller.Flush()
}
