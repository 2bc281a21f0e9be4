package httpapi

import (
	"sync"
	"time"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/sso"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// streamsAgain is when whoever was refused a stream may ask again.
const streamsAgain = 5 * time.Second

// streams counts the event streams that are open in this process. Each looks at the database for as long as it is open,
// so neither a tenant nor one of its users gets more than their share.
type streams struct {
	perTenant, perUser int // 0: no limit

	mu   sync.Mutex
	open map[streamHolder]int // of those with any
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

// enter counts a stream until leave is called. Faults, both TooMany: QUOTA_STREAMS, QUOTA_USER_STREAMS.
func (s *streams) enter(id tenantid.ID, who sso.Identity) (leave func(), err error) {
	all, own := streamHolder{tenant: id}, streamHolder{id, true, who.Issuer, who.Subject}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.perUser > 0 && s.open[own] >= s.perUser:
		return nil, fault.New(fault.TooMany, "%d event streams of this user are open, which is the most",
			s.perUser).WithCode("QUOTA_USER_STREAMS").
			WithHint("close one, or ask GET /onboarding/status now and then").WithRetryAfter(streamsAgain)
	case s.perTenant > 0 && s.open[all] >= s.perTenant:
		return nil, fault.New(fault.TooMany, "%d event streams of this tenant are open, which is the most",
			s.perTenant).WithCode("QUOTA_STREAMS").
			WithHint("ask GET /onboarding/status now and then instead").WithRetryAfter(streamsAgain)
	}
	s.open[all]++
	s.open[own]++
	return sync.OnceFunc(func() { s.leave(all, own) }), nil
}

func (s *streams) leave(holders ...streamHolder) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range holders {
		if s.open[h]--; s.open[h] == 0 {
			delete(s.open, h)
		}
	}
}
