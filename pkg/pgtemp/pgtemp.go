package pgtemp

import (
	"net/url"
	"time"

	"github.com/leadctl/leadctl/pkg/fault"
)

const (
	superuser = "leadctl"
	port      = "5432" // names the socket file; no TCP port is opened
	oldest    = 15     // the oldest major version leadctl supports
	stopLimit = 30 * time.Second
	hintNoPG  = "install PostgreSQL 15 or newer; tests can use a server that LEADCTL_TEST_POSTGRES_DSN names"
)

// Options are the options of Start. The zero value is a fast server that is not crash-safe.
type Options struct {
	// Log, if not nil, is called with one line of progress at a time.
	Log func(format string, args ...any)
	// Settings are server parameters by name, such as work_mem: 64MB. They override those that Start sets. With
	// listen_addresses and port, the server also accepts TCP connections without a password: use a loopback address.
	Settings map[string]string
	// BinDir is the directory of initdb and postgres. If it is "", Start finds or downloads them.
	BinDir string
	// CacheDir is the directory for downloaded binaries, which are in postgres-<version> below it. The default is
	// leadctl's folder in the user's cache directory. Under root it is /var/tmp/leadctl-postgres-<version>, because the
	// server's user cannot enter root's home directory.
	CacheDir string
	// Durable keeps fsync, full_page_writes and synchronous_commit on, for benchmarks.
	Durable bool
}

func (o Options) logf(format string, args ...any) {
	if o.Log != nil {
		o.Log(format, args...)
	}
}

// Server is a running temporary server.
type Server struct {
	dir     string
	port    string
	version version
	pid     int           // of the supervising shell
	hangUp  func() error  // closes the pipe to the supervisor, which then stops the server
	done    chan struct{} // closed when the supervisor has ended and has removed the server and its directory
	lastLog func() string // returns the end of the server's log; valid after done is closed
}

// DSN returns the connection URL of database for the superuser leadctl, without a password. The database postgres
// always exists.
func (s *Server) DSN(database string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.User(superuser),
		Path:     "/" + database,
		RawQuery: url.Values{"host": {s.dir}, "port": {s.port}}.Encode(),
	}
	return u.String()
}

// Dir returns the server's directory. It holds the socket, the data and the log; Stop removes it.
func (s *Server) Dir() string { return s.dir }

// Version returns the server's version, such as "15.14".
func (s *Server) Version() string { return s.version.String() }

// Stop ends the server immediately, without a checkpoint, and removes its directory. A second Stop does nothing. It
// returns an Unavailable fault if the server still runs after 30 seconds.
func (s *Server) Stop() error {
	_ = s.hangUp() // its only error is that the pipe is already closed
	select {
	case <-s.done:
		return nil
	case <-time.After(stopLimit):
		return fault.New(fault.Unavailable,
			"temporary PostgreSQL in %s: still running %s after the request to stop", s.dir, stopLimit)
	}
}
