package postgres

import (
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/leadctl/leadctl/pkg/fault"
)

// classifyError returns err, an error from pgx, as a fault. what is the beginning of its text. An error that is a
// fault already (returned by a door's fn) is returned unchanged. The text contains nothing of the database's message,
// which can name a constraint, a table or a value.
func classifyError(err error, what string) error {
	var known *fault.Error
	var pg *pgconn.PgError
	var connect *pgconn.ConnectError
	var network net.Error
	switch {
	case err == nil, errors.As(err, &known), errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &connect):
		return unavailableFault(what, connectError{connect})
	case errors.As(err, &network),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return unavailableFault(what, err)
	case errors.As(err, &pg):
		return fault.New(kindOfState(pg.Code), "%s: %w", what, err)
	case errors.Is(err, pgx.ErrTxCommitRollback):
		return fault.New(fault.Internal, "%s: a statement failed and its error was ignored: %w", what, err)
	case pgconn.SafeToRetry(err):
		return unavailableFault(what, err)
	}
	return fault.New(fault.Internal, "%s: %w", what, err)
}

func unavailableFault(what string, err error) error {
	return fault.New(fault.Unavailable, "%s: %w", what, err).WithRetryAfter(2 * time.Second)
}

// readOnlyState is the SQLSTATE of a write to a database that accepts none, such as a standby.
const readOnlyState = "25006"

// kindOfState returns the kind of fault for an SQLSTATE.
func kindOfState(code string) fault.Kind {
	switch code {
	case "23505", "23P01":
		return fault.Conflict
	case "57014", "55P03", "40001", "40P01", "57P01", "57P02", "57P03", "25P03":
		return fault.Unavailable // timeouts, lock waits, serialization, shutdown
	case readOnlyState:
		return fault.Unavailable // a standby, or a primary that was demoted
	}
	switch code[:2] {
	case "08", "53": // connection failure, out of resources
		return fault.Unavailable
	}
	return fault.Internal
}

func formatMillis(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
