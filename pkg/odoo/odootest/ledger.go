package odootest

import (
	"encoding/json"
	"time"
)

// Effect is one change on the server, whether or not its answer reached the caller. It holds no secrets.
type Effect struct {
	Seq int       `json:"seq"` // from 1, without gaps
	At  time.Time `json:"at"`
	// "create_database", "duplicate_database", "rename", "drop", "install", "create", "write", "unlink"
	Do       string `json:"do"`
	Database string `json:"database"`
	Model    string `json:"model,omitempty"` // for the last three
	ID       int64  `json:"id,omitempty"`
	Name     string `json:"name,omitempty"` // the record's name or login, the source or target of a database
}

// Ledger returns a copy of all effects so far, oldest first.
func (s *Server) Ledger() []Effect {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Effect(nil), s.ledger...)
}

// appendEffect appends one effect. The caller holds the lock.
func (s *Server) appendEffect(e Effect) {
	e.Seq, e.At = len(s.ledger)+1, s.now().UTC()
	s.ledger = append(s.ledger, e)
	if s.file != nil {
		// A demo goes on when its disk is full; the ledger in memory is complete.
		_ = json.NewEncoder(s.file).Encode(e)
	}
}
