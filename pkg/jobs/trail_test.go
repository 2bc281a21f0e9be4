package jobs_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/jobs"
	"github.com/leadctl/leadctl/pkg/logging"
	"github.com/leadctl/leadctl/pkg/logging/logtest"
	"github.com/leadctl/leadctl/pkg/pgtest"
	"github.com/leadctl/leadctl/pkg/postgres"
)

type errandWorker struct {
	river.WorkerDefaults[errand]
	log *slog.Logger
}

type errand struct{}

func (errand) Kind() string { return "errand" }

func (w *errandWorker) Work(ctx context.Context, _ *river.Job[errand]) error {
	w.log.InfoContext(ctx, "working")
	return nil
}

// TestJobLogHasRequestID: the log lines of a job have the id of the request that enqueued it, in every process.
func TestJobLogHasRequestID(t *testing.T) {
	t.Parallel()
	db, lines := pgtest.New(t), &logtest.Journal{}
	workers := river.NewWorkers()
	river.AddWorker(workers, &errandWorker{log: logging.New(lines, slog.LevelInfo, "json")})
	enqueues, err := jobs.New(t.Context(), db.App, jobs.Options{})
	require.NoError(t, err)
	works, err := jobs.New(t.Context(), db.App, jobs.Options{Workers: workers})
	require.NoError(t, err)
	r := &rig{Client: works, db: db}
	var id int64
	require.NoError(t, r.tx(t, func(ctx context.Context, tx postgres.SystemTx) (err error) {
		ctx = logging.With(ctx, slog.String("request_id", "REQ7"), slog.String("subject", "alice"),
			slog.String("other", "CANARY"))
		id, _, err = enqueues.Enqueue(ctx, tx, errand{})
		return err
	}))
	r.start(t)
	r.waitForState(t, id, rivertype.JobStateCompleted)
	require.Contains(t, lines.String(), `"msg":"working","request_id":"REQ7","subject":"alice"}`)
}

func TestOutcomesAreCounted(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	well, bad := r.add(t, chore{Do: "well"}), r.add(t, chore{Do: "fail"})
	r.start(t)
	r.waitForState(t, well, rivertype.JobStateCompleted)
	r.waitForState(t, bad, rivertype.JobStateDiscarded)
	require.NoError(t, testutil.CollectAndCompare(r.Client, strings.NewReader(`
# HELP leadctl_job_attempts_total Attempts at jobs that ended, by kind and outcome (done, again, given_up).
# TYPE leadctl_job_attempts_total counter
leadctl_job_attempts_total{kind="chore",outcome="again"} 1
leadctl_job_attempts_total{kind="chore",outcome="done"} 1
leadctl_job_attempts_total{kind="chore",outcome="given_up"} 1
`), "leadctl_job_attempts_total"))
	require.Equal(t, 1, testutil.CollectAndCount(r.Client, "leadctl_job_seconds"))
}
