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
	hintNoPG  = "install PostgreSQL 15 or newer, or set POSTGRES_DSN to a server of your own"
)

// Options say what kind of server to start. The zero value is a fast one that forgets everything.
type Options struct {
	// Log is told, in one line each, what Start is busy with. It may be nil.
	Log func(format string, args ...any)
	// Settings are server parameters by name (work_mem: 64MB), on top of and stronger than those Start chooses. With
	// listen_addresses and port the server is reached over TCP too, without a password: for loopback only.
	Settings map[string]string
	// BinDir is the directory that holds initdb and postgres. Empty means: find them, else fetch them.
	BinDir string
	// CacheDir is where fetched binaries are kept, as postgres-<version>. Empty means leadctl's folder in the user's cache
	// directory, or for root, whose home the server's user cannot enter, /var/tmp/leadctl-postgres-<version>.
	CacheDir string
	// Durable keeps fsync, full_page_writes and synchronous_commit on, as benchmarks need it.
	Durable bool
}

func (o Options) logf(format string, args ...any) {
	if o.Log != nil {
		o.Log(format, args...)
	}
}

// Server is a running throwaway server.
type Server struct {
	dir     string
	port    string
	version version
	pid     int // of the supervising shell
	hangUp  func() error
	done    chan struct{} // closed when the supervisor has ended, and with it the server and its directory
	lastLog func() string // the end of the server's log; valid once done is closed
}

// DSN is the URL of the named database for the superuser leadctl, with no password. The database need not exist yet;
// "postgres" always does.
func (s *Server) DSN(database string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.User(superuser),
		Path:     "/" + database,
		RawQuery: url.Values{"host": {s.dir}, "port": {s.port}}.Encode(),
	}
	return u.String()
}

// Dir is the server's directory: the socket and, while the server runs, its data and its log. It is gone after Stop.
func (s *Server) Dir() string { return s.dir }

// Version is the server's own version, such as "15.14".
func (s *Server) Version() string { return s.version.String() }

// Stop ends the server at once, without a checkpoint, and removes its directory. A second Stop does nothing.
// The fault is Unavailable when the server is still there after 30 seconds.
func (s *Server) Stop() error {
	_ = s.hangUp() // closing twice is all that can go wrong
	select {
	case <-s.done:
		return nil
	case <-time.After(stopLimit):
		return fault.New(fault.Unavailable, "throwaway PostgreSQL in %s: still there %s after the order to stop", s.dir, stopLimit)
	}
}
