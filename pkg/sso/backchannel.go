package sso

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/leadctl/leadctl/pkg/fault"
)

// Limits on one answer of the identity provider.
const (
	maxResponse  = 1 << 20
	fetchTimeout = 5 * time.Second
)

// backChannel is how leadctl itself reaches the identity provider: one host, no redirects, bounded answers.
type backChannel struct {
	issuer       string
	base         string // where the issuer's documents are read: the internal URL, else the issuer
	client       *http.Client
	ownTransport *http.Transport // to be closed with us; nil for a caller's client
}

func newBackChannel(cfg Config) *backChannel {
	b := &backChannel{issuer: cfg.Issuer, base: cfg.Issuer}
	if cfg.InternalURL != "" {
		b.base = cfg.InternalURL
	}
	var client http.Client
	if cfg.HTTPClient != nil {
		client = *cfg.HTTPClient
	} else if t, ok := http.DefaultTransport.(*http.Transport); ok {
		b.ownTransport = t.Clone()
		client.Transport = b.ownTransport
	}
	client.Timeout = fetchTimeout
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	b.client = &client
	return b
}

func (b *backChannel) close() {
	if b.ownTransport != nil {
		b.ownTransport.CloseIdleConnections()
	}
}

// wellKnownURL is the address of one of the issuer's well-known documents.
func (b *backChannel) wellKnownURL(name string) string {
	return strings.TrimSuffix(b.base, "/") + "/.well-known/" + name
}

// statusError is an answer with another status than 200.
type statusError struct {
	url    string
	status int
}

// Error names the address and the status; redirects are called by name since they are never followed.
func (e *statusError) Error() string {
	if e.status >= 300 && e.status < 400 {
		return fmt.Sprintf("%s: status %d, a redirect, which is not followed", e.url, e.status)
	}
	return fmt.Sprintf("%s: status %d", e.url, e.status)
}

// getDocument reads one document of at most 1 MiB.
func (b *backChannel) getDocument(ctx context.Context, address string) ([]byte, http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Accept", "application/json")
	resp, err := b.client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, nil, &statusError{address, resp.StatusCode}
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxResponse+1))
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", address, err)
	}
	if len(body) > maxResponse {
		return nil, nil, fmt.Errorf("%s: more than %d bytes", address, maxResponse)
	}
	return body, resp.Header, nil
}

// callableURL turns an address that the provider advertises into one that may be called: on the issuer's own host, moved to
// the internal URL when there is one. Any other host, or plain http where the base is https, is a fault.Operator.
func (b *backChannel) callableURL(advertised string) (string, error) {
	u, err := url.Parse(advertised)
	if err != nil || u.Host == "" || u.User != nil {
		return "", fault.New(fault.Operator, "identity provider address %q: not an absolute URL", advertised)
	}
	issuer, base := mustURL(b.issuer), mustURL(b.base)
	if b.base != b.issuer && hostPort(u) == hostPort(issuer) {
		u = rebaseURL(u, issuer, base)
	}
	if hostPort(u) == hostPort(base) && (u.Scheme == "https" || u.Scheme == base.Scheme) {
		return u.String(), nil
	}
	return "", fault.New(fault.Operator, "identity provider address %q: not on the issuer's host %s", advertised, base.Host).
		WithHint("keys are only read from %s://%s; set the provider's public host name, or the back channel setting", base.Scheme, base.Host)
}

// internalURL turns an address that the provider advertises into one that is called from here: that of the issuer's own host is
// moved to the internal URL. Others stay as they are.
func (b *backChannel) internalURL(advertised string) string {
	u, err := url.Parse(advertised)
	if err != nil || b.base == b.issuer || hostPort(u) != hostPort(mustURL(b.issuer)) {
		return advertised
	}
	return rebaseURL(u, mustURL(b.issuer), mustURL(b.base)).String()
}

// rebaseURL puts base in place of issuer: the whole prefix when u lies below the issuer, else scheme and host.
func rebaseURL(u, issuer, base *url.URL) *url.URL {
	out := *u
	out.Scheme, out.Host = base.Scheme, base.Host
	if rest, below := strings.CutPrefix(u.Path, strings.TrimSuffix(issuer.Path, "/")+"/"); below {
		out.Path, out.RawPath = strings.TrimSuffix(base.Path, "/")+"/"+rest, ""
	}
	return &out
}

// mustURL parses a URL that Config.validate has parsed before.
func mustURL(s string) *url.URL {
	u, err := url.Parse(s)
	if err != nil {
		return &url.URL{}
	}
	return u
}

// hostPort is host and port with the scheme's default port made explicit.
func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	return net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}
