package httpapi

import "time"

// StopClock sets the time of the server and its door to now, so that pace limits do not depend on the machine's speed.
// Call it before any request.
func (s *Server) StopClock(now time.Time) {
	s.now = func() time.Time { return now }
	s.door.StopClock(now)
}

// Waiting returns the number of requests that wait for a workspace.
func (s *Server) Waiting() int {
	s.waits.mu.Lock()
	defer s.waits.mu.Unlock()
	return len(s.waits.newest)
}
