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

// The public service and its collection.
const (
	SearchURL    = "https://data.gov.sg/api/action/datastore_search"
	metadataBase = "https://api-production.data.gov.sg"
	downloadBase = "https://api-open.data.gov.sg"
	collection   = "2" // ACRA Information on Corporate Entities
)

// How patient a call is.
const (
	callTries     = 8
	callTimeout   = 2 * time.Minute
	throttleWait  = 10 * time.Second // the service's window; its 429 names no time
	maxRetryAfter = 2 * time.Minute
	maxBackoff    = time.Minute
	maxBody       = 64 << 20
	window        = 10 * time.Second
)

// Service is data.gov.sg, or something that answers like it. Make one with NewService.
type Service struct {
	Search   string // URL of datastore_search
	Metadata string // base URL of the collection's metadata
	Download string // base URL of the bulk download
	Key      string // x-api-key; raises the limits, is not needed
	// CallsPerWindow is how many searches are made in ten seconds, CallsPerWindow/2 for the download's calls. 0 means 4, or
	// 8 with a key; a production key allows 20.
	CallsPerWindow int
	Client         *http.Client                               // nil means one with timeouts of its own
	Wait           func(context.Context, time.Duration) error // nil means to sleep
	Log            *slog.Logger
}

// NewService is the service whose datastore_search is at search; "" means data.gov.sg. Anything else than data.gov.sg is
// expected to answer for metadata and download at the same origin, and is not known to have limits.
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

// caller makes the calls of one run.
type caller struct {
	Service
	searches, downloads pace
}

func (s Service) caller() *caller {
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
		s.Wait = wait
	}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	c := &caller{Service: s}
	c.searches.gap = window / time.Duration(s.CallsPerWindow)
	c.downloads.gap = window / time.Duration(max(1, s.CallsPerWindow/2))
	return c
}

// pace spreads calls evenly, which keeps any window of the service below its limit.
type pace struct {
	mu   sync.Mutex
	gap  time.Duration
	next time.Time
}

// turn is how long to wait before the call that is to be made now.
func (p *pace) turn() time.Duration {
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

// tooLarge is what a page that the service will not send is answered with.
var errTooLarge = errors.New("answer too large for the service")

// getJSON calls address until it answers with JSON that check takes, and decodes that into out.
// Faults: Unavailable after the last try, NotFound, Unprocessable; errTooLarge for 413.
func (c *caller) getJSON(ctx context.Context, p *pace, what, address string, out any, check func() error) error {
	for try := 1; ; try++ {
		if err := c.Wait(ctx, p.turn()); err != nil {
			return err
		}
		after, err := c.tryJSON(ctx, what, address, out, check)
		if err == nil || after < 0 || ctx.Err() != nil {
			return err
		}
		if try == callTries {
			return fault.New(fault.Unavailable, "%s: given up after %d tries: %w", what, try, err).WithRetryAfter(after)
		}
		pause := max(after, backoff(try))
		c.Log.WarnContext(ctx, "register source", "call", what, "try", try, "wait", pause, "error", err)
		if err := c.Wait(ctx, pause); err != nil {
			return err
		}
	}
}

// backoff is a wait that doubles from a second on, with jitter so that replicas do not call in step.
func backoff(try int) time.Duration {
	d := min(time.Second<<(try-1), maxBackoff)
	return d/2 + rand.N(d)
}

// tryJSON makes one call. after is how long to wait before the next, negative when another is no use.
func (c *caller) tryJSON(ctx context.Context, what, address string, out any, check func() error) (after time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	resp, err := c.get(ctx, address, nil)
	if err != nil {
		return 0, fault.New(fault.Unavailable, "%s: %w", what, withoutURL(err))
	}
	defer resp.Body.Close()
	if after, err := refusalOf(what, resp); err != nil {
		return after, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return 0, fault.New(fault.Unavailable, "%s: answer cut off: %w", what, err)
	}
	if trimmed := bytes.TrimLeft(body, " \t\r\n\ufeff"); len(trimmed) == 0 || trimmed[0] != '{' {
		return 0, fault.New(fault.Unavailable, "%s: no JSON in the answer (%s)", what, clip(resp.Header.Get("Content-Type"), 40))
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if err := decoder.Decode(out); err != nil {
		return 0, fault.New(fault.Unavailable, "%s: JSON cut off or damaged: %w", what, err)
	}
	return 0, check()
}

func (c *caller) get(ctx context.Context, address string, header http.Header) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	if header != nil {
		req.Header = header
	}
	req.Header.Set("User-Agent", "leadctl")
	if c.Key != "" && c.ours(req.URL) {
		req.Header.Set("X-Api-Key", c.Key)
	}
	return c.Client.Do(req)
}

// ours reports whether u belongs to the service itself. The storage that the download's link points to gets no key.
func (c *caller) ours(u *url.URL) bool {
	for _, base := range []string{c.Search, c.Metadata, c.Download} {
		if b, err := url.Parse(base); err == nil && b.Host == u.Host && b.Scheme == u.Scheme {
			return true
		}
	}
	return false
}

// refusalOf reads a status that is no success.
func refusalOf(what string, resp *http.Response) (after time.Duration, err error) {
	status := resp.StatusCode
	switch {
	case status >= 200 && status < 300:
		return 0, nil
	case status == http.StatusTooManyRequests:
		return retryAfter(resp), fault.New(fault.Unavailable, "%s: rate limit", what)
	case status == http.StatusRequestEntityTooLarge:
		return -1, errTooLarge
	case status == http.StatusNotFound:
		return -1, fault.New(fault.NotFound, "%s: not known to the service", what)
	case status >= 500 || status == http.StatusRequestTimeout:
		return retryAfterOr(resp, 0), fault.New(fault.Unavailable, "%s: HTTP %d", what, status)
	}
	return -1, fault.New(fault.Unprocessable, "%s: HTTP %d", what, status)
}

// retryAfter is when a throttled call may come again: as told, within reason, else after the service's window.
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

// withoutURL drops the address from a network error: the download's link is a credential for an hour.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// dataset is one of the collection's.
type dataset struct {
	id, name string
	version  string // when it was published; "" when the metadata are not to be had
}

// datasets lists what to read: the collection's, or of those the ones named by id. all says that it is the whole collection.
func (c *caller) datasets(ctx context.Context, ids []string) (list []dataset, all bool, err error) {
	list, err = c.published(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil, false, ctx.Err()
		}
		c.Log.WarnContext(ctx, "register metadata not to be had, going by the known dataset ids", "error", err)
		list = knownDatasets()
	}
	if len(ids) == 0 {
		return list, true, nil
	}
	byID := map[string]dataset{}
	for _, d := range list {
		byID[d.id] = d
	}
	var chosen []dataset
	for _, id := range ids {
		d, ok := byID[id]
		if !ok {
			d = dataset{id: id, name: id}
		}
		chosen = append(chosen, d)
	}
	return chosen, false, nil
}

// published asks the collection for its datasets.
func (c *caller) published(ctx context.Context) ([]dataset, error) {
	var answer struct {
		Code int
		Data struct {
			CollectionMetadata struct {
				LastUpdatedAt string
				ChildDatasets []string
			}
			DatasetMetadata []struct{ DatasetID, Name, LastUpdatedAt string }
		}
	}
	address := c.Metadata + "/v2/public/api/collections/" + collection + "/metadata?withDatasetMetadata=true"
	err := c.getJSON(ctx, &c.downloads, "collection "+collection, address, &answer, func() error {
		if answer.Code != 0 || len(answer.Data.CollectionMetadata.ChildDatasets) == 0 {
			return fault.New(fault.Unavailable, "collection %s: no datasets in the answer (code %d)", collection, answer.Code)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	names := map[string]dataset{}
	for _, d := range knownDatasets() {
		names[d.id] = d
	}
	for _, d := range answer.Data.DatasetMetadata {
		names[d.DatasetID] = dataset{name: letterOf(d.Name, d.DatasetID), version: d.LastUpdatedAt}
	}
	var list []dataset
	for _, id := range answer.Data.CollectionMetadata.ChildDatasets {
		d := names[id]
		d.id, d.name = id, orElse(d.name, id)
		d.version = orElse(d.version, answer.Data.CollectionMetadata.LastUpdatedAt)
		list = append(list, d)
	}
	return list, nil
}

// letterOf is the part of a dataset's name that tells it from the others: what is quoted in "… ('A')".
func letterOf(name, otherwise string) string {
	if _, rest, ok := strings.Cut(name, "('"); ok {
		if letter, _, ok := strings.Cut(rest, "')"); ok {
			return letter
		}
	}
	return orElse(name, otherwise)
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func versionsOf(list []dataset) map[string]string {
	versions := map[string]string{}
	for _, d := range list {
		if d.version == "" {
			return nil // without all of them nothing can be told to be unchanged
		}
		versions[d.id] = d.version
	}
	return versions
}

// knownDatasets are the collection's datasets as they have been since it exists, for when the metadata are not to be had.
func knownDatasets() []dataset {
	const ids = `A d_8575e84912df3c28995b8e6e0e05205a B d_3a3807c023c61ddfba947dc069eb53f2 C d_c0650f23e94c42e7a20921f4c5b75c24
		D d_acbc938ec77af18f94cecc4a7c9ec720 E d_124a9bd407c7a25f8335b93b86e50fdd F d_4526d47d6714d3b052eed4a30b8b1ed6
		G d_b58303c68e9cf0d2ae93b73ffdbfbfa1 H d_fa2ed456cf2b8597bb7e064b08fc3c7c I d_85518d970b8178975850457f60f1e738
		J d_478f45a9c541cbe679ca55d1cd2b970b K d_5573b0db0575db32190a2ad27919a7aa L d_a2141adf93ec2a3c2ec2837b78d6d46e
		M d_9af9317c646a1c881bb5591c91817cc6 N d_67e99e6eabc4aad9b5d48663b579746a O d_5c4ef48b025fdfbc80056401f06e3df9
		P d_181005ca270b45408b4cdfc954980ca2 Q d_4130f1d9d365d9f1633536e959f62bb7 R d_2b8c54b2a490d2fa36b925289e5d9572
		S d_df7d2d661c0c11a7c367c9ee4bf896c1 T d_72f37e5c5d192951ddc5513c2b134482 U d_0cc5f52a1f298b916f317800251057f3
		V d_e97e8e7fc55b85a38babf66b0fa46b73 W d_af2042c77ffaf0db5d75561ce9ef5688 X d_1cd970d8351b42be4a308d628a6dd9d3
		Y d_31af23fdb79119ed185c256f03cb5773 Z d_4e3db8955fdcda6f9944097bef3d2724 Others d_300ddc8da4e8f7bdc1bfc62d0d99e2e7`
	words := strings.Fields(ids)
	var list []dataset
	for i := 0; i < len(words); i += 2 {
		list = append(list, dataset{id: words[i+1], name: words[i]})
	}
	return list
}
