package jobs

import (
	"sync/atomic"
	"time"
)

// processAhead is how far this process's clock is set ahead, in nanoseconds. Only tests do that.
var processAhead atomic.Int64

// processNow is this process's clock.
func processNow() time.Time { return time.Now().Add(time.Duration(processAhead.Load())) }

// databaseAhead is how far the database's clock is ahead of this process's, in nanoseconds. It is one value for the
// process, because a process has one database and workers compute retries without a Client.
var databaseAhead atomic.Int64

// Now returns the time by the database's clock. Use it for every time that is stored with a job or compared with a time
// of the database: a replica whose clock is wrong would otherwise retry a day late, or never.
func Now() time.Time { return processNow().Add(time.Duration(databaseAhead.Load())) }

// observeClock sets the difference of the clocks from a time that the database has just returned.
func observeClock(database time.Time) { databaseAhead.Store(int64(database.Sub(processNow()))) }

// riverClock gives River the database's clock.
type riverClock struct{}

// Now implements rivertype.TimeGenerator.
func (riverClock) Now() time.Time { return Now() }

// NowOrNil implements rivertype.TimeGenerator. With nil, statements use the database's now().
func (riverClock) NowOrNil() *time.Time { return nil }
