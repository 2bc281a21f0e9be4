package odoo

import (
	"cmp"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/memo"
)

// Options are the address of an Odoo server and the limits on its use. Only BaseURL is required.
type Options struct {
	BaseURL    string       // http(s)://host[:port][/prefix], without credentials
	HTTPClient *http.Client // nil: one with its own pool and dial timeouts; it never follows redirects
	// limit for one call with its wait for a slot; 60 s by default (Odoo itself retries conflicts for seconds)
	Timeout       time.Duration
	MaxConcurrent int    // concurrent calls to this server, over all databases; 8 by default
	MaxAnswer     int64  // bytes of one answer; 32 MiB by default
	Protocol      string // protocol of leadctl's accounts; ProtocolAuto by default
	// consecutive calls without an answer before the circuit breaker opens; 5 by default
	TripAfter int
	Cooldown  time.Duration // time for which the breaker stays open; 10 s by default
	Log       *slog.Logger  // one debug line per call, without arguments; discarded by default
}

// Protocols. JSON-2 neither makes databases nor takes passwords; XML-RPC and JSON-RPC do that.
const (
	ProtocolAuto   = "auto"   // on 19 and later JSON-2 for keys and ProtocolWeb for passwords, XML-RPC before
	ProtocolXMLRPC = "xmlrpc" // every version to date, keys and passwords
	ProtocolJSON2  = "json2"  // 19 and later, API keys only
	ProtocolWeb    = "web"    // JSON-RPC of Odoo's own pages, for passwords on 19 and later; not for Options
)

// Server is one Odoo installation. It is safe for concurrent use and needs no closing.
type Server struct {
	base      string
	http      *http.Client
	timeout   time.Duration
	maxAnswer int64
	slots     chan struct{}
	log       *slog.Logger
	protocol  string
	breaker   *gobreaker.CircuitBreaker[answer]
	cooldown  time.Duration
	version   atomic.Pointer[Version] // from the first call
	backend   memo.Value[Backend]     // from the first call
	cookies   sync.Map                // webKey → string: cookies of JSON-RPC sessions
}

// Version is the version that a server reports.
type Version struct {
	Name   string // "19.0"
	Major  int    // 19; 0 when the answer has none
	XMLRPC bool   // XML-RPC is open: 19 is the last version with it, and a proxy may close it earlier
}

// Backend names one way in which Odoo makes databases.
type Backend string

// The backends. leadctl uses the service where it answers, else the forms.
const (
	BackendService Backend = "database service" // /xmlrpc/2/db
	BackendForms   Backend = "web form"         // the pages below /web/database
)

// New returns a Server. It makes no call. fault.Operator means that the address is invalid.
func New(o Options) (*Server, error) {
	base, err := baseURL(o.BaseURL)
	if err != nil {
		return nil, err
	}
	if o.Timeout <= 0 {
		o.Timeout = time.Minute
	}
	if o.MaxConcurrent <= 0 {
		o.MaxConcurrent = 8
	}
	if o.MaxAnswer <= 0 {
		o.MaxAnswer = 32 << 20
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.TripAfter <= 0 {
		o.TripAfter = 5
	}
	if o.Cooldown <= 0 {
		o.Cooldown = 10 * time.Second
	}
	return &Server{base: base, http: httpClient(o.HTTPClient, o.MaxConcurrent), timeout: o.Timeout,
		maxAnswer: o.MaxAnswer,
		slots:     make(chan struct{}, o.MaxConcurrent), log: o.Log, protocol: cmp.Or(o.Protocol, ProtocolAuto),
		breaker: newBreaker(o.TripAfter, o.Cooldown), cooldown: o.Cooldown}, nil
}

// httpClient returns given, or a new client. Neither follows redirects: a redirected POST would lose its body, and a
// secret must not reach an address that is not configured.
func httpClient(given *http.Client, conns int) *http.Client {
	c := http.Client{Transport: &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:   10 * time.Second,
		IdleConnTimeout:       30 * time.Second,
		MaxIdleConnsPerHost:   conns,
		ExpectContinueTimeout: time.Second,
	}}
	if given != nil {
		c = *given
	}
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &c
}

// Protocol returns Options.Protocol, ProtocolAuto by default.
func (s *Server) Protocol() string { return s.protocol }

// BaseURL returns the server's address without a trailing slash.
func (s *Server) BaseURL() string { return s.base }

func baseURL(raw string) (string, error) {
	u, err := url.Parse(strings.TrimSpace(raw))
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return "", fault.New(fault.Operator, "Odoo address: not an http(s) URL").
			WithCode(CodeMisconfig).WithHint("set ODOO_SERVER_URL, for example to https://odoo.example.com")
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", Misconfigured("Odoo address %s: must not have credentials, a query or a fragment", u.Host)
	}
	return u.Scheme + "://" + u.Host + strings.TrimRight(u.EscapedPath(), "/"), nil
}

// ServiceLogin is the login of leadctl's own account in every workspace. It is not an e-mail address, so it never
// equals a person's login.
const ServiceLogin = "leadctl"
