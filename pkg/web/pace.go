package web

import (
	"crypto/sha256"
	"net/http"
	"net/netip"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"github.com/leadctl/leadctl/pkg/fault"
)

// sourcesKept is how many sources one pace remembers. It forgets the least recently seen source first, so that the
// memory stays below a few megabytes and busy sources stay.
const sourcesKept = 1 << 14

// Pace limits how often a source may act: burst times at once, then perSecond times a second. A source is any text that
// identifies a caller. It is safe for concurrent use.
type Pace struct {
	perSecond rate.Limit
	burst     int
	sources   *lru.Cache[string, *rate.Limiter]
}

// NewPace returns a Pace that remembers a bounded number of sources.
func NewPace(perSecond rate.Limit, burst int) *Pace {
	sources, _ := lru.New[string, *rate.Limiter](sourcesKept) // its one error is a size below 1
	return &Pace{perSecond: perSecond, burst: burst, sources: sources}
}

func (p *Pace) limiterOf(source string) *rate.Limiter {
	if l, ok := p.sources.Get(source); ok {
		return l
	}
	l := rate.NewLimiter(p.perSecond, p.burst)
	if earlier, found, _ := p.sources.PeekOrAdd(source, l); found {
		return earlier
	}
	return l
}

// Take counts one action of source. TooMany, with the time to wait, if the source has exceeded its pace.
func (p *Pace) Take(source string, now time.Time) error {
	l := p.limiterOf(source)
	if l.AllowN(now, 1) {
		return nil
	}
	wait := time.Duration((1 - l.TokensAt(now)) / float64(p.perSecond) * float64(time.Second))
	return fault.New(fault.TooMany, "too many requests of this kind from one source").WithHint(
		"wait for the time in Retry-After, then try again").
		WithRetryAfter(wait)
}

// HasRoom reports whether Take would succeed, for actions that are counted only when they fail.
func (p *Pace) HasRoom(source string, now time.Time) bool {
	return p.limiterOf(source).TokensAt(now) >= 1
}

// LimitByCredential counts one use of a handle or token, of which only a digest is kept. Callers without one are not
// counted together.
func (d *Door) LimitByCredential(secret string) error {
	if secret == "" {
		return nil
	}
	sum := sha256.Sum256([]byte(secret))
	return d.credentials.Take(string(sum[:]), d.now())
}

// SourceOf returns the address that a request comes from: the peer's, or, if the peer is a trusted proxy, the last one
// in X-Forwarded-For that is no trusted proxy. A caller can forge the entries before that one. For IPv6 it returns the
// /64 network, because one machine can use all addresses of it.
func (d *Door) SourceOf(r *http.Request) string {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	from := at.Addr().Unmap()
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for n := len(hops) - 1; n >= 0 && d.isTrusted(from); n-- {
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

func (d *Door) isTrusted(proxy netip.Addr) bool {
	for _, network := range d.cfg.Proxies {
		if network.Contains(proxy) {
			return true
		}
	}
	return false
}
