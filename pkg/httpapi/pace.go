package httpapi

import (
	"crypto/sha256"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"github.com/leadctl/leadctl/pkg/fault"
)

// sourcesKept is how many sources one pace remembers. The one that was not heard of for the longest time is forgotten first,
// so that however many there are, they take a few megabytes and the busy ones stay.
const sourcesKept = 1 << 14

// pace is how often a source may do a thing: burst times at once, and perSecond times a second from then on. A source is
// whatever text tells who asks; it is safe for concurrent use.
type pace struct {
	perSecond rate.Limit
	burst     int
	sources   *lru.Cache[string, *rate.Limiter]
}

func newPace(perSecond rate.Limit, burst int) *pace {
	sources, _ := lru.New[string, *rate.Limiter](sourcesKept) // its one error is a size below 1
	return &pace{perSecond: perSecond, burst: burst, sources: sources}
}

func (p *pace) of(source string) *rate.Limiter {
	if l, ok := p.sources.Get(source); ok {
		return l
	}
	l := rate.NewLimiter(p.perSecond, p.burst)
	if earlier, found, _ := p.sources.PeekOrAdd(source, l); found {
		return earlier
	}
	return l
}

// take counts one time. TooMany, with the time to wait, when the source has had its share.
func (p *pace) take(source string, now time.Time) error {
	l := p.of(source)
	if l.AllowN(now, 1) {
		return nil
	}
	wait := time.Duration((1 - l.TokensAt(now)) / float64(p.perSecond) * float64(time.Second))
	return fault.New(fault.TooMany, "too many requests of this kind from one place").WithHint("wait a moment, then try again").
		WithRetryAfter(wait)
}

// room reports whether take would find any, for what counts only once it has gone wrong.
func (p *pace) room(source string, now time.Time) bool { return p.of(source).TokensAt(now) >= 1 }

// paces are those of what costs something before anybody is known, and of what makes work. A whole office may stand behind one address.
type paces struct {
	signIns  *pace // of an address: each of the two steps of a sign-in
	renewals *pace // of an address: new cookies for old ones, or for a token
	holders  *pace // of one handle or token, wherever it comes from
	refusals *pace // of an address: tokens that Odoo asked about and that were none. Odoo servers are mostly right
	runs     *pace // of a tenant: runs that somebody asks for, with a changed rule or without
}

func newPaces() paces {
	return paces{signIns: newPace(10, 100), renewals: newPace(20, 200), holders: newPace(1, 60), refusals: newPace(20, 20), runs: newPace(1, 60)}
}

// paced keeps one address from asking for a route more often than p allows.
func (s *Server) paced(p *pace, register func(huma.API, huma.Operation)) func(huma.API, huma.Operation) {
	return s.pacedBy(s.source, p, register)
}

// pacedRuns keeps one tenant from asking for runs, by whichever route, more often than its pace allows.
func (s *Server) pacedRuns(register func(huma.API, huma.Operation)) func(huma.API, huma.Operation) {
	return s.pacedBy(func(r *http.Request) string { return principalOf(r.Context()).Tenant.ID.String() }, s.paces.runs, register)
}

func (s *Server) pacedBy(source func(*http.Request) string, p *pace, register func(huma.API, huma.Operation)) func(huma.API, huma.Operation) {
	return refuses(http.StatusTooManyRequests, func(api huma.API, op huma.Operation) {
		op.Middlewares = append(op.Middlewares, func(hc huma.Context, next func(huma.Context)) {
			r, w := humago.Unwrap(hc)
			if err := p.take(source(r.WithContext(hc.Context())), s.now()); err != nil {
				problemOf(hc.Context(), err).write(w)
				return
			}
			next(hc)
		})
		register(api, op)
	})
}

// holder counts one use of a handle or token, which is not kept for that. Those who have none are not one holder.
func (s *Server) holder(secret string) error {
	if secret == "" {
		return nil
	}
	sum := sha256.Sum256([]byte(secret))
	return s.paces.holders.take(string(sum[:]), s.now())
}

// source is the address that a request comes from: the peer's, or, where a trusted proxy is the peer, the last one in
// X-Forwarded-For that is no trusted proxy. What stands before that one, anybody can write. Of IPv6, where one machine has
// as many addresses as it likes, it is the network.
func (s *Server) source(r *http.Request) string {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	from := at.Addr().Unmap()
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for n := len(hops) - 1; n >= 0 && s.trusts(from); n-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[n]))
		if err != nil {
			break
		}
		from = hop.Unmap().WithZone("")
	}
	if from.Is6() {
		return netip.PrefixFrom(from, 64).Masked().String()
	}
	return from.String()
}

func (s *Server) trusts(proxy netip.Addr) bool {
	for _, network := range s.cfg.TrustedProxies {
		if network.Contains(proxy) {
			return true
		}
	}
	return false
}
