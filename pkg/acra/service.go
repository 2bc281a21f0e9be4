package acra

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/leadctl/leadctl/pkg/fault"
)

// The public service and the register's collection there.
const (
	SearchURL    = "https://data.gov.sg/api/action/datastore_search"
	metadataBase = "https://api-production.data.gov.sg"
	downloadBase = "https://api-open.data.gov.sg"
	collection   = "2" // ACRA Information on Corporate Entities
)

// Limits of a call.
const (
	callTries     = 8
	callTimeout   = 2 * time.Minute
	throttleWait  = 10 * time.Second // the service's window; its 429 answers have no Retry-After
	maxRetryAfter = 2 * time.Minute
	maxBackoff    = time.Minute
	maxBody       = 64 << 20
	window        = 10 * time.Second
)

// Service is data.gov.sg, or a service with the same API. Create one with NewService.
type Service struct {
	Search   string // URL of datastore_search
	Metadata string // base URL of the collection's metadata
	Download string // base URL of the bulk download
	Key      string // x-api-key, optional; it raises the limits
	// CallsPerWindow is the number of searches in ten seconds. The calls of a download may use half of it. 0 means 4,
	// or 8 with a key; a production key allows 20.
	CallsPerWindow int
	Client         *http.Client                               // nil means a client with suitable timeouts
	Wait           func(context.Context, time.Duration) error // nil means a sleep that ctx interrupts
	Log            *slog.Logger
}

// NewService returns the service whose datastore_search is at search; "" means data.gov.sg. Another service is expected
// to serve metadata and downloads at the same origin, and to have no limits.
func NewService(search, key string) Service {
	s := Service{Search: search, Metadata: metadataBase, Download: downloadBase, Key: key}
	if search == "" {
		s.Search = SearchURL
	}
	if u, err := url.Parse(s.Search); err == nil && u.Hostname() != "data.gov.sg" {
		s.Metadata = u.Scheme + "://" + u.Host
		s.Download = s.Metadata
		s.CallsPerWindow = 1000
	}
	return s
}

// apiClient makes the calls of one run.
type apiClient struct {
	Service
	searches, downloads pacer
}

func (s Service) newClient() *apiClient {
	if s.CallsPerWindow == 0 {
		s.CallsPerWindow = 4
		if s.Key != "" {
			s.CallsPerWindow = 8
		}
	}
	if s.Client == nil {
		s.Client = &http.Client{Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: 20 * time.Second}).DialContext,
			TLSHandshakeTimeout:   20 * time.Second,
			ResponseHeaderTimeout: time.Minute,
			IdleConnTimeout:       time.Minute,
		}}
	}
	if s.Wait == nil {
		s.Wait = sleepContext
	}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	c := &apiClient{Service: s}
	c.searches.gap = window / time.Duration(s.CallsPerWindow)
	c.downloads.gap = window / time.Duration(max(1, s.CallsPerWindow/2))
	return c
}

// pacer spreads calls evenly, so that every window of the service stays below its limit.
type pacer struct {
	mu   sync.Mutex
	gap  time.Duration
	next time.Time
}

// reserveTurn returns the wait before the next call and reserves the time slot for it.
func (p *pacer) reserveTurn() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.next.Before(now) {
		p.next = now
	}
	d := p.next.Sub(now)
	p.next = p.next.Add(p.gap)
	return d
}

// errTooLarge reports a page that the service does not send because of its size.
var errTooLarge = errors.New("answer too large for the service")

// getJSON calls address until it answers with JSON that check accepts. Each try decodes into a new value, so that a
// damaged answer leaves nothing behind.
// Faults: Unavailable after the last try, NotFound, Unprocessable; errTooLarge for 413.
func getJSON[T any](ctx context.Context, c *apiClient, p *pacer, what, address string, check func(T) error) (T, error) {
	for try := 1; ; try++ {
		var out T
		if err := c.Wait(ctx, p.reserveTurn()); err != nil {
			return out, err
		}
		after, err := c.tryJSON(ctx, what, address, &out)
		if err == nil {
			err = check(out)
		}
		if err == nil || after < 0 || ctx.Err() != nil {
			return out, err
		}
		if try == callTries {
			return out, fault.New(fault.Unavailable, "%s: gave up after %d tries: %w", what, try, err).
				WithRetryAfter(after)
		}
		pause := max(after, backoff(try))
		c.Log.WarnContext(ctx, "register source: retrying", "call", what, "try", try, "wait", pause, "error", err)
		if err := c.Wait(ctx, pause); err != nil {
			return out, err
		}
	}
}

// backoff returns a wait that doubles from one second on, with jitter so that replicas do not call in step.
func backoff(try int) time.Duration {
	d := min(time.Second<<(try-1), maxBackoff)
	return d/2 + rand.N(d)
}

// errThrottled reports an answer of 429.
var errThrottled = errors.New("rate limit")

// tryJSON makes one call. after is the wait before the next try, negative when a retry is useless.
func (c *apiClient) tryJSON(ctx context.Context, what, address string, out any) (after time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	resp, err := c.sendGet(ctx, address, nil)
	if err != nil {
		return 0, fault.New(fault.Unavailable, "%s: %w", what, withoutURL(err))
	}
	defer resp.Body.Close()
	if after, err := statusError(what, resp); err != nil {
		return after, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return 0, fault.New(fault.Unavailable, "%s: answer truncated: %w", what, err)
	}
	if trimmed := bytes.TrimLeft(body, " \t\r\n\ufeff"); len(trimmed) == 0 || trimmed[0] != '{' {
		return 0, fault.New(fault.Unavailable, "%s: no JSON in the answer (%s)",
			what, clipText(resp.Header.Get("Content-Type"), 40))
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if err := decoder.Decode(out); err != nil {
		return 0, fault.New(fault.Unavailable, "%s: JSON truncated or damaged: %w", what, err)
	}
	return 0, nil
}

func (c *apiClient) sendGet(ctx context.Context, address string, header http.Header) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	if header != nil {
		req.Header = header
	}
	req.Header.Set("User-Agent", "leadctl")
	if c.Key != "" && c.isServiceURL(req.URL) {
		req.Header.Set("X-Api-Key", c.Key)
	}
	return c.Client.Do(req)
}

// isServiceURL reports whether u belongs to the service itself. The storage behind a download link must not get the
// key.
func (c *apiClient) isServiceURL(u *url.URL) bool {
	for _, base := range []string{c.Search, c.Metadata, c.Download} {
		if b, err := url.Parse(base); err == nil && b.Host == u.Host && b.Scheme == u.Scheme {
			return true
		}
	}
	return false
}

// statusError returns the fault for a status other than 2xx. after is as in tryJSON.
func statusError(what string, resp *http.Response) (after time.Duration, err error) {
	status := resp.StatusCode
	switch {
	case status >= 200 && status < 300:
		return 0, nil
	case status == http.StatusTooManyRequests:
		return retryAfter(resp), fault.New(fault.Unavailable, "%s: %w", what, errThrottled)
	case status == http.StatusRequestEntityTooLarge:
		return -1, errTooLarge
	case status == http.StatusNotFound:
		return -1, fault.New(fault.NotFound, "%s: unknown to the service", what)
	case status >= 500 || status == http.StatusRequestTimeout:
		return retryAfterOr(resp, 0), fault.New(fault.Unavailable, "%s: HTTP %d", what, status)
	}
	refused := fault.New(fault.Unprocessable, "%s: HTTP %d", what, status)
	if status == http.StatusForbidden || status == http.StatusUnauthorized {
		refused = refused.WithHint("the service, or a proxy or firewall before it, refuses this machine or its API " +
			"key: check LEADCTL_ACRA_API_KEY and HTTPS_PROXY, and try the address with curl")
	}
	return -1, refused
}

// retryAfter returns the wait before a throttled call is repeated: Retry-After within limits, otherwise the service's
// window.
func retryAfter(resp *http.Response) time.Duration {
	return retryAfterOr(resp, throttleWait+rand.N(3*time.Second))
}

func retryAfterOr(resp *http.Response, otherwise time.Duration) time.Duration {
	text := strings.TrimSpace(resp.Header.Get("Retry-After"))
	d := otherwise
	if n, err := strconv.ParseUint(text, 10, 31); err == nil {
		d = time.Duration(n)*time.Second + rand.N(time.Second)
	} else if at, err := http.ParseTime(text); err == nil {
		d = time.Until(at) + rand.N(time.Second)
	}
	return min(max(d, 0), maxRetryAfter)
}

// withoutURL removes the URL from a network error: a download link works as a credential for an hour.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
