package httpapi

import (
	"sync"
	"time"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/sso"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// streamsAgain is how long a rejected caller must wait before it asks for a stream again.
const streamsAgain = 5 * time.Second

// streams counts the event streams that are open in this process. Each polls the database while it is open, so their
// number is limited per tenant and per user.
type streams struct {
	perTenant, perUser int // 0: no limit

	mu   sync.Mutex
	open map[streamHolder]int // without zeros
}

// streamHolder is a tenant, or one of its users.
type streamHolder struct {
	tenant          tenantid.ID
	user            bool
	issuer, subject string
}

func newStreams(perTenant, perUser int) *streams {
	return &streams{perTenant: perTenant, perUser: perUser, open: map[streamHolder]int{}}
}

// openStream counts a stream until leave is called. Faults: TooMany (QUOTA_STREAMS, QUOTA_USER_STREAMS).
func (s *streams) openStream(id tenantid.ID, who sso.Identity) (leave func(), err error) {
	all, own := streamHolder{tenant: id}, streamHolder{id, true, who.Issuer, who.Subject}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.perUser > 0 && s.open[own] >= s.perUser:
		return nil, fault.New(fault.TooMany, "this user has %d open event streams, the most allowed",
			s.perUser).WithCode("QUOTA_USER_STREAMS").
			WithHint("close one, or poll GET /onboarding/status").WithRetryAfter(streamsAgain)
	case s.perTenant > 0 && s.open[all] >= s.perTenant:
		return nil, fault.New(fault.TooMany, "this tenant has %d open event streams, the most allowed",
			s.perTenant).WithCode("QUOTA_STREAMS").
			WithHint("poll GET /onboarding/status instead").WithRetryAfter(streamsAgain)
	}
	s.open[all]++
	s.open[own]++
	return sync.OnceFunc(func() { s.closeStream(all, own) }), nil
}

func (s *streams) closeStream(holders ...streamHolder) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range holders {
		if s.open[h]--; s.open[h] == 0 {
			delete(s.open, h)
		}
	}
}
