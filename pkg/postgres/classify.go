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

// classifyError gives an error from pgx its kind. An error that has one already (a domain fault returned by fn) passes
// unchanged. No constraint, table or value of the database's message goes into the text.
func classifyError(err error, what string) error {
	var known *fault.Error
	var pg *pgconn.PgError
	var connect *pgconn.ConnectError
	var network net.Error
	switch {
	case err == nil, errors.As(err, &known), errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &connect), errors.As(err, &network), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return unavailableFault(what, err)
	case errors.As(err, &pg):
		return fault.New(kindOfState(pg.Code), "%s: %w", what, err)
	case errors.Is(err, pgx.ErrTxCommitRollback):
		return fault.New(fault.Internal, "%s: a statement failed and was ignored: %w", what, err)
	case pgconn.SafeToRetry(err):
		return unavailableFault(what, err)
	}
	return fault.New(fault.Internal, "%s: %w", what, err)
}

func unavailableFault(what string, err error) error {
	return fault.New(fault.Unavailable, "%s: %w", what, err).WithRetryAfter(2 * time.Second)
}

// kindOfState reads an SQLSTATE.
func kindOfState(code string) fault.Kind {
	switch code {
	case "23505", "23P01":
		return fault.Conflict
	case "57014", "55P03", "40001", "40P01", "57P01", "57P02", "57P03", "25P03":
		return fault.Unavailable // timeouts, lock waits, serialization, shutdown
	}
	switch code[:2] {
	case "08", "53": // connection trouble, out of resources
		return fault.Unavailable
	}
	return fault.Internal
}

func formatMillis(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
