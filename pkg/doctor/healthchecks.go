package doctor

import (
	"context"
	"strings"

	"github.com/leadctl/leadctl/pkg/config"
	"github.com/leadctl/leadctl/pkg/console"
)

// HealthChecks is Examine for the console's health page, without the checks that ask each workspace or the register's
// publisher: the page is opened often.
func HealthChecks(ctx context.Context, cfg config.Config) (checks []console.Check) {
	for _, c := range Examine(ctx, Options{Config: cfg, Quick: true}) {
		checks = append(checks, console.Check{Name: strings.Replace(c.Name, "postgresql", "PostgreSQL", 1),
			State: c.State, Fact: c.Fact, Fix: c.Fix})
	}
	return checks
}
