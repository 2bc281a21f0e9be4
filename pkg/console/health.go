package console

import (
	"context"
	"sync"
	"time"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// Limits on the age of the values on the operations pages, and on the time to read them.
const (
	healthFresh    = 30 * time.Second
	probeFresh     = time.Minute
	examineTimeout = 30 * time.Second
	probeTimeout   = 8 * time.Second
	maxProbes      = 1000
)

// report is the results of the checks and their time.
type report struct {
	Checks                   []Check
	At                       time.Time
	Failed, Warnings, Passed int64
}

// health runs the checks again only if their last report is old. Concurrent callers wait for the same report.
type health struct {
	mu   sync.Mutex
	last report
}

// freshReport returns the last report if it is fresh, else an empty one.
func (h *health) freshReport(now time.Time) report {
	if !h.mu.TryLock() { // the checks are running
		return report{}
	}
	defer h.mu.Unlock()
	if now.Sub(h.last.At) < healthFresh {
		return h.last
	}
	return report{}
}

func (h *health) readReport(ctx context.Context, examine func(context.Context) []Check, now func() time.Time) report {
	if examine == nil {
		return report{At: now()}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.last.At.IsZero() && now().Sub(h.last.At) < healthFresh {
		return h.last
	}
	// Not the visitor's context: later visitors get this report too.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), examineTimeout)
	defer cancel()
	h.last = report{Checks: examine(ctx), At: now()}
	for _, c := range h.last.Checks {
		switch c.State {
		case "failed":
			h.last.Failed++
		case "warning":
			h.last.Warnings++
		case "ok":
			h.last.Passed++
		}
	}
	return h.last
}

// probe is the result of one sign-in to a tenant's Odoo.
type probe struct {
	Took time.Duration
	Slow bool
	Err  string
	at   time.Time
}

// probes stores the latest probe of each tenant's workspace. It limits how many run at once.
type probes struct {
	mu    sync.Mutex
	known map[tenantid.ID]probe
	turn  chan struct{}
}

func (p *probes) probeWorkspace(ctx context.Context, id tenantid.ID,
	dial func(context.Context, tenantid.ID) (time.Duration, error), now func() time.Time) probe {
	turn := p.probeSlots()
	if last, ok := p.findProbe(id); ok && now().Sub(last.at) < probeFresh {
		return last
	}
	select {
	case turn <- struct{}{}:
		defer func() { <-turn }()
	case <-ctx.Done():
		return probe{Err: "not measured"}
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	took, err := dial(ctx, id)
	answer := probe{Took: took, Slow: took > time.Second, at: now()}
	if err != nil {
		answer.Err = fault.Text(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.known) >= maxProbes {
		clear(p.known)
	}
	p.known[id] = answer
	return answer
}

func (p *probes) probeSlots() chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == nil {
		p.known, p.turn = map[tenantid.ID]probe{}, make(chan struct{}, 4)
	}
	return p.turn
}

func (p *probes) findProbe(id tenantid.ID) (probe, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	last, ok := p.known[id]
	return last, ok
}
