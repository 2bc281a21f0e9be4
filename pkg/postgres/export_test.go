package postgres

import "time"

// SetLockTimes replaces the lock times, for tests that cannot wait as long as production does.
func SetLockTimes(db *DB, beat, idle time.Duration) { db.locks = lockTimes{beat, idle} }
