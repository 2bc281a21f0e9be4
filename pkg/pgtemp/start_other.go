//go:build !unix

package pgtemp

import (
	"context"

	"github.com/leadctl/leadctl/pkg/fault"
)

// Start answers a fault of kind Operator: the supervisor needs a unix shell.
func Start(context.Context, Options) (*Server, error) {
	return nil, fault.New(fault.Operator, "throwaway PostgreSQL: not available on this operating system").
		WithHint("set POSTGRES_DSN to a server of your own")
}
