package postgres

import "time"

// SetLockTimes is for tests that cannot wait for as long as a process in production may stand still.
func SetLockTimes(db *DB, beat, idle time.Duration) { db.locks = lockTimes{beat, idle} }
