package jobs

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/leadctl/leadctl/pkg/postgres"
)

// countTimeout is how long a scrape waits for the database to count the jobs.
const countTimeout = 2 * time.Second

// tally counts the attempts of this process's workers. Its labels name the kind of a job, never a tenant.
type tally struct {
	river.MiddlewareDefaults
	attempts *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

func newTally() *tally {
	return &tally{
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "leadctl_job_attempts_total",
			Help: "Attempts at jobs that ended, by kind and outcome (done, again, given_up).",
		}, []string{"kind", "outcome"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "leadctl_job_seconds",
			Help: "Time from enqueuing a job to its success, with retries. For kind onboarding, this is the wait " +
				"of a first sign-in.",
			Buckets: []float64{.25, .5, 1, 2, 3, 5, 10, 20, 30, 60, 120, 300, 1800, 7200},
		}, []string{"kind"}),
	}
}

// Work implements rivertype.WorkerMiddleware.
func (t *tally) Work(ctx context.Context, job *rivertype.JobRow, inner func(context.Context) error) error {
	err := inner(ctx)
	var snoozed *rivertype.JobSnoozeError
	var cancelled *rivertype.JobCancelError
	switch {
	case err == nil:
		t.attempts.WithLabelValues(job.Kind, "done").Inc()
		t.seconds.WithLabelValues(job.Kind).Observe(time.Since(job.CreatedAt).Seconds())
	case errors.As(err, &snoozed):
	case errors.As(err, &cancelled), job.Attempt >= job.MaxAttempts:
		t.attempts.WithLabelValues(job.Kind, "given_up").Inc()
	default:
		t.attempts.WithLabelValues(job.Kind, "again").Inc()
	}
	return err
}

// Describe implements prometheus.Collector.
func (c *Client) Describe(out chan<- *prometheus.Desc) {
	c.tally.attempts.Describe(out)
	c.tally.seconds.Describe(out)
}

// Collect implements prometheus.Collector.
func (c *Client) Collect(out chan<- prometheus.Metric) {
	c.tally.attempts.Collect(out)
	c.tally.seconds.Collect(out)
}

// NewCollector returns a collector that counts the queue's jobs by kind and state at each scrape. When the database
// does not answer, it leaves its samples out; the rest of the scrape succeeds.
func NewCollector(db *postgres.DB) prometheus.Collector { return jobCollector{db} }

type jobCollector struct{ db *postgres.DB }

func jobsDesc() *prometheus.Desc {
	return prometheus.NewDesc("leadctl_jobs", "Jobs in the queue's table, by kind and state.",
		[]string{"kind", "state"}, nil)
}

// Describe implements prometheus.Collector.
func (c jobCollector) Describe(out chan<- *prometheus.Desc) { out <- jobsDesc() }

// Collect implements prometheus.Collector.
func (c jobCollector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), countTimeout)
	defer cancel()
	type row struct {
		Kind  string
		State string
		Count int64
	}
	var found []row
	err := c.db.InSystem(ctx, "count jobs", func(ctx context.Context, tx postgres.SystemTx) error {
		rows, err := tx.Query(ctx, `SELECT kind, state::text, count(*) FROM river.river_job GROUP BY kind, state`)
		if err != nil {
			return err
		}
		found, err = pgx.CollectRows(rows, pgx.RowToStructByPos[row])
		return err
	})
	if err != nil {
		return
	}
	for _, r := range found {
		out <- prometheus.MustNewConstMetric(jobsDesc(), prometheus.GaugeValue, float64(r.Count), r.Kind, r.State)
	}
}
