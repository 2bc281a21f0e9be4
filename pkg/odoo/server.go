package odoo

import (
	"cmp"
	"log/slog"
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

// Options says where an Odoo server is and how hard it may be used. Only BaseURL is required.
type Options struct {
	BaseURL    string       // http(s)://host[:port][/prefix], no credentials in it
	HTTPClient *http.Client // nil: one with its own pool and dial timeouts; redirects are never followed
	// of one call, waiting for a slot included; 60 s by default (Odoo itself retries conflicts for seconds)
	Timeout       time.Duration
	MaxConcurrent int    // calls at once to this server, over all databases; 8 by default
	MaxAnswer     int64  // bytes of one answer; 32 MiB by default
	Protocol      string // ProtocolAuto by default; which protocol a Provisioner speaks here
	// calls without an answer, one after the other, before the server is left alone; 5 by default
	TripAfter int
	Cooldown  time.Duration // for how long it is left alone then; 10 s by default
	Log       *slog.Logger  // one debug line per call, without arguments; discarded by default
}

// Ways of speaking to Odoo. JSON-2 neither makes databases nor takes passwords: that is done over XML-RPC or as Odoo's
// own pages do it.
const (
	ProtocolAuto   = "auto"   // on 19 and later JSON-2 for keys and ProtocolWeb for passwords, XML-RPC before
	ProtocolXMLRPC = "xmlrpc" // every version to date, for passwords, too
	ProtocolJSON2  = "json2"  // 19 and later, API keys only
	ProtocolWeb    = "web"    // what a Provisioner comes to without keys on 19 and later; no choice of Options
)

// Server is one Odoo installation. It is safe for concurrent use and holds nothing that needs closing.
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
	version   atomic.Pointer[Version] // what the first call learnt
	backend   memo.Value[Backend]     // how Odoo makes databases here
	cookies   sync.Map                // webKey → string: sessions of the web client's kind
}

// New checks the options and makes no call. fault.Operator: an address that cannot be one.
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

// Protocol is what Options.Protocol asked for.
func (s *Server) Protocol() string { return s.protocol }

// BaseURL is the server's address without a trailing slash.
func (s *Server) BaseURL() string { return s.base }

func baseURL(raw string) (string, error) {
	u, err := url.Parse(strings.TrimSpace(raw))
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return "", fault.New(fault.Operator, "Odoo address: not an http(s) URL").
			WithCode(CodeMisconfig).WithHint("set ODOO_SERVER_URL to something like https://odoo.example.com")
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", fault.New(fault.Operator, "Odoo address %s: credentials, a query or a fragment in it", u.Host).
			WithCode(CodeMisconfig)
	}
	return u.Scheme + "://" + u.Host + strings.TrimRight(u.EscapedPath(), "/"), nil
}

// ServiceLogin is the login of leadctl's own account in every workspace. It is not an e-mail address, so no person's
// can collide with it.
const ServiceLogin = "leadctl"
