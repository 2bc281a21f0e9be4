package acra

import (
	"context"
	"errors"
	"log/slog"
	"time"
	_ "time/tzdata" // the schedule knows Singapore's midnight on machines without time zones

	"github.com/riverqueue/river"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/jobs"
	"github.com/leadctl/leadctl/pkg/postgres"
)

// JobQueue is the queue of scheduled ingestions. It is one of its own because they take hours: only processes that keep the
// schedule work it, one at a time, and none that was started for something else is held up by one.
const JobQueue = "register"

// Times of a scheduled ingestion.
const (
	longestJob = 6 * time.Hour
	busyPause  = 5 * time.Minute // before asking again while somebody else ingests
	maxPause   = 30 * time.Minute
	slice      = time.Minute // the schedule looks at the clock this often: machines sleep, and clocks are set
)

// JobArgs of a scheduled ingestion: which tick of the schedule it is for.
type JobArgs struct {
	Due time.Time `json:"due"`
}

// Kind implements river.JobArgs.
func (JobArgs) Kind() string { return "acra_ingest" }

// InsertOpts makes the job the only one of its kind while it waits or runs. With the pauses of NextRetry its attempts last for
// about nine hours of a source that is down; then the next tick begins anew.
func (JobArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: JobQueue, MaxAttempts: 20, UniqueOpts: river.UniqueOpts{ByState: jobs.Active()}}
}

// Schedule says when the register is due: every Interval (counted from year 1 UTC, so that all processes agree), or with 0 daily
// at midnight in Singapore.
type Schedule struct{ Interval time.Duration }

// Last is the tick at now or the latest before it.
func (s Schedule) Last(now time.Time) time.Time {
	if s.Interval > 0 {
		return now.UTC().Truncate(s.Interval)
	}
	y, m, d := now.In(singaporeTime()).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, singaporeTime())
}

// Next is the first tick after now.
func (s Schedule) Next(now time.Time) time.Time {
	if s.Interval > 0 {
		return s.Last(now).Add(s.Interval)
	}
	y, m, d := now.In(singaporeTime()).Date()
	return time.Date(y, m, d+1, 0, 0, 0, 0, singaporeTime())
}

func singaporeTime() *time.Location {
	if loc, err := time.LoadLocation("Asia/Singapore"); err == nil {
		return loc
	}
	return time.FixedZone("+08", 8*60*60)
}

// Scheduler enqueues an ingestion at every tick. Any number of processes may run one at a time: a tick that is being worked,
// or was worked, is not enqueued again, so it needs no leader, and processes that keep no schedule cannot be in its way.
type Scheduler struct {
	DB   *postgres.DB
	Jobs *jobs.Client
	Plan Schedule
	// AtStart also enqueues the latest tick when Run begins, unless it was worked: the first load, and what was missed while no
	// process was there. However many ticks were missed, it is one ingestion.
	AtStart bool
	Log     *slog.Logger
	Now     func() time.Time                           // nil means the clock
	Wait    func(context.Context, time.Duration) error // nil means to sleep
}

// Run keeps the schedule until ctx ends. A tick that cannot be enqueued now is tried again every minute.
func (s *Scheduler) Run(ctx context.Context) {
	now, pause := s.Now, s.Wait
	if now == nil {
		now = time.Now
	}
	if pause == nil {
		pause = sleepContext
	}
	var handled time.Time
	if !s.AtStart {
		handled = s.Plan.Last(now())
	}
	for ctx.Err() == nil {
		at := now()
		if due := s.Plan.Last(at); due.After(handled) {
			if err := s.enqueueTick(ctx, due); err != nil {
				s.Log.WarnContext(ctx, "register ingestion not scheduled: trying again", "due", due, "error", err)
			} else {
				handled = due
			}
		}
		_ = pause(ctx, min(s.Plan.Next(at).Sub(at), slice)) // its error is ctx's
	}
}

func (s *Scheduler) enqueueTick(ctx context.Context, due time.Time) error {
	return s.DB.InSystem(ctx, "schedule register ingestion", func(ctx context.Context, tx postgres.SystemTx) error {
		worked, err := jobs.Completed(ctx, tx, JobArgs{}.Kind(), due)
		if err != nil || worked {
			return err
		}
		id, fresh, err := s.Jobs.Enqueue(ctx, tx, JobArgs{Due: due})
		if err == nil && fresh {
			s.Log.InfoContext(ctx, "register ingestion scheduled", "due", due, "job_id", id)
		}
		return err
	})
}

// Worker works scheduled ingestions.
type Worker struct {
	river.WorkerDefaults[JobArgs]

	DB     *postgres.DB
	Source func() (Source, error)
	After  func(context.Context, Report) error // what the platform makes of the register once it is in
	Log    *slog.Logger
}

// Work does what `leadctl acra ingest --resume` does, and then After. An attempt that a dying process left behind goes on where
// that one was. A register that was refused is not read again before the next tick.
func (w *Worker) Work(ctx context.Context, job *river.Job[JobArgs]) error {
	if worked, err := w.isTickDone(ctx, job.Args.Due); err != nil || worked {
		return err
	}
	source, err := w.Source()
	if err != nil {
		return err
	}
	rep, err := Ingest(ctx, w.DB, Options{Source: source, Resume: true, Log: w.Log, Progress: w.progressLogger(ctx)})
	if err == nil {
		err = w.After(ctx, rep)
	}
	switch {
	case err == nil:
		w.Log.InfoContext(ctx, "register ingested", "run_id", rep.ID, "part", rep.At.Part, "line", rep.At.Line, "nothing_to_do", rep.NothingToDo, "resumed", rep.Resumed, "read", rep.Read, "inserted", rep.Inserted,
			"updated", rep.Updated, "unchanged", rep.Unchanged, "rejected", rep.Rejected, "absent", rep.Absent, "seconds", rep.Seconds, "attempt", job.Attempt)
		return nil
	case ctx.Err() != nil && errors.Is(context.Cause(ctx), context.Canceled):
		return err // this process is stopping; the job goes back, and the next attempt resumes
	case fault.Is(err, fault.Conflict):
		w.Log.InfoContext(ctx, "register ingestion waits", "again_in", busyPause, "reason", err)
		return river.JobSnooze(busyPause)
	}
	return w.reportFailure(ctx, job, rep, err)
}

// logEvery is how often a scheduled ingestion says in the log where it is.
const logEvery = 10 * time.Second

// progressLogger logs how far the ingestion is: the cursor from which another attempt would go on, and what has come of the rows.
func (w *Worker) progressLogger(ctx context.Context) func(Progress) {
	said := time.Now()
	return func(p Progress) {
		if time.Since(said) < logEvery {
			return
		}
		said = time.Now()
		w.Log.InfoContext(ctx, "register ingestion", "run_id", p.RunID, "part", p.At.Part, "line", p.At.Line, "read", p.Read, "of", p.Rows(), "inserted", p.Inserted,
			"updated", p.Updated, "unchanged", p.Unchanged, "rejected", p.Rejected)
	}
}

func (w *Worker) isTickDone(ctx context.Context, due time.Time) (worked bool, err error) {
	err = w.DB.InSystem(ctx, "register ingested?", func(ctx context.Context, tx postgres.SystemTx) error {
		worked, err = jobs.Completed(ctx, tx, JobArgs{}.Kind(), due)
		return err
	})
	return worked, err
}

// reportFailure tells the operator what will happen, and what can be done.
func (w *Worker) reportFailure(ctx context.Context, job *river.Job[JobArgs], rep Report, err error) error {
	again := "by itself, resuming; `leadctl jobs retry` makes it now"
	final := fault.Is(err, fault.Unprocessable) || fault.Is(err, fault.Invalid) || fault.Is(err, fault.NotFound) || fault.Is(err, fault.Operator)
	if final || job.Attempt >= job.MaxAttempts {
		again = "at the next tick; before that with `leadctl acra ingest --resume`, after a look at `leadctl acra status` and `leadctl acra rejects`"
	}
	w.Log.ErrorContext(ctx, "register ingestion failed", "run_id", rep.ID, "part", rep.At.Part, "line", rep.At.Line, "read", rep.Read, "rejected", rep.Rejected, "attempt", job.Attempt, "of", job.MaxAttempts,
		"kind", fault.KindOf(err).String(), "error", err, "hint", fault.Hint(err), "again", again)
	if final {
		return river.JobCancel(err)
	}
	return err
}

// NextRetry backs off from one minute to half an hour, with jitter.
func (w *Worker) NextRetry(job *river.Job[JobArgs]) time.Time {
	return time.Now().Add(jobs.Backoff(job.Attempt, time.Minute, maxPause))
}

// Timeout implements river.Worker. River also asks it whether a job that runs for long belongs to a process that died: if its
// run stands unfinished and nobody holds the lock of ingestion, then so it is, and nobody has to wait for hours.
func (w *Worker) Timeout(job *river.Job[JobArgs]) time.Duration {
	if job.AttemptedAt == nil || time.Since(*job.AttemptedAt) < jobs.RescueAfter {
		return longestJob
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	runs, err := Runs(ctx, w.DB, 1)
	if err == nil && len(runs) > 0 && runs[0].State == StateInterrupted && !runs[0].UpdatedAt.Before(*job.AttemptedAt) {
		return jobs.RescueAfter
	}
	return longestJob
}
