package serve

import (
	"cmp"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/leadctl/leadctl/pkg/config"
	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/web"
)

// timeouts are the daemon's time limits. Tests use shorter ones.
type timeouts struct {
	header  time.Duration // for a request's header
	request time.Duration // for all of a request to arrive
	answer  time.Duration // for an answer to be read; downloads have their own limit
	// longest duration of a download, and of a wait for a workspace; the defaults are httpapi's
	download, infoWait time.Duration
	idle               time.Duration // between two requests
	grace              time.Duration // for requests under way when the daemon ends
	recheck            time.Duration // how old the gate's verdict behind /readyz may be
}

func (t timeouts) withDefaults() timeouts {
	return timeouts{
		header: cmp.Or(t.header, 10*time.Second), request: cmp.Or(t.request, 30*time.Second),
		answer: cmp.Or(t.answer, time.Minute),
		idle:   cmp.Or(t.idle, 2*time.Minute), grace: cmp.Or(t.grace, requestGrace),
		recheck: cmp.Or(t.recheck, 30*time.Second), download: t.download, infoWait: t.infoWait,
	}
}

func newServer(h http.Handler, t timeouts, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: t.header, ReadTimeout: t.request, WriteTimeout: t.answer, IdleTimeout: t.idle,
		MaxHeaderBytes: web.MaxHeaderBytes, DisableGeneralOptionsHandler: true,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

// listenAPI opens the API's port, or uses the listener of opts.
func listenAPI(cfg config.Config, opts Options) (net.Listener, error) {
	if opts.Listen != nil {
		return opts.Listen()
	}
	return listenOn(cfg.API.Listen, "choose another with --listen, for example --listen 127.0.0.1:2025")
}

// listenOn opens a port. Faults: Conflict with the hint if it is taken, Invalid if the address is not valid.
func listenOn(address, hint string) (net.Listener, error) {
	ln, err := net.Listen("tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fault.New(fault.Conflict, "address %s: another process listens there", address).WithHint("%s", hint)
	case err != nil:
		return nil, fault.New(fault.Invalid, "address %s: %w", address, err).
			WithHint("want host:port, with an address of this machine")
	}
	return ln, nil
}
