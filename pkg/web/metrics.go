package web

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// unrouted is the route of requests that no row of the table took.
const unrouted = "none"

// metrics count requests by route and outcome. Labels come from the route table, never from a request or a tenant.
type metrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	inFlight prometheus.Gauge
}

func newMetrics(into prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "leadctl_http_requests_total",
			Help: "Requests answered, by route and class of status (broken: the answer was cut off).",
		}, []string{"route", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "leadctl_http_request_duration_seconds",
			Help:    "Time from a request's header to the end of its answer.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10, 60},
		}, []string{"route"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{Name: "leadctl_http_requests_in_flight",
			Help: "Requests being answered."}),
	}
	if into != nil {
		into.MustRegister(m.requests, m.duration, m.inFlight)
	}
	return m
}

func (m *metrics) countRequest(route string, status int, broken bool, took time.Duration) {
	class := strconv.Itoa(status/100) + "xx"
	if broken {
		class = "broken"
	}
	m.requests.WithLabelValues(route, class).Inc()
	m.duration.WithLabelValues(route).Observe(took.Seconds())
}
