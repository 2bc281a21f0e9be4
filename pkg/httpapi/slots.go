package httpapi

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// slotPatience is how long a download waits for a slot.
const slotPatience = 3 * time.Second

// exportSlots limits downloads, because each holds a connection while its reader reads. All downloads together get two
// thirds of the pool, and one tenant gets half of that.
type exportSlots struct {
	all      *semaphore.Weighted
	perOwner int64

	mu     sync.Mutex
	owners map[tenantid.ID]*ownerSlots // tenants with a running or waiting download
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

// freeConnection frees the connection for another download, while this one is still being read.
func (s *exportSlot) freeConnection() {
	if !s.freed {
		s.freed = true
		s.slots.all.Release(1)
	}
}

// releaseSlot frees everything that the download holds.
func (s *exportSlot) releaseSlot() {
	s.freeConnection()
	s.own.turn.Release(1)
	s.slots.releaseOwner(s.owner)
}

// acquireSlot waits for one of the tenant's slots, then for one of all slots. Faults after slotPatience: TooMany
// (QUOTA_EXPORTS) if the tenant uses all of its slots, Unavailable if all slots are used.
func (e *exportSlots) acquireSlot(ctx context.Context, id tenantid.ID) (*exportSlot, error) {
	ctx, cancel := context.WithTimeout(ctx, slotPatience)
	defer cancel()
	own := e.reserveOwner(id)
	if err := own.turn.Acquire(ctx, 1); err != nil {
		e.releaseOwner(id)
		return nil, fault.New(fault.TooMany, "this tenant runs %d downloads, the most allowed at a time",
			e.perOwner).WithCode("QUOTA_EXPORTS").
			WithHint("try again when one of them has ended").Because(err).WithRetryAfter(slotPatience)
	}
	if err := e.all.Acquire(ctx, 1); err != nil {
		own.turn.Release(1)
		e.releaseOwner(id)
		return nil, fault.New(fault.Unavailable, "too many downloads are running").Because(err).WithRetryAfter(
			slotPatience)
	}
	return &exportSlot{slots: e, owner: id, own: own}, nil
}

func (e *exportSlots) reserveOwner(id tenantid.ID) *ownerSlots {
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

func (e *exportSlots) releaseOwner(id tenantid.ID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if own := e.owners[id]; own != nil {
		if own.users--; own.users == 0 {
			delete(e.owners, id)
		}
	}
}
