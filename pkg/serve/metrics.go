package serve

import (
	"context"
	"log/slog"
	"math"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/leadctl/leadctl/pkg/config"
	"github.com/leadctl/leadctl/pkg/jobs"
	"github.com/leadctl/leadctl/pkg/logging"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/sso"
)

// scrapeTimeout is how long one scrape may take.
const scrapeTimeout = 4 * time.Second

// newRegistry returns a registry with the metrics of this process. Package web adds those of requests. No label names a
// tenant or a person.
func newRegistry(version string, db *postgres.DB, verifier *sso.Verifier, work *jobs.Client) *prometheus.Registry {
	r := prometheus.NewRegistry()
	build := prometheus.NewGauge(prometheus.GaugeOpts{Name: "leadctl_build_info",
		Help: "Always 1; the label is the version.", ConstLabels: prometheus.Labels{"version": version}})
	build.Set(1)
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		build, poolCollector{db}, jobs.NewCollector(db), work,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "leadctl_sso_keys_age_seconds",
			Help: "Time since the issuer's keys were read; NaN before the first time."},
			func() float64 {
				if age, ok := verifier.KeyAge(); ok {
					return age.Seconds()
				}
				return math.NaN()
			}))
	return r
}

// droppedLines counts the log lines that the reader of the log did not read.
func droppedLines(sink *logging.Queue) prometheus.Collector {
	return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "leadctl_log_lines_dropped_total",
		Help: "Log lines dropped because the reader of the log is too slow, gone, or has a full disk."},
		func() float64 {
			if sink == nil {
				return 0
			}
			lines, _ := sink.Dropped()
			return float64(lines)
		})
}

// newDesc describes a metric that a collector computes at each scrape.
func newDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

// poolCollector reports the state of the request pool.
type poolCollector struct{ db *postgres.DB }

// Describe implements prometheus.Collector.
func (c poolCollector) Describe(out chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, out) }

// Collect implements prometheus.Collector.
func (c poolCollector) Collect(out chan<- prometheus.Metric) {
	st := c.db.Stat()
	conns := newDesc("leadctl_db_connections", "Connections of the request pool.", "state")
	for state, n := range map[string]int32{"used": st.AcquiredConns(), "idle": st.IdleConns(), "max": st.MaxConns()} {
		out <- prometheus.MustNewConstMetric(conns, prometheus.GaugeValue, float64(n), state)
	}
	out <- prometheus.MustNewConstMetric(newDesc("leadctl_db_acquires_total",
		"Connections taken from the request pool."), prometheus.CounterValue, float64(st.AcquireCount()))
	out <- prometheus.MustNewConstMetric(newDesc("leadctl_db_acquire_seconds_total",
		"Time spent waiting for connections of the request pool."),
		prometheus.CounterValue, st.AcquireDuration().Seconds())
}

// serveMetrics answers GET /metrics, and no other route, on its own port. The returned function stops it.
func serveMetrics(ln net.Listener, registry *prometheus.Registry, t timeouts, log *slog.Logger) (stop func()) {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry,
		promhttp.HandlerOpts{MaxRequestsInFlight: 3, Timeout: scrapeTimeout}))
	server := newServer(mux, t, log)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(ln) // ends when stop closes it
	}()
	return func() {
		_ = server.Close()
		<-done
	}
}

// listenMetrics opens the port of the metrics, nil if none is configured. In development a process whose port is taken
// serves no metrics, because several may run on one machine.
func listenMetrics(ctx context.Context, cfg config.Config, opts Options) (net.Listener, error) {
	switch {
	case opts.ListenMetrics != nil:
		return opts.ListenMetrics()
	case cfg.API.MetricsListen == "":
		return nil, nil
	}
	ln, err := listenOn(cfg.API.MetricsListen,
		"choose another with LEADCTL_API_METRICS_LISTEN, for example 127.0.0.1:9125")
	if err != nil && cfg.Development() {
		opts.Log.WarnContext(ctx, "no metrics", "error", err)
		return nil, nil
	}
	return ln, err
}
