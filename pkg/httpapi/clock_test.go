package httpapi

import "time"

// StopClock makes the server and its door take now for the time from here on, so that what is paced does not depend on
// the machine's speed. It is called before any request.
func (s *Server) StopClock(now time.Time) {
	s.now = func() time.Time { return now }
	s.door.StopClock(now)
}
