package jobs

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

// tally counts what this process's workers did. Its labels name kinds of work, never a tenant.
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
			Help: "From the enqueuing of a job to its good end, retries included; for kind onboarding that is " +
				"how long a first sign-in waits.",
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
