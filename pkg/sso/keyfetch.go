package sso

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// keyFetch is one fetch of the keys. Any number of requests can wait for it.
type keyFetch struct {
	done chan struct{}
	err  error // set before done is closed
}

// startFetchLocked returns the running fetch or starts one. It returns nil until the delay after a failure has passed.
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

// runFetch fetches the keys once and ends the fetch f.
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

// recordFailureLocked records a failed fetch. The delay before the next one doubles up to maxRetryDelay, and the next
// one reads the discovery document again.
func (s *keySet) recordFailureLocked(err error) {
	pause := min(minRetryDelay<<min(s.failures, 8), maxRetryDelay)
	s.failures++
	s.retryAt, s.lastErr, s.keysURL = s.now().Add(pause), err, ""
	s.log.Warn("identity provider keys: fetch failed", "issuer", s.channel.issuer, "failures", s.failures, "error", err)
}

// fetchKeys reads the key set at address. It reads the discovery document first if address is "".
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
	set := &keySnapshot{keys: keys, fetchedAt: read, renewAt: read.Add(life * 8 / 10), expiresAt: read.Add(life)}
	return set, address, nil
}

// logChangedKeys logs the keys if they differ from the previous ones. It names an unusable key once.
func (s *keySet) logChangedKeys(set *keySnapshot) {
	equal := func(a, b Key) bool { return a.ID+" "+a.Unusable == b.ID+" "+b.Unusable }
	var before []Key
	if s.latest != nil {
		before = s.latest.keys
	}
	if s.latest != nil && slices.EqualFunc(before, set.keys, equal) {
		return
	}
	s.log.Info("identity provider keys: changed", "issuer", s.channel.issuer, "count", len(set.keys))
	for _, k := range set.keys {
		known := slices.ContainsFunc(before, func(b Key) bool { return equal(b, k) })
		if k.Unusable != "" && !known {
			s.log.Info("identity provider key: not usable",
				"issuer", s.channel.issuer, "kid", k.ID, "position", k.position, "reason", k.Unusable)
		}
	}
}
