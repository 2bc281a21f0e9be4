package httpapi

import "time"

// StopClock has the server take it for now until further notice, so that what is paced does not depend on a machine's speed.
// To be called before any request.
func (s *Server) StopClock(now time.Time) { s.now = func() time.Time { return now } }
