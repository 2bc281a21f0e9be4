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
	staleLimit   = time.Hour        // keys older than this prove nothing, whatever the provider's state
	missInterval = 30 * time.Second // between two readings caused by unknown kids
	firstRetry   = 250 * time.Millisecond
	lastRetry    = 4 * time.Second
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
	set      *published // nil until the first success
	keysURL  string     // "" = discover first
	failures int        // since the last success
	retryAt  time.Time  // no reading before this
	lastErr  error
	missAt   time.Time // of the last reading for an unknown kid
	flight   *flight   // the reading under way
}

// published is one successful reading, never changed afterwards.
type published struct {
	keys                []Key
	read, renew, expire time.Time
}

// flight is one reading that any number of requests wait for.
type flight struct {
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

func (s *keySet) ready(ctx context.Context) error {
	_, err := s.current(ctx)
	return err
}

func (s *keySet) age() (time.Duration, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.set == nil {
		return 0, false
	}
	return s.now().Sub(s.set.read), true
}

// candidates are the keys that may have signed a token with header h, never none.
func (s *keySet) candidates(ctx context.Context, h header) ([]Key, error) {
	set, err := s.current(ctx)
	for range 2 { // a reading that was under way may have started before the key was published
		if err != nil {
			return nil, err
		}
		found, known := set.match(h)
		if len(found) > 0 {
			return found, nil
		}
		if known {
			break
		}
		newer, again := s.afterMiss(ctx, set)
		if !again {
			break
		}
		set = newer
	}
	if found, _ := set.match(h); len(found) > 0 {
		return found, nil
	}
	return nil, refuse(ReasonUnknownKey, "no published %s key with kid %s", h.algorithm, quote(h.keyID)).
		hint("`leadctl sso discover` lists the keys; a token from before the last key rotation has to be renewed")
}

// match finds the keys that fit h; known is true when its kid stands in the set, fitting or not, or when it has none.
func (p *published) match(h header) (found []Key, known bool) {
	known = h.keyID == ""
	for _, k := range p.keys {
		if h.keyID != "" && k.ID != h.keyID {
			continue
		}
		known = true
		if k.Refused == "" && k.fits(h.algorithm) {
			found = append(found, k)
		}
	}
	if h.keyID == "" && len(found) > 1 {
		return nil, true
	}
	return found, known
}

// current gives the keys to judge by now.
func (s *keySet) current(ctx context.Context) (*published, error) {
	s.mu.Lock()
	now, set := s.now(), s.set
	if set != nil && now.Before(set.renew) {
		s.mu.Unlock()
		return set, nil
	}
	f := s.startLocked(now)
	if set != nil && (now.Before(set.expire) || s.failures > 0 && set.stillStands(now)) {
		s.mu.Unlock()
		return set, nil
	}
	err := s.unavailableLocked(now)
	s.mu.Unlock()
	if f == nil {
		return nil, err
	}
	return s.await(ctx, f)
}

// stillStands reports whether the keys may serve while the provider is down.
func (p *published) stillStands(now time.Time) bool { return now.Before(p.read.Add(staleLimit)) }

// await waits for a reading and gives its keys, or the old ones when it fails and they may still serve.
func (s *keySet) await(ctx context.Context, f *flight) (*published, error) {
	select {
	case <-ctx.Done():
		return nil, fmt.Errorf("identity provider keys: %w", ctx.Err())
	case <-f.done:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if s.set != nil && (f.err == nil || s.set.stillStands(now)) {
		return s.set, nil
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

// afterMiss reads the keys again because seen lacks a kid. It gives false at once when that happened too recently or
// the provider is known to be down.
func (s *keySet) afterMiss(ctx context.Context, seen *published) (*published, bool) {
	s.mu.Lock()
	if s.set != seen {
		defer s.mu.Unlock()
		return s.set, true
	}
	f, now := s.flight, s.now()
	if f == nil {
		if tooSoon := !s.missAt.IsZero() && now.Sub(s.missAt) < missInterval; tooSoon || now.Before(s.retryAt) {
			s.mu.Unlock()
			return nil, false
		}
		s.missAt, s.keysURL = now, "" // the keys may have moved: start at discovery
		f = s.startLocked(now)
	}
	s.mu.Unlock()
	if f == nil {
		return nil, false
	}
	newer, err := s.await(ctx, f)
	return newer, err == nil && newer != seen
}

// startLocked joins the reading under way or starts one; nil while the provider is given time to recover.
func (s *keySet) startLocked(now time.Time) *flight {
	if s.flight != nil || now.Before(s.retryAt) || s.ctx.Err() != nil {
		return s.flight
	}
	f := &flight{done: make(chan struct{})}
	s.flight = f
	address := s.keysURL
	s.running.Go(func() { s.run(f, address) })
	return f
}

// run reads the keys once and lands the flight.
func (s *keySet) run(f *flight, address string) {
	ctx, cancel := context.WithTimeout(s.ctx, fetchTimeout)
	defer cancel()
	set, address, err := s.readKeys(ctx, address)
	s.mu.Lock()
	defer s.mu.Unlock()
	defer close(f.done)
	s.flight, f.err = nil, err
	if err != nil {
		s.failedLocked(err)
		return
	}
	s.noteChange(set)
	s.set, s.keysURL, s.failures, s.retryAt, s.lastErr = set, address, 0, time.Time{}, nil
}

// failedLocked books a failure: the pause doubles up to lastRetry, and the next reading starts at discovery.
func (s *keySet) failedLocked(err error) {
	pause := min(firstRetry<<min(s.failures, 8), lastRetry)
	s.failures++
	s.retryAt, s.lastErr, s.keysURL = s.now().Add(pause), err, ""
	s.log.Warn("identity provider keys not read", "issuer", s.channel.issuer, "failures", s.failures, "error", err)
}

// readKeys does the work: discovery when the address is not known, then the keys.
func (s *keySet) readKeys(ctx context.Context, address string) (*published, string, error) {
	if address == "" {
		d, _, err := s.channel.discover(ctx)
		if err != nil {
			return nil, "", err
		}
		address = d.KeysURL
	}
	read := s.now()
	body, header, err := s.channel.get(ctx, address)
	if err != nil {
		return nil, "", err
	}
	keys, err := parseKeySet(body, s.algorithms)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", address, err)
	}
	life := min(freshFor(header.Get("Cache-Control")), s.maxAge)
	return &published{keys: keys, read: read, renew: read.Add(life * 8 / 10), expire: read.Add(life)}, address, nil
}

// noteChange logs the keys when they differ from those before.
func (s *keySet) noteChange(set *published) {
	describe := func(k Key) string { return k.ID + " " + k.Refused }
	if s.set != nil && slices.EqualFunc(s.set.keys, set.keys, func(a, b Key) bool { return describe(a) == describe(b) }) {
		return
	}
	s.log.Info("identity provider keys", "issuer", s.channel.issuer, "count", len(set.keys))
	for _, k := range set.keys {
		if k.Refused != "" {
			s.log.Info("identity provider key not used", "issuer", s.channel.issuer, "kid", k.ID, "reason", k.Refused)
		}
	}
}
