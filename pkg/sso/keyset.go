package sso

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/leadctl/leadctl/pkg/fault"
)

// How fresh the issuer's keys are kept.
const (
	maxStaleAge        = time.Hour        // keys older than this prove nothing, whatever the provider's state
	unknownKeyInterval = 30 * time.Second // between two readings caused by unknown kids
	minRetryDelay      = 250 * time.Millisecond
	maxRetryDelay      = 4 * time.Second
)

// keySet holds the issuer's keys. They are read on first use and again when they age; nothing runs while nobody asks.
//
// Before their end of life they are renewed beside the requests, so a slow provider delays nobody. Past it a request
// waits for fresh ones, unless the provider is known to be down: then the old ones serve until staleLimit.
// An unknown kid reads them again at most once per missInterval; a bad signature never does.
type keySet struct {
	now        func() time.Time
	log        *slog.Logger
	maxAge     time.Duration
	algorithms []string
	channel    *backChannel
	ctx        context.Context // ends all reading on close
	cancel     context.CancelFunc
	running    sync.WaitGroup

	mu       sync.Mutex
	latest   *keySnapshot // nil until the first success
	keysURL  string       // "" = discover first
	failures int          // since the last success
	retryAt  time.Time    // no reading before this
	lastErr  error
	missAt   time.Time // of the last reading for an unknown kid
	fetch    *keyFetch // the reading under way
}

// keySnapshot is one successful reading, never changed afterwards.
type keySnapshot struct {
	keys                          []Key
	fetchedAt, renewAt, expiresAt time.Time
}

// keyFetch is one reading that any number of requests wait for.
type keyFetch struct {
	done chan struct{}
	err  error // set before done closes
}

func newKeySet(cfg Config, channel *backChannel) *keySet {
	ctx, cancel := context.WithCancel(context.Background())
	return &keySet{
		now: cfg.Now, log: cfg.Log, maxAge: cfg.KeyMaxAge, algorithms: cfg.Algorithms,
		channel: channel, ctx: ctx, cancel: cancel,
	}
}

func (s *keySet) close() {
	s.cancel()
	s.running.Wait()
	s.channel.close()
}

func (s *keySet) checkReady(ctx context.Context) error {
	_, err := s.currentKeys(ctx)
	return err
}

func (s *keySet) keyAge() (time.Duration, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.latest == nil {
		return 0, false
	}
	return s.now().Sub(s.latest.fetchedAt), true
}

// candidateKeys are the keys that may have signed a token with header h, never none.
func (s *keySet) candidateKeys(ctx context.Context, h header) ([]Key, error) {
	set, err := s.currentKeys(ctx)
	for range 2 { // a reading that was under way may have started before the key was published
		if err != nil {
			return nil, err
		}
		found, known := set.matchKeys(h)
		if len(found) > 0 {
			return found, nil
		}
		if known {
			break
		}
		newer, again := s.fetchAfterMiss(ctx, set)
		if !again {
			break
		}
		set = newer
	}
	if found, _ := set.matchKeys(h); len(found) > 0 {
		return found, nil
	}
	return nil, reject(ReasonUnknownKey, "no published %s key with kid %s", h.algorithm, quote(h.keyID)).
		withHint("`leadctl sso discover` lists the keys; a token from before the last key rotation has to be renewed")
}

// matchKeys finds the keys that fit h; known is true when its kid stands in the set, fitting or not, or when it has none.
func (p *keySnapshot) matchKeys(h header) (found []Key, known bool) {
	known = h.keyID == ""
	for _, k := range p.keys {
		if h.keyID != "" && k.ID != h.keyID {
			continue
		}
		known = true
		if k.Unusable == "" && k.canVerify(h.algorithm) {
			found = append(found, k)
		}
	}
	if h.keyID == "" && len(found) > 1 {
		return nil, true
	}
	return found, known
}

// currentKeys gives the keys to judge by now.
func (s *keySet) currentKeys(ctx context.Context) (*keySnapshot, error) {
	s.mu.Lock()
	now, set := s.now(), s.latest
	if set != nil && now.Before(set.renewAt) {
		s.mu.Unlock()
		return set, nil
	}
	f := s.startFetchLocked(now)
	if set != nil && (now.Before(set.expiresAt) || s.failures > 0 && set.isUsableWhileDown(now)) {
		s.mu.Unlock()
		return set, nil
	}
	err := s.unavailableLocked(now)
	s.mu.Unlock()
	if f == nil {
		return nil, err
	}
	return s.awaitFetch(ctx, f)
}

// isUsableWhileDown reports whether the keys may serve while the provider is down.
func (p *keySnapshot) isUsableWhileDown(now time.Time) bool {
	return now.Before(p.fetchedAt.Add(maxStaleAge))
}

// awaitFetch waits for a reading and gives its keys, or the old ones when it fails and they may still serve.
func (s *keySet) awaitFetch(ctx context.Context, f *keyFetch) (*keySnapshot, error) {
	select {
	case <-ctx.Done():
		return nil, fmt.Errorf("identity provider keys: %w", ctx.Err())
	case <-f.done:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if s.latest != nil && (f.err == nil || s.latest.isUsableWhileDown(now)) {
		return s.latest, nil
	}
	return nil, s.unavailableLocked(now)
}

// unavailableLocked is the fault of having no keys.
func (s *keySet) unavailableLocked(now time.Time) error {
	if fault.Is(s.lastErr, fault.Operator) {
		return s.lastErr
	}
	wait := max(s.retryAt.Sub(now).Round(time.Second), time.Second)
	err := fault.New(fault.Unavailable, "identity provider: its keys cannot be read").WithRetryAfter(wait)
	if s.lastErr != nil {
		return err.Because(s.lastErr)
	}
	return err
}

// fetchAfterMiss reads the keys again because seen lacks a kid. It gives false at once when that happened too recently or
// the provider is known to be down.
func (s *keySet) fetchAfterMiss(ctx context.Context, seen *keySnapshot) (*keySnapshot, bool) {
	s.mu.Lock()
	if s.latest != seen {
		defer s.mu.Unlock()
		return s.latest, true
	}
	f, now := s.fetch, s.now()
	if f == nil {
		if tooSoon := !s.missAt.IsZero() && now.Sub(s.missAt) < unknownKeyInterval; tooSoon || now.Before(s.retryAt) {
			s.mu.Unlock()
			return nil, false
		}
		s.missAt, s.keysURL = now, "" // the keys may have moved: start at discovery
		f = s.startFetchLocked(now)
	}
	s.mu.Unlock()
	if f == nil {
		return nil, false
	}
	newer, err := s.awaitFetch(ctx, f)
	return newer, err == nil && newer != seen
}

// startFetchLocked joins the reading under way or starts one; nil while the provider is given time to recover.
func (s *keySet) startFetchLocked(now time.Time) *keyFetch {
	if s.fetch != nil || now.Before(s.retryAt) || s.ctx.Err() != nil {
		return s.fetch
	}
	f := &keyFetch{done: make(chan struct{})}
	s.fetch = f
	address := s.keysURL
	s.running.Go(func() { s.runFetch(f, address) })
	return f
}

// runFetch reads the keys once and lands the flight.
func (s *keySet) runFetch(f *keyFetch, address string) {
	ctx, cancel := context.WithTimeout(s.ctx, fetchTimeout)
	defer cancel()
	set, address, err := s.fetchKeys(ctx, address)
	s.mu.Lock()
	defer s.mu.Unlock()
	defer close(f.done)
	s.fetch, f.err = nil, err
	if err != nil {
		s.recordFailureLocked(err)
		return
	}
	s.logChangedKeys(set)
	s.latest, s.keysURL, s.failures, s.retryAt, s.lastErr = set, address, 0, time.Time{}, nil
}

// recordFailureLocked books a failure: the pause doubles up to lastRetry, and the next reading starts at discovery.
func (s *keySet) recordFailureLocked(err error) {
	pause := min(minRetryDelay<<min(s.failures, 8), maxRetryDelay)
	s.failures++
	s.retryAt, s.lastErr, s.keysURL = s.now().Add(pause), err, ""
	s.log.Warn("identity provider keys not read", "issuer", s.channel.issuer, "failures", s.failures, "error", err)
}

// fetchKeys does the work: discovery when the address is not known, then the keys.
func (s *keySet) fetchKeys(ctx context.Context, address string) (*keySnapshot, string, error) {
	if address == "" {
		d, _, err := s.channel.readDiscovery(ctx)
		if err != nil {
			return nil, "", err
		}
		address = d.KeysURL
	}
	read := s.now()
	body, header, err := s.channel.getDocument(ctx, address)
	if err != nil {
		return nil, "", err
	}
	keys, err := parseKeySet(body, s.algorithms)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", address, err)
	}
	life := min(cacheLifetime(header.Get("Cache-Control")), s.maxAge)
	return &keySnapshot{keys: keys, fetchedAt: read, renewAt: read.Add(life * 8 / 10), expiresAt: read.Add(life)}, address, nil
}

// logChangedKeys logs the keys when they differ from those before.
func (s *keySet) logChangedKeys(set *keySnapshot) {
	describe := func(k Key) string { return k.ID + " " + k.Unusable }
	if s.latest != nil && slices.EqualFunc(s.latest.keys, set.keys, func(a, b Key) bool { return describe(a) == describe(b) }) {
		return
	}
	s.log.Info("identity provider keys", "issuer", s.channel.issuer, "count", len(set.keys))
	for _, k := range set.keys {
		if k.Unusable != "" {
			s.log.Info("identity provider key not used", "issuer", s.channel.issuer, "kid", k.ID, "reason", k.Unusable)
		}
	}
}
