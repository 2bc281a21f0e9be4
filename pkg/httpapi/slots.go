package httpapi

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// slotPatience is how long a download waits for its turn.
const slotPatience = 3 * time.Second

// exportSlots keeps downloads, which hold a transaction for as long as their reader takes, from taking every
// connection: all of them together get two thirds of the pool, one tenant half of that.
type exportSlots struct {
	all      *semaphore.Weighted
	perOwner int64

	mu     sync.Mutex
	owners map[tenantid.ID]*ownerSlots // those with a download running or waiting
}

type ownerSlots struct {
	turn  *semaphore.Weighted
	users int
}

func newExportSlots(connections int32) *exportSlots {
	all := max(1, int64(connections)*2/3)
	return &exportSlots{all: semaphore.NewWeighted(all), perOwner: max(1, all/2), owners: map[tenantid.ID]*ownerSlots{}}
}

// exportSlot is a download's right to run.
type exportSlot struct {
	slots *exportSlots
	owner tenantid.ID
	own   *ownerSlots
	freed bool
}

// connectionFree lets another download begin that needs a connection, while this one is still being read.
func (s *exportSlot) connectionFree() {
	if !s.freed {
		s.freed = true
		s.slots.all.Release(1)
	}
}

// leave ends the download.
func (s *exportSlot) leave() {
	s.connectionFree()
	s.own.turn.Release(1)
	s.slots.give(s.owner)
}

// enter waits for a slot of the tenant, then for one of all. Faults, when none comes free in time: TooMany
// (QUOTA_EXPORTS) where the tenant has all of its own, Unavailable where the others have the rest.
func (e *exportSlots) enter(ctx context.Context, id tenantid.ID) (*exportSlot, error) {
	ctx, cancel := context.WithTimeout(ctx, slotPatience)
	defer cancel()
	own := e.take(id)
	if err := own.turn.Acquire(ctx, 1); err != nil {
		e.give(id)
		return nil, fault.New(fault.TooMany, "%d downloads of this tenant are running, which is the most",
			e.perOwner).WithCode("QUOTA_EXPORTS").
			WithHint("wait for one of them to end").Because(err).WithRetryAfter(slotPatience)
	}
	if err := e.all.Acquire(ctx, 1); err != nil {
		own.turn.Release(1)
		e.give(id)
		return nil, fault.New(fault.Unavailable, "too many downloads are running").Because(err).WithRetryAfter(
			slotPatience)
	}
	return &exportSlot{slots: e, owner: id, own: own}, nil
}

func (e *exportSlots) take(id tenantid.ID) *ownerSlots {
	e.mu.Lock()
	defer e.mu.Unlock()
	own := e.owners[id]
	if own == nil {
		own = &ownerSlots{turn: semaphore.NewWeighted(e.perOwner)}
		e.owners[id] = own
	}
	own.users++
	return own
}

func (e *exportSlots) give(id tenantid.ID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if own := e.owners[id]; own != nil {
		if own.users--; own.users == 0 {
			delete(e.owners, id)
		}
	}
}
