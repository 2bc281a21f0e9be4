package httpapi

import "time"

// StopClock sets the time of the server and its door to now, so that pace limits do not depend on the machine's speed.
// Call it before any request.
func (s *Server) StopClock(now time.Time) {
	s.now = func() time.Time { return now }
	s.door.StopClock(now)
}
