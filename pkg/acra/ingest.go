package acra

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"time"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
)

// Options of Ingest. Source is required; the zero values of the others give the usual run.
type Options struct {
	Source Source
	By     tenant.By // for the audit log; the zero value is leadctl itself, as for a scheduled run
	// Status names the entity statuses to take, in any case. None means LiveStatuses, All the whole register. A row
	// that is in the table already is kept up to date, also when its status is not taken any more.
	Status []string
	Since  time.Time // only entities registered on this day or later
	Limit  int64     // read at most this number of rows; 0 means all
	// Resume continues the latest run when it came from the same source and did not finish. Otherwise a new run starts.
	Resume bool
	DryRun bool // read and compare, write nothing; needs no lock
	// Force continues where a run would stop as a precaution: the source's release is loaded already, or the source has
	// lost more rows than MaxShrink allows.
	Force bool
	// Complete is the operator's word that a file holds the whole register, and that a download without a number of
	// rows is whole. Then companies that are not in it are marked absent.
	Complete bool
	// Columns are the operator's answers about a header, NAME=COLUMN, see ParseColumns.
	Columns []string
	// ExpectRows is the number of rows of the source, which proves that a file is the whole register. 0 means unknown.
	ExpectRows int64
	// MaxShrink is the share of rows by which a complete source may be smaller than the last one. Below that, the run
	// is incomplete. 0 means DefaultMaxShrink.
	MaxShrink  float64
	MaxRejects float64 // share of rejected rows above which the run aborts; 0 means DefaultRejects, negative means none
	BatchRows  int     // rows per transaction; 0 means 15,000
	Progress   func(Progress)
	Log        *slog.Logger
}

// DefaultRejects is the share of rejected rows that a run accepts by default.
const DefaultRejects = 0.05

func (o Options) withDefaults() Options {
	switch {
	case o.MaxRejects == 0:
		o.MaxRejects = DefaultRejects
	case o.MaxRejects < 0:
		o.MaxRejects = 0
	}
	if o.MaxShrink == 0 {
		o.MaxShrink = DefaultMaxShrink
	}
	if o.By.Actor == "" {
		o.By.Actor = tenant.ActorLeadctl
	}
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

func (o Options) checkOptions() error {
	switch {
	case o.Source == nil:
		return fault.New(fault.Invalid, "register ingestion: no source")
	case o.Limit < 0:
		return fault.New(fault.Invalid, "limit %d: must be 0 or more", o.Limit).WithHint("0 reads everything")
	case o.ExpectRows < 0:
		return fault.New(fault.Invalid, "--expect-rows %d: must be 0 or more", o.ExpectRows)
	case o.Limit > 0 && (o.Complete || o.ExpectRows > 0):
		return fault.New(fault.Invalid, "limit %d: a part of the source is not the whole register", o.Limit).
			WithHint("leave out --complete and --expect-rows, or the limit")
	case o.MaxRejects > 1:
		return fault.New(fault.Invalid, "--max-rejects %g: must be between 0 and 1", o.MaxRejects).
			WithHint("it is a share: 0.05 is one row in twenty")
	}
	return nil
}

// The advisory lock of ingestion allows one run at a time in a database.
const (
	lockClass  = 0x61637261 // "acra"
	lockObject = 1
)

// ingestion is one call of Ingest.
type ingestion struct {
	db             *postgres.DB
	opts           Options
	want           filter
	stream         stream
	seen           *uenSet
	run            Run   // as in the table, except in a dry run
	runIfCommitted Run   // the run's state if the last batch was committed and the answer lost
	lastDone       *Run  // the latest finished run of the same source and options; nil when there is none
	savedBatch     int64 // number of the last batch in the saved checkpoint
	savedAt        time.Time
	snapshot       tableSnapshot // content of the table when the run began
	snapshotTried  bool          // snapshot was read, or the table was too large for it
	unsureRows     []int32       // rows of the current batch for which the table must be asked
	rowStates      []rowState    // by row of the current batch: what the table holds
	resumed        bool
	startedAt      time.Time // of this call
	earlierSeconds float64   // time that earlier calls spent on the run
	lastComplete   *Run      // the latest run that read the whole of the same source; nil when there is none
	columns        map[string]string
	shrunk         bool // the source has lost more rows than MaxShrink allows
	release        func()
	rejects        []Reject // the first rejects of a dry run
}

// Ingest reads the source into staging_acra_companies. The report is valid also with an error: everything it counts is
// committed. One run is active at a time; a second one fails with a Conflict that names the first.
//
// Faults: Conflict (already running, or taken over), Invalid and NotFound (options, file), Unprocessable (not the
// register, damaged, too many rejects: the run is aborted and old rows are unchanged), Unavailable (database or source;
// Resume continues), Interrupted. A run in StateIncomplete returns Unavailable if another download may be whole, else
// Unprocessable; its rows are published.
func Ingest(ctx context.Context, db *postgres.DB, opts Options) (Report, error) {
	in := &ingestion{db: db, opts: opts.withDefaults(), seen: newUENSet(), release: func() {}, startedAt: time.Now()}
	err := in.runIngestion(ctx)
	rep := Report{Run: in.run, DryRun: in.opts.DryRun, Resumed: in.resumed,
		Seconds: time.Since(in.startedAt).Seconds(), FirstRejects: in.rejects}
	if errors.Is(err, errNothingToDo) {
		rep.NothingToDo, err = true, nil
	}
	return rep, err
}

func (in *ingestion) runIngestion(ctx context.Context) error {
	if err := in.opts.checkOptions(); err != nil {
		return err
	}
	columns, err := ParseColumns(in.opts.Columns)
	if err != nil {
		return err
	}
	in.columns = columns
	in.want = newFilter(chosenStatuses(in.opts.Status), in.opts.Since)
	if err := in.acquireLock(ctx); err != nil {
		return err
	}
	defer func() { in.release() }()
	if err := in.beginRun(ctx); err != nil {
		return err
	}
	defer func() { _ = in.stream.close() }()
	err = in.loadSource(ctx)
	if err == nil {
		err = in.finishRun(ctx)
	}
	if err != nil && !in.opts.DryRun {
		err = in.recordFailure(ctx, err)
	}
	if err == nil {
		err = in.incompleteError()
	}
	return err
}

// acquireLock takes the lock of ingestion. PostgreSQL frees the lock shortly after the process that holds it ends, so
// acquireLock retries for one second.
func (in *ingestion) acquireLock(ctx context.Context) error {
	if in.opts.DryRun {
		return nil
	}
	for range 10 {
		release, ok, err := in.db.Lock(ctx, lockClass, lockObject)
		if err != nil {
			return err
		}
		if ok {
			in.release = release
			return nil
		}
		if err := sleepContext(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	return in.alreadyRunning(ctx)
}

func (in *ingestion) alreadyRunning(ctx context.Context) error {
	runs, err := Runs(ctx, in.db, 1)
	if err != nil || len(runs) == 0 {
		return fault.New(fault.Conflict, "register ingestion: already running")
	}
	r := runs[0]
	return fault.New(fault.Conflict, "register ingestion: already running (run %d from %s, %d rows read)",
		r.ID, r.Source, r.Read).WithHint("watch it with `leadctl acra status --watch`")
}

// loadSource reads, decodes and writes in parallel. When the source fails, the rows read before are still written.
func (in *ingestion) loadSource(ctx context.Context) error {
	reading, stop := context.WithCancel(ctx)
	defer stop()
	decoders := min(runtime.GOMAXPROCS(0), maxDecoders)
	r := in.newReader()
	queue := func() chan *batch { return make(chan *batch, decoders+1) }
	free, order, decode := queue(), queue(), queue()
	r.free, r.order, r.decode = free, order, decode
	for range cap(free) {
		free <- newBatch(r.size)
	}
	for range decoders {
		go newDecoder(in.want, in.run.ID).decodeBatches(decode)
	}
	ended := make(chan error, 1)
	go func() {
		ended <- r.readSource(reading)
		close(order)
		close(decode)
	}()
	for b := range order {
		<-b.decoded
		err := in.ensureSnapshot(ctx, b, r.size)
		if err == nil {
			b.markSeen(in.seen)
			err = in.commitBatch(ctx, b)
		}
		if err != nil {
			stop()
			<-ended //nolint:errcheck // err explains more; waiting here ends all use of the source before the return
			return err
		}
		in.reportProgress(b)
		free <- b
	}
	return <-ended
}

// ensureSnapshot reads the table's content as soon as there is more than one batch. For a few rows, single lookups are
// cheaper.
func (in *ingestion) ensureSnapshot(ctx context.Context, b *batch, size int) (err error) {
	if in.snapshotTried || in.run.Read == 0 && len(b.records) < size {
		return nil
	}
	in.snapshotTried = true
	return in.retryTransient(ctx, func() error {
		in.snapshot, err = readSnapshot(ctx, in.db)
		return err
	})
}

// maxDecoders bounds memory: each decoder holds one batch.
const maxDecoders = 3

func (in *ingestion) reportProgress(b *batch) {
	if in.opts.DryRun {
		in.keepRejects(b)
	}
	in.opts.Progress(Progress{RunID: in.run.ID, Counts: in.run.Counts, At: b.at, Done: b.done, Of: b.total})
}
