package serve

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/leadctl/leadctl/pkg/acra"
	"github.com/leadctl/leadctl/pkg/postgres"
)

const (
	ageFresh   = 30 * time.Second
	ageTimeout = 500 * time.Millisecond // /health answers without the age rather than late
)

// registerAge returns the age of the register in the database. /health needs no token and the metrics are scraped, so
// it queries the database twice a minute at most, and keeps the last answer while the database is down.
type registerAge struct {
	db *postgres.DB

	mu    sync.Mutex
	asked time.Time
	age   acra.Age
}

func (r *registerAge) readAge(ctx context.Context) acra.Age {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.asked) >= ageFresh {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), ageTimeout)
		defer cancel()
		if age, err := acra.ReadAge(ctx, r.db); err == nil {
			r.age = age
		}
		r.asked = time.Now()
	}
	return r.age
}

// Describe implements prometheus.Collector.
func (r *registerAge) Describe(out chan<- *prometheus.Desc) {
	out <- registerAgeDesc()
	out <- registerReleaseDesc()
}

func registerAgeDesc() *prometheus.Desc {
	return newDesc("leadctl_register_age_seconds",
		"Time since the company register was last found to be as published, or was loaded; no sample before the "+
			"first time.")
}

func registerReleaseDesc() *prometheus.Desc {
	return newDesc("leadctl_register_release_age_seconds",
		"Time since the publisher released the register that is loaded; no sample when the source names no date.")
}

// Collect implements prometheus.Collector.
func (r *registerAge) Collect(out chan<- prometheus.Metric) {
	age := r.readAge(context.Background())
	if !age.Current.IsZero() {
		out <- prometheus.MustNewConstMetric(registerAgeDesc(), prometheus.GaugeValue,
			time.Since(age.Current).Seconds())
	}
	if released, err := time.Parse(time.RFC3339, age.Released); err == nil {
		out <- prometheus.MustNewConstMetric(registerReleaseDesc(), prometheus.GaugeValue,
			time.Since(released).Seconds())
	}
}
