package jobs

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/schema"
)

// presenceClass is the first key of the session lock that a process with workers holds while it lives.
const presenceClass int32 = 0x6c656164

// lookInterval is how often a process looks for the jobs of dead processes. They are requeued when their process is
// absent in absentLooks looks in a row: a process whose session breaks takes its lock again within one interval.
const (
	lookInterval = 2 * time.Second
	absentLooks  = 3
)

// presence finds the jobs of dead processes. Each process holds a session lock with the key of its id, which PostgreSQL
// frees when the process dies. Its running jobs are then requeued within seconds. A process that hangs or whose machine
// is lost loses its lock after half a minute (postgres.DB.Lock).
type presence struct {
	db      *postgres.DB
	id      string // "leadctl-" and 16 hexadecimal digits, the first 8 of which are the lock's second key
	key     int32
	log     *slog.Logger
	release func()
	absent  map[orphan]int // number of looks in a row
	every   time.Duration
}

// orphan is one attempt at a job whose process is absent.
type orphan struct {
	id      int64
	attempt int
}

func newPresence(db *postgres.DB, log *slog.Logger) *presence {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	key := int32(uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3]))
	return &presence{db: db, id: "leadctl-" + hex.EncodeToString(b[:]), key: key, log: log, every: lookInterval}
}

// takeLock takes the process's lock. Faults: Unavailable; Operator behind a pooler.
func (p *presence) takeLock(ctx context.Context) error {
	release, ok, err := p.db.Lock(ctx, presenceClass, p.key)
	if err == nil && !ok {
		err = fault.New(fault.Conflict, "job queue: the lock of this process is taken")
	}
	p.release = release
	return err
}

// readClock compares the process's clock with the database's.
func (p *presence) readClock(ctx context.Context) error {
	return p.db.InSystem(ctx, "clock", func(ctx context.Context, tx postgres.SystemTx) error {
		var now time.Time
		err := tx.QueryRow(ctx, `SELECT clock_timestamp()`).Scan(&now)
		if err == nil {
			observeClock(now)
		}
		return err
	})
}

// watchPresence looks for orphans until ctx ends, and then releases the lock.
func (p *presence) watchPresence(ctx context.Context) {
	tick := time.NewTicker(p.every)
	defer tick.Stop()
	defer func() { p.releaseLock() }()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := p.requeueOrphans(ctx); err != nil && ctx.Err() == nil {
			p.log.WarnContext(ctx, "could not look for jobs of dead processes", "error", err)
		}
	}
}

func (p *presence) releaseLock() {
	if p.release != nil {
		p.release()
		p.release = nil
	}
}

// requeueOrphans requeues the attempts whose process is absent for long enough. It takes the lock again after a broken
// session.
func (p *presence) requeueOrphans(ctx context.Context) error {
	var here bool
	var now time.Time
	found := map[orphan]int{}
	err := p.db.InSystem(ctx, "orphaned jobs", func(ctx context.Context, tx postgres.SystemTx) error {
		if err := tx.QueryRow(ctx, `SELECT clock_timestamp(), EXISTS (`+heldLock+` AND l.objid = $2::int::oid)`,
			presenceClass, p.key).Scan(&now, &here); err != nil {
			return err
		}
		observeClock(now)
		orphans, err := p.findOrphans(ctx, tx)
		for _, o := range orphans {
			found[o] = p.absent[o] + 1
			if found[o] >= absentLooks && err == nil {
				err = p.requeueJob(ctx, tx, o)
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	p.absent = found
	if !here {
		p.releaseLock()
		return p.takeLock(ctx)
	}
	return nil
}

// heldLock selects the locks of living processes; $1 is presenceClass.
const heldLock = `SELECT FROM pg_locks l WHERE l.locktype = 'advisory' AND l.objsubid = 2 AND l.granted
	AND l.classid = $1::int::oid
	AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())`

// findOrphans returns the running attempts whose process is absent.
func (p *presence) findOrphans(ctx context.Context, tx postgres.SystemTx) ([]orphan, error) {
	rows, err := tx.Query(ctx, fmt.Sprintf(`SELECT id, attempt FROM (
			SELECT id, attempt, max_attempts, attempted_by[array_upper(attempted_by, 1)] AS process FROM %s.river_job
			WHERE state = 'running') j
		WHERE attempt < max_attempts AND process ~ '^leadctl-[0-9a-f]{16}$' AND process <> $2
		AND NOT EXISTS (%s AND l.objid = ('x' || substr(process, 9,
		8))::bit(32)::int::oid)`, schema.JobsSchema, heldLock), presenceClass, p.id)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (o orphan, err error) {
		return o, row.Scan(&o.id, &o.attempt)
	})
}

// requeueJob does the same as River's rescuer, but at once.
func (p *presence) requeueJob(ctx context.Context, tx postgres.SystemTx, o orphan) error {
	tag, err := tx.Exec(ctx, fmt.Sprintf(`UPDATE %s.river_job SET state = 'available', scheduled_at = now(),
			errors = array_append(errors, jsonb_build_object('at', now(), 'attempt', attempt, 'error',
			'the process that ran it died', 'trace', ''))
		WHERE id = $1 AND attempt = $2 AND state = 'running'`, schema.JobsSchema), o.id, o.attempt)
	if err == nil && tag.RowsAffected() == 1 {
		p.log.WarnContext(ctx, "requeued the job of a dead process", "job_id", o.id, "attempt",
			o.attempt)
	}
	return err
}
