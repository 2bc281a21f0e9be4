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
	eventPoll      = 300 * time.Millisecond // how soon a change is told
	eventPollMost  = 2 * time.Second        // the same, after a while in which nothing changed
	eventHeartbeat = 15 * time.Second       // proxies cut what is silent for longer
	eventWrite     = 10 * time.Second       // a reader that takes nothing for this long is cut off
	eventsAtMost   = 5 * time.Minute        // then the client comes again, with a token that is looked at again
	// before it does; up to four times that when this process ends, so that not all come at once
	eventRetry = time.Second
)

type eventsIn struct {
	strictQuery
	LastEventID string `header:"Last-Event-ID" doc:"Id of the last event that the client has. It is not sent again; an unknown id is ignored."`
}

// getEvents tells a tenant's onboarding as server-sent events, until it is ready or in error. Each event ("status") is
// the whole state on one line of JSON, so a client that missed some has missed nothing. Ids are made of the rows
// themselves: any replica knows them. A client that has the last event of an onboarding that ended is told to stay away
// by 204.
func (s *Server) getEvents(ctx context.Context, in *eventsIn) (*huma.StreamResponse, error) {
	who := web.PrincipalOf(ctx)
	leave, err := s.streams.enter(who.Tenant.ID, who.Identity)
	if err != nil {
		return nil, err
	}
	first, err := s.snapshot(ctx, who.Tenant.ID)
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
		if err := s.follow(ctx, e, first); err != nil && ctx.Err() == nil {
			web.LogOf(ctx).InfoContext(ctx, "event stream ended", "error", err)
		}
	}}, nil
}

// follow sends what changes. A database that is away for a while ends nothing: the stream waits for it.
func (s *Server) follow(ctx context.Context, e *events, now onboarding.Snapshot) error {
	who := web.PrincipalOf(ctx)
	until := s.now().Add(eventsAtMost)
	if exp := who.Identity.Expiry; !exp.IsZero() && exp.Before(until) {
		until = exp
	}
	if err := e.retry(eventRetry); err != nil {
		return err
	}
	for pause := eventPoll; ; {
		changed, err := e.tell(now)
		if err != nil || now.Ended() {
			return err
		}
		if pause = min(pause*9/8, eventPollMost); changed {
			pause = eventPoll
		}
		if err := s.rest(ctx, pause, until); err != nil {
			return e.retry(eventRetry + rand.N(3*eventRetry))
		}
		switch next, err := s.snapshot(ctx, who.Tenant.ID); {
		case err == nil:
			now = next
		case !fault.Is(err, fault.Unavailable):
			return err
		}
	}
}

// rest waits, and says when the stream has to end instead.
func (s *Server) rest(ctx context.Context, pause time.Duration, until time.Time) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(pause):
	}
	if s.draining.Load() || !s.now().Before(until) {
		return fault.New(fault.Unavailable, "event stream: to be opened again")
	}
	return nil
}

// snapshot reads the tenant's own rows, while it may be used.
func (s *Server) snapshot(ctx context.Context, id tenantid.ID) (snap onboarding.Snapshot, err error) {
	ctx, cancel := context.WithTimeout(ctx, web.Patience)
	defer cancel()
	err = s.db.ReadTenant(ctx, id, func(ctx context.Context, tx postgres.TenantTx) error {
		snap, err = onboarding.ReadSnapshot(ctx, tx)
		return err
	})
	return snap, err
}

// events is the response body.
type events struct {
	w          http.ResponseWriter
	controller *http.ResponseController
	last       string    // id of the last event that the client has
	spoke      time.Time // when something was last sent
}

func newEvents(w http.ResponseWriter, last string) *events {
	e := &events{w: w, controller: http.NewResponseController(w), last: last}
	_ = e.controller.SetReadDeadline(time.Time{}) // as for downloads: net/http takes it for the client's going away
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // nginx would collect events
	return e
}

// tell sends the snapshot unless the client has it, or a heartbeat when it is time for one.
func (e *events) tell(now onboarding.Snapshot) (changed bool, err error) {
	id, line, err := now.Event()
	switch {
	case err != nil:
		return false, err
	case id != e.last:
		e.last = id
		return true, e.send("event: status\nid: %s\ndata: %s\n\n", id, line)
	case time.Since(e.spoke) >= eventHeartbeat:
		return false, e.send(":\n\n")
	}
	return false, nil
}

// retry tells the client how long to wait before it opens the stream again.
func (e *events) retry(after time.Duration) error {
	return e.send("retry: %d\n\n", after.Milliseconds())
}

func (e *events) send(format string, args ...any) error {
	e.spoke = time.Now()
	_ = e.controller.SetWriteDeadline(e.spoke.Add(eventWrite)) // writers that know no deadline (tests) simply have none
	if _, err := fmt.Fprintf(e.w, format, args...); err != nil {
		return err
	}
	return e.controller.Flush()
}
