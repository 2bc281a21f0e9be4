//go:build !unix

package pgtemp

import (
	"context"

	"github.com/leadctl/leadctl/pkg/fault"
)

// Start returns an Operator fault, because the supervisor needs a Unix shell.
func Start(context.Context, Options) (*Server, error) {
	return nil, fault.New(fault.Operator, "temporary PostgreSQL: not available on this operating system").
		WithHint("tests can use a server that LEADCTL_TEST_POSTGRES_DSN names")
}
