// Package jobs owns the running of background work: River on leadctl's database, as the control plane.
//
// What the work is stands beside whoever enqueues it (package onboarding, package acra): their args, workers and steps.
// Jobs are enqueued with Enqueue in the caller's own transaction, so a job exists exactly when that transaction
// committed. Any number of processes share the work, and take over what a dead one left behind (presence.go).
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

// Times that bound a job. River's own default rescues a stuck job after an hour, which no first sign-in can wait for.
const (
	Timeout = 2 * time.Minute // longest a single attempt may run
	// a running job older than this goes on elsewhere, whatever became of its process; see presence for who is found
	// sooner
	RescueAfter = 3 * time.Minute
	KeptFor     = 7 * 24 * time.Hour // completed and cancelled jobs; discarded ones stay as long
	SoftStop    = 10 * time.Second   // on shutdown: what is running may finish, then it is returned unharmed
)

// Client runs and lists jobs. It is a prometheus.Collector of what its workers did.
type Client struct {
	river    *river.Client[pgx.Tx]
	tally    *tally
	presence *presence
	stopPresence    func() // ends what Start began beside River
}

// Options of New. Workers nil makes a client that lists, retries and cancels but works nothing.
type Options struct {
	Workers  *river.Workers
	Parallel int            // jobs of the default queue at a time in this process; default 8
	Queues   map[string]int // other queues that this process works, each with so many jobs at a time
	Log      *slog.Logger
}

// New prepares a client on db. Nothing runs before Start.
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
		ReindexerIndexNames:  []string{}, // needs ownership of the indexes, which a serving role does not have
		Logger:               slog.New(slog.DiscardHandler),

		CompletedJobRetentionPeriod: KeptFor, CancelledJobRetentionPeriod: KeptFor,
		DiscardedJobRetentionPeriod: KeptFor,
	}
	if opts.Log != nil {
		cfg.Logger = slog.New(warnings{opts.Log.Handler()})
	}
	counted := newTally()
	cfg.Middleware = []rivertype.Middleware{&origin{}, counted, &careful{log: cmp.Or(opts.Log, cfg.Logger)}}
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

// Start works jobs until Stop.
func (c *Client) Start(ctx context.Context) error {
	if err := c.presence.takeLock(ctx); err != nil {
		return err
	}
	// Not ctx itself: its end would abort running jobs at once, and Stop is what ends them gently.
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

// Stop claims nothing more, lets what runs finish within SoftStop, then hands the rest back to the queue.
func (c *Client) Stop(ctx context.Context) error {
	defer c.stopPresence() // last: whoever has left has no jobs
	if err := c.river.Stop(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return fault.New(fault.Unavailable, "job queue: %w", err)
	}
	return nil
}

// Enqueue inserts a job in the caller's transaction and reports whether it is a new one: false means that an equal job
// is waiting or running already, as the args' unique options define.
func (c *Client) Enqueue(ctx context.Context, tx postgres.SystemTx, args river.JobArgs) (id int64, fresh bool,
	err error) {
	res, err := c.river.InsertTx(ctx, tx.Tx(), args, nil)
	if err != nil {
		return 0, false, err
	}
	return res.Job.ID, !res.UniqueSkippedAsDuplicate, nil
}

// QueueFrom is the client that works the job of ctx, for work that makes more of it. Fault: Internal outside of a job.
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

// Active are the states in which a job still has something ahead of it. Unique jobs are unique among these only, so
// that work which has ended can be asked for again.
func Active() []rivertype.JobState {
	return []rivertype.JobState{rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRunning,
		rivertype.JobStateRetryable, rivertype.JobStateScheduled}
}

// warnings lets River's warnings and errors through. Its routine lines would drown the workers' own.
type warnings struct{ slog.Handler }

// Enabled implements slog.Handler.
func (w warnings) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && w.Handler.Enabled(ctx, level)
}
