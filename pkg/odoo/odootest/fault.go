package odootest

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// Trouble is how a call fails.
type Trouble int

// The troubles. After all but Refuse and Slow, the caller has no usable answer.
const (
	Refuse   Trouble = iota // a fault with Code and Text (over JSON-2: its status)
	Status                  // an HTML page with HTTP status Code, as proxies send
	Slow                    // Delay first, then the real answer
	Hang                    // no answer until the caller gives up
	Reset                   // the connection is reset
	Truncate                // the answer breaks off in the middle
	Garbage                 // HTTP 200 with a page
	Huge                    // an answer of Code MiB
)

// Fault makes some calls fail.
type Fault struct {
	// "res.partner.create", "db.duplicate_database", "common.authenticate"; "*" at the end matches any rest
	Op       string
	Database string // "" matches any
	Skip     int    // matching calls that succeed first
	Times    int    // calls that fail then; 0: all
	Do       Trouble
	Execute  bool // the call is carried out before its answer is spoiled
	Code     int
	Text     string // with Refuse, {args} becomes the call's arguments with their secrets
	Delay    time.Duration
}

// Inject adds a Fault. The first one that matches a call applies.
func (s *Server) Inject(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &script{Fault: f})
}

// Exhaust leaves Odoo without a connection to PostgreSQL. Then db_exist answers no for every database, and every other
// call fails.
func (s *Server) Exhaust() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.exhausted = true
}

// Heal removes all faults and ends Exhaust.
func (s *Server) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults, s.exhausted = nil, false
}

type script struct {
	Fault
	seen int
}

func (s *Server) faultFor(op, db string) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.faults {
		rest, open := strings.CutSuffix(f.Op, "*")
		if !(f.Op == op || open && strings.HasPrefix(op, rest)) || f.Database != "" && f.Database != db {
			continue
		}
		f.seen++
		if f.seen > f.Skip && (f.Times == 0 || f.seen <= f.Skip+f.Times) {
			return &f.Fault
		}
	}
	if s.exhausted && op != "db.db_exist" && op != "common.version" {
		return &Fault{Code: 1,
			Text: "Traceback\n  File\npsycopg2.OperationalError: FATAL:  remaining connection slots are reserved"}
	}
	return nil
}

// answerWithFault answers a call, spoiled by f if f is not nil.
func (s *Server) answerWithFault(w http.ResponseWriter, r *http.Request, f *Fault, answer func(io.Writer),
	refuse func(io.Writer, *fault)) {
	if f != nil && f.Execute {
		var done strings.Builder
		answer(&done)
		answer = func(w io.Writer) { _, _ = io.WriteString(w, done.String()) }
	}
	switch {
	case f == nil:
		answer(w)
	case f.Do == Refuse:
		refuse(w, &fault{f.Code, f.Text})
	case !f.spoilAnswer(w, r, answer):
		answer(w)
	}
}

// spoilAnswer spoils the answer. It returns false for a trouble that ends with the real answer.
func (f *Fault) spoilAnswer(w http.ResponseWriter, r *http.Request, answer func(io.Writer)) bool {
	switch f.Do {
	case Status:
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(f.Code)
		fmt.Fprintf(w, "<html><h1>%d</h1>%s</html>", f.Code, f.Text)
	case Slow:
		waitFor(r.Context(), f.Delay)
		return false
	case Hang:
		<-r.Context().Done()
	case Reset:
		resetConnection(w)
	case Truncate:
		var b strings.Builder
		answer(&b)
		w.Header().Set("Content-Length", fmt.Sprint(b.Len()))
		_, _ = io.WriteString(w, b.String()[:b.Len()/2])
	case Garbage:
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<html>"+f.Text+"</html>")
	case Huge:
		for range f.Code {
			_, _ = io.WriteString(w, strings.Repeat(" ", 1<<20))
		}
	default:
		return false
	}
	return true
}

func waitFor(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// resetConnection closes the connection so that the peer sees a reset instead of an end.
func resetConnection(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
