package acra

import (
	"context"
	"errors"
	"log/slog"
	"time"
	_ "time/tzdata" // so that Singapore's midnight is known on machines without time zone files

	"github.com/riverqueue/river"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/jobs"
	"github.com/leadctl/leadctl/pkg/postgres"
)

// JobQueue is the queue of scheduled ingestions. It is a separate queue because they take hours. Only processes that
// keep the schedule work it, one job at a time, so it delays no other job.
const JobQueue = "register"

// Durations of a scheduled ingestion.
const (
	longestJob = 6 * time.Hour
	busyPause  = 5 * time.Minute // wait while another ingestion runs
	maxPause   = 30 * time.Minute
	// incompleteTries bounds the attempts at a source that ends early.
	incompleteTries = 3
	slice           = time.Minute // longest sleep of the schedule: machines suspend, and clocks are set
)

// JobArgs names the tick of the schedule that a scheduled ingestion is for.
type JobArgs struct {
	Due time.Time `json:"due"`
}

// Kind implements river.JobArgs.
func (JobArgs) Kind() string { return "acra_ingest" }

// InsertOpts makes the job unique among waiting and running jobs of its kind. With the pauses of NextRetry its attempts
// cover about nine hours of an unavailable source; then the next tick starts over.
func (JobArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: JobQueue, MaxAttempts: 20, UniqueOpts: river.UniqueOpts{ByState: jobs.Active()}}
}

// Schedule tells when the register is due: every Interval, counted from year 1 UTC so that all processes agree. With
// Interval 0 it is due daily at midnight in Singapore.
type Schedule struct{ Interval time.Duration }

// Last returns the latest tick at or before now.
func (s Schedule) Last(now time.Time) time.Time {
	if s.Interval > 0 {
		return now.UTC().Truncate(s.Interval)
	}
	y, m, d := now.In(singaporeTime()).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, singaporeTime())
}

// Next returns the first tick after now.
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

// Scheduler enqueues an ingestion at every tick. Any number of processes may each run one: a tick whose ingestion is
// queued, running or completed is not enqueued again. So it needs no leader, and processes without a schedule are
// irrelevant to it.
type Scheduler struct {
	DB   *postgres.DB
	Jobs *jobs.Client
	Plan Schedule
	// AtStart also enqueues the latest tick when Run begins, unless that tick is completed. This covers the first load,
	// and ticks that passed while no process ran. Any number of missed ticks gives one ingestion.
	AtStart bool
	Log     *slog.Logger
	Now     func() time.Time                           // nil means time.Now
	Wait    func(context.Context, time.Duration) error // nil means a sleep that ctx interrupts
}

// Run keeps the schedule until ctx ends. When a tick cannot be enqueued, it retries every minute.
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
				s.Log.WarnContext(ctx, "register ingestion not scheduled, retrying", "due", due, "error", err)
			} else {
				handled = due
			}
		}
		_ = pause(ctx, min(s.Plan.Next(at).Sub(at), slice)) // it fails only when ctx ends, which the loop checks
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

// Worker runs scheduled ingestions.
type Worker struct {
	river.WorkerDefaults[JobArgs]

	DB        *postgres.DB
	Source    func() (Source, error)
	MaxShrink float64                             // see Options
	Columns   []string                            // see Options
	After     func(context.Context, Report) error // derives the platform's data from the loaded register
	Log       *slog.Logger
}

// Work does the same as `leadctl acra ingest --resume`, and then calls After. An attempt resumes the run of a process
// that died. A register that was rejected is not read again before the next tick.
func (w *Worker) Work(ctx context.Context, job *river.Job[JobArgs]) error {
	if worked, err := w.isTickDone(ctx, job.Args.Due); err != nil || worked {
		return err
	}
	source, err := w.Source()
	if err != nil {
		return err
	}
	rep, err := Ingest(ctx, w.DB, Options{Source: source, Resume: true, MaxShrink: w.MaxShrink,
		Columns: w.Columns, Log: w.Log, Progress: w.progressLogger(ctx)})
	if err == nil || rep.State == StateIncomplete { // the rows of an incomplete run count
		err = errors.Join(err, w.After(ctx, rep))
	}
	switch {
	case err == nil:
		w.Log.InfoContext(ctx, "register ingested", "run_id", rep.ID, "part", rep.At.Part, "line", rep.At.Line,
			"nothing_to_do", rep.NothingToDo, "resumed", rep.Resumed, "read", rep.Read, "inserted", rep.Inserted,
			"updated", rep.Updated, "unchanged", rep.Unchanged, "rejected", rep.Rejected, "absent", rep.Absent,
			"seconds", rep.Seconds, "attempt", job.Attempt)
		return nil
	case ctx.Err() != nil && errors.Is(context.Cause(ctx), context.Canceled):
		return err // this process is stopping: the job returns to the queue, and the next attempt resumes
	case fault.Is(err, fault.Conflict):
		w.Log.InfoContext(ctx, "register ingestion waits for another one", "again_in", busyPause, "reason", err)
		return river.JobSnooze(busyPause)
	}
	return w.reportFailure(ctx, job, rep, err)
}

// logEvery is the interval between progress lines of a scheduled ingestion.
const logEvery = 10 * time.Second

// progressLogger returns a callback that logs the progress: the position from which another attempt would resume, and
// the counts.
func (w *Worker) progressLogger(ctx context.Context) func(Progress) {
	said := time.Now()
	return func(p Progress) {
		if time.Since(said) < logEvery {
			return
		}
		said = time.Now()
		w.Log.InfoContext(ctx, "register ingestion", "run_id", p.RunID, "part", p.At.Part, "line", p.At.Line,
			"read", p.Read, "of", p.Rows(), "inserted", p.Inserted, "updated", p.Updated, "unchanged", p.Unchanged,
			"rejected", p.Rejected)
	}
}

func (w *Worker) isTickDone(ctx context.Context, due time.Time) (worked bool, err error) {
	err = w.DB.InSystem(ctx, "acra tick done", func(ctx context.Context, tx postgres.SystemTx) error {
		worked, err = jobs.Completed(ctx, tx, JobArgs{}.Kind(), due)
		return err
	})
	return worked, err
}

// reportFailure logs what happens next and what the operator can do. It returns the error for River.
func (w *Worker) reportFailure(ctx context.Context, job *river.Job[JobArgs], rep Report, err error) error {
	again := "automatically, resuming; `leadctl jobs retry` starts it now"
	final := fault.Is(err, fault.Unprocessable) || fault.Is(err, fault.Invalid) ||
		fault.Is(err, fault.NotFound) || fault.Is(err, fault.Operator)
	// Each attempt downloads the whole register again, so an incomplete one is tried a few times only.
	final = final || rep.State == StateIncomplete && job.Attempt >= incompleteTries
	if final || job.Attempt >= job.MaxAttempts {
		again = "at the next tick; to start earlier, check `leadctl acra status` and `leadctl acra rejects`, " +
			"then run `leadctl acra ingest --resume`"
	}
	w.Log.ErrorContext(ctx, "register ingestion failed", "run_id", rep.ID, "part", rep.At.Part, "line", rep.At.Line,
		"read", rep.Read, "rejected", rep.Rejected, "attempt", job.Attempt, "of", job.MaxAttempts,
		"kind", fault.KindOf(err).String(), "error", err, "hint", fault.Hint(err), "again", again)
	if final {
		return river.JobCancel(err)
	}
	return err
}

// NextRetry returns a time one minute to half an hour from now: exponential backoff with jitter.
func (w *Worker) NextRetry(job *river.Job[JobArgs]) time.Time {
	return jobs.Now().Add(jobs.Backoff(job.Attempt, time.Minute, maxPause))
}

// Timeout implements river.Worker. River also uses it to decide whether a long-running job belongs to a dead process.
// When the job's run is unfinished and no process holds the lock of ingestion, the process is dead, and a short timeout
// lets River rescue the job without waiting for hours.
func (w *Worker) Timeout(job *river.Job[JobArgs]) time.Duration {
	if job.AttemptedAt == nil || jobs.Now().Sub(*job.AttemptedAt) < jobs.RescueAfter {
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
