// Package jobs runs background work with River on leadctl's database.
//
// The packages that enqueue a job, such as onboarding and acra, own its arguments and worker. Enqueue runs in the
// caller's transaction, so a job exists exactly when that transaction is committed. Any number of processes share the
// queue and take over the jobs of a dead process (presence.go).
package jobs

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/schema"
)

// Time limits of a job. River's default rescues a stuck job after an hour, which is too long for a first sign-in.
const (
	Timeout = 2 * time.Minute // longest duration of an attempt
	// A job that runs longer than this is run again, even if its process is alive. presence.go finds dead
	// processes sooner.
	RescueAfter = 3 * time.Minute
	KeptFor     = 7 * 24 * time.Hour // ended jobs are deleted after this time
	SoftStop    = 10 * time.Second   // on shutdown, running jobs may finish for this long; then they are requeued
)

// Client runs and lists jobs. It is a prometheus.Collector of its workers' attempts.
type Client struct {
	river        *river.Client[pgx.Tx]
	tally        *tally
	presence     *presence
	stopPresence func() // ends the goroutine that Start began
}

// Options of New. Without Workers, the client can list, retry and cancel jobs, but runs none.
type Options struct {
	Workers  *river.Workers
	Parallel int            // most jobs of the default queue at a time in this process; default 8
	Queues   map[string]int // most jobs at a time of each other queue
	Log      *slog.Logger
	Version  string // of leadctl; stored with each job that the client enqueues
}

// New returns a client on db. It runs jobs after Start.
func New(ctx context.Context, db *postgres.DB, opts Options) (*Client, error) {
	pool, err := db.JobsPool(ctx)
	if err != nil {
		return nil, fault.New(fault.Unavailable, "job queue: %w", err)
	}
	cfg := &river.Config{
		Schema:               schema.JobsSchema,
		JobTimeout:           Timeout,
		RescueStuckJobsAfter: RescueAfter,
		SoftStopTimeout:      SoftStop,
		ReindexerIndexNames:  []string{}, // the serving role does not own the indexes
		Logger:               slog.New(slog.DiscardHandler),
		Test:                 river.TestConfig{Time: riverClock{}},

		CompletedJobRetentionPeriod: KeptFor, CancelledJobRetentionPeriod: KeptFor,
		DiscardedJobRetentionPeriod: KeptFor,
	}
	if opts.Log != nil {
		cfg.Logger = slog.New(warnings{opts.Log.Handler()})
	}
	counted := newTally()
	cfg.Middleware = []rivertype.Middleware{&origin{version: opts.Version}, counted,
		&careful{log: cmp.Or(opts.Log, cfg.Logger)}}
	if opts.Workers != nil {
		cfg.Workers = opts.Workers
		cfg.Queues = map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: cmp.Or(opts.Parallel, 8)}}
		for name, parallel := range opts.Queues {
			cfg.Queues[name] = river.QueueConfig{MaxWorkers: parallel}
		}
	}
	c := &Client{tally: counted, presence: newPresence(db, cmp.Or(opts.Log, cfg.Logger)), stopPresence: func() {}}
	cfg.ID = c.presence.id
	if c.river, err = river.NewClient(riverpgxv5.New(pool), cfg); err != nil {
		return nil, fault.New(fault.Internal, "job queue: %w", err)
	}
	return c, nil
}

// Start runs jobs until Stop.
func (c *Client) Start(ctx context.Context) error {
	if err := c.presence.readClock(ctx); err != nil {
		return err
	}
	if err := c.presence.takeLock(ctx); err != nil {
		return err
	}
	// WithoutCancel: the end of ctx would abort running jobs at once, but Stop lets them finish.
	if err := c.river.Start(context.WithoutCancel(ctx)); err != nil {
		c.presence.releaseLock()
		return fault.New(fault.Unavailable, "job queue: %w", err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.presence.watchPresence(ctx)
	}()
	c.stopPresence = func() {
		cancel()
		<-ended
	}
	return nil
}

// Stop takes no more jobs, lets running ones finish within SoftStop, and then requeues the rest.
func (c *Client) Stop(ctx context.Context) error {
	defer c.stopPresence() // last, because a process without presence must not run jobs
	if err := c.river.Stop(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return fault.New(fault.Unavailable, "job queue: %w", err)
	}
	return nil
}

// Enqueue inserts a job in the caller's transaction. fresh is false if an equal job, as the unique options of args
// define, is already queued or running.
func (c *Client) Enqueue(ctx context.Context, tx postgres.SystemTx, args river.JobArgs) (id int64, fresh bool,
	err error) {
	res, err := c.river.InsertTx(ctx, tx.Tx(), args, nil)
	if err != nil {
		return 0, false, err
	}
	return res.Job.ID, !res.UniqueSkippedAsDuplicate, nil
}

// QueueFrom returns the client that runs the job of ctx, for jobs that enqueue jobs. Fault: Internal outside of a job.
func QueueFrom(ctx context.Context) (*Client, error) {
	client, err := river.ClientFromContextSafely[pgx.Tx](ctx)
	if err != nil {
		return nil, fault.New(fault.Internal, "job queue: %w", err)
	}
	return &Client{river: client}, nil
}

// EnqueueAll inserts many jobs in the caller's transaction and returns how many of them are new.
func (c *Client) EnqueueAll(ctx context.Context, tx postgres.SystemTx, args []river.JobArgs) (fresh int, err error) {
	const most = 1000 // in one statement
	for part := range slices.Chunk(args, most) {
		params := make([]river.InsertManyParams, len(part))
		for i, a := range part {
			params[i] = river.InsertManyParams{Args: a}
		}
		results, err := c.river.InsertManyTx(ctx, tx.Tx(), params)
		if err != nil {
			return fresh, err
		}
		for _, r := range results {
			if !r.UniqueSkippedAsDuplicate {
				fresh++
			}
		}
	}
	return fresh, nil
}

// Active returns the states of a job that has not ended. Unique jobs are unique among these only, so that ended work
// can be requested again.
func Active() []rivertype.JobState {
	return []rivertype.JobState{rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRunning,
		rivertype.JobStateRetryable, rivertype.JobStateScheduled}
}

// warnings passes River's warnings and errors only, because its routine lines would hide those of the workers.
type warnings struct{ slog.Handler }

// Enabled implements slog.Handler.
func (w warnings) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && w.Handler.Enabled(ctx, level)
}
