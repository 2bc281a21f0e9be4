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

// Limits on one response of the identity provider.
const (
	maxResponse  = 1 << 20
	fetchTimeout = 5 * time.Second
)

// backChannel sends leadctl's own requests to the identity provider: to one host, without
// redirects, with bounded responses.
type backChannel struct {
	issuer       string
	base         string // the internal URL if there is one, else the issuer; documents are read below it
	client       *http.Client
	ownTransport *http.Transport // closed by close; nil when the caller gave the client
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

// wellKnownURL returns the address of one of the issuer's well-known documents.
func (b *backChannel) wellKnownURL(name string) string {
	return strings.TrimSuffix(b.base, "/") + "/.well-known/" + name
}

// statusError is a response with a status other than 200.
type statusError struct {
	url    string
	status int
}

// Error returns the address and the status. It says that a redirect is not followed.
func (e *statusError) Error() string {
	if e.status >= 300 && e.status < 400 {
		return fmt.Sprintf("%s: status %d, a redirect, which is not followed", e.url, e.status)
	}
	return fmt.Sprintf("%s: status %d", e.url, e.status)
}

// getDocument reads a document of at most maxResponse bytes.
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

// callableURL returns the URL to call for an address in the discovery document. It replaces the issuer by the
// internal URL, if there is one. It fails with fault.Operator for an address on another host, or on http when the
// base is on https.
func (b *backChannel) callableURL(advertised string) (string, error) {
	u, err := url.Parse(advertised)
	if err != nil || u.Host == "" || u.User != nil {
		return "", fault.New(fault.Operator, "identity provider address %q: must be an absolute URL", advertised)
	}
	issuer, base := mustURL(b.issuer), mustURL(b.base)
	if b.base != b.issuer && hostPort(u) == hostPort(issuer) {
		u = rebaseURL(u, issuer, base)
	}
	if hostPort(u) == hostPort(base) && (u.Scheme == "https" || u.Scheme == base.Scheme) {
		return u.String(), nil
	}
	return "", fault.New(fault.Operator, "identity provider address %q: must be on the issuer's host %s",
		advertised, base.Host).
		WithHint("leadctl reads keys from %s://%s only; set the provider's public host name or back channel",
			base.Scheme, base.Host)
}

// internalURL replaces the issuer by the internal URL in an address of the discovery document. It returns an address
// on another host unchanged.
func (b *backChannel) internalURL(advertised string) string {
	u, err := url.Parse(advertised)
	if err != nil || b.base == b.issuer || hostPort(u) != hostPort(mustURL(b.issuer)) {
		return advertised
	}
	return rebaseURL(u, mustURL(b.issuer), mustURL(b.base)).String()
}

// rebaseURL replaces issuer by base in u: the whole prefix if u is below the issuer, else scheme and host.
func rebaseURL(u, issuer, base *url.URL) *url.URL {
	out := *u
	out.Scheme, out.Host = base.Scheme, base.Host
	if rest, below := strings.CutPrefix(u.Path, strings.TrimSuffix(issuer.Path, "/")+"/"); below {
		out.Path, out.RawPath = strings.TrimSuffix(base.Path, "/")+"/"+rest, ""
	}
	return &out
}

// mustURL parses a URL that Config.validate has accepted.
func mustURL(s string) *url.URL {
	u, err := url.Parse(s)
	if err != nil {
		return &url.URL{}
	}
	return u
}

// hostPort returns host and port; the port is the scheme's default if u has none.
func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	return net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}
