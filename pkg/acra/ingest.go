package acra

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"time"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
)

// Options of Ingest. Source is required; zero values of the rest are the usual run.
type Options struct {
	Source Source
	// Status names the entity statuses to take, in any case. None means LiveStatuses, All the whole register. A row that
	// is in the table already is kept up to date whatever its status becomes.
	Status []string
	Since  time.Time // only entities registered on this day or later
	Limit  int64     // read so many rows at most
	// Resume continues the latest run if that came from the same source and did not finish; else a new run begins.
	Resume bool
	DryRun bool // read and compare, write nothing; the lock is not needed
	// Force goes on where a run would stop out of caution: the publisher's release is the one loaded last, or the source
	// has lost more than half of its rows.
	Force      bool
	MaxRejects float64 // share of refused rows above which the run aborts; 0 means DefaultRejects, below 0 that none is allowed
	BatchRows  int     // rows per transaction; 0 means 15,000
	Progress   func(Progress)
	Log        *slog.Logger
}

// DefaultRejects is the share of refused rows that a run tolerates when nothing else is said.
const DefaultRejects = 0.05

func (o Options) withDefaults() Options {
	switch {
	case o.MaxRejects == 0:
		o.MaxRejects = DefaultRejects
	case o.MaxRejects < 0:
		o.MaxRejects = 0
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
		return fault.New(fault.Invalid, "limit %d: less than nothing", o.Limit).WithHint("0 reads everything")
	case o.MaxRejects > 1:
		return fault.New(fault.Invalid, "rejects %g: more than all", o.MaxRejects).WithHint("it is a share: 0.05 is one row in twenty")
	}
	return nil
}

// The advisory lock of ingestion: one run at a time on a database, whoever starts it.
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
	run            Run   // as the table has it, but for a dry run
	runIfCommitted Run   // as it is if the batch whose answer was lost went through
	lastDone       *Run  // the latest finished run of the same source and choice; nil when there is none
	savedBatch     int64 // number of the last batch that the checkpoint has
	savedAt        time.Time
	snapshot       tableSnapshot // what the table held when the run began
	snapshotTried  bool          // known was read
	unsureRows     []int32       // rows of the batch at hand about which the table must be asked
	rowStates      []rowState    // what it holds for each of them
	resumed        bool
	startedAt      time.Time // this call
	earlierSeconds float64   // seconds that earlier calls worked on the run
	lastComplete   *Run      // the latest run that read all of the same source, nil when there is none
	release        func()
	rejects        []Reject // the first few, of a dry run
}

// Ingest reads the source into staging_acra_companies and returns what came of it, also when it fails: what the report
// counts is committed. One run goes on at a time; a second one is a Conflict that names the first.
//
// Faults: Conflict (already running, or taken over), Invalid and NotFound (options, file), Unprocessable (not the
// register, damaged, too many rejects: the run is aborted and old rows are as they were), Unavailable (database or source;
// Resume continues), Interrupted.
func Ingest(ctx context.Context, db *postgres.DB, opts Options) (Report, error) {
	in := &ingestion{db: db, opts: opts.withDefaults(), seen: newUENSet(), release: func() {}, startedAt: time.Now()}
	err := in.runIngestion(ctx)
	rep := Report{Run: in.run, DryRun: in.opts.DryRun, Resumed: in.resumed, Seconds: time.Since(in.startedAt).Seconds(), FirstRejects: in.rejects}
	if errors.Is(err, errNothingToDo) {
		rep.NothingToDo, err = true, nil
	}
	return rep, err
}

func (in *ingestion) runIngestion(ctx context.Context) error {
	if err := in.opts.checkOptions(); err != nil {
		return err
	}
	in.want = newFilter(chosenStatuses(in.opts.Status), in.opts.Since)
	if err := in.acquireLock(ctx); err != nil {
		return err
	}
	defer func() { in.release() }()
	if err := in.beginRun(ctx); err != nil {
		return err
	}
	defer func() { _ = in.stream.close() }()
	err := in.loadSource(ctx)
	if err == nil {
		err = in.finishRun(ctx)
	}
	if err != nil && !in.opts.DryRun {
		err = in.recordFailure(ctx, err)
	}
	return err
}

// acquireLock makes this the only ingestion. PostgreSQL frees the lock when the process that holds it ends, but that takes it a
// moment: hence a second of patience.
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
	return fault.New(fault.Conflict, "register ingestion: already running (run %d from %s, %d rows read)", r.ID, r.Source, r.Read).
		WithHint("watch it with `leadctl acra status --watch`")
}

// loadSource reads, decodes and writes at once. What was read before the source failed is written all the same.
func (in *ingestion) loadSource(ctx context.Context) error {
	reading, stop := context.WithCancel(ctx)
	defer stop()
	decoders := min(runtime.GOMAXPROCS(0), maxDecoders)
	r := in.newReader()
	free, order, decode := make(chan *batch, decoders+1), make(chan *batch, decoders+1), make(chan *batch, decoders+1)
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
			<-ended //nolint:errcheck // err says more; nobody else uses the source when this returns
			return err
		}
		in.reportProgress(b)
		free <- b
	}
	return <-ended
}

// ensureSnapshot reads what the table holds, once there is more than one batch: a few rows are better asked about one by one.
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

// maxDecoders bounds the memory: each decoder has a batch in hand.
const maxDecoders = 3

func (in *ingestion) reportProgress(b *batch) {
	if in.opts.DryRun {
		in.keepRejects(b)
	}
	in.opts.Progress(Progress{RunID: in.run.ID, Counts: in.run.Counts, At: b.at, Done: b.done, Of: b.total})
}
