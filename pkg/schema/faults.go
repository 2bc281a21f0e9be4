package schema

import (
	"errors"
	"fmt"

	"github.com/golang-migrate/migrate/v4/database"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/leadctl/leadctl/pkg/fault"
)

// stepFault returns the fault for a migration that failed with err. golang-migrate's error contains the whole file, so
// the fault contains PostgreSQL's message only.
func stepFault(m Migration, err error) error {
	pg := pgError(err)
	if pg == nil {
		return fault.New(fault.Unavailable, "migration %s: %w", m.fullName(), err)
	}
	if isLockTimeout(err) {
		return fault.New(fault.Unavailable, "migration %s: another transaction holds a lock on its tables",
			m.fullName()).
			WithHint("nothing was changed; end that transaction (see pg_stat_activity), run `leadctl migrate` again")
	}
	text := pg.Message
	if pg.Detail != "" {
		text += " (" + pg.Detail + ")"
	}
	return fault.New(fault.Operator, "migration %s: %s, SQLSTATE %s", m.fullName(), text, pg.Code).
		WithHint("%s", stepHint(m, pg))
}

// stepHint returns what to do about the failed migration m.
func stepHint(m Migration, pg *pgconn.PgError) string {
	switch {
	case m.noTransaction:
		return fmt.Sprintf("it runs outside a transaction and may be partly applied: undo that part by hand, "+
			"then run `leadctl migrate force %d` and `leadctl migrate`", m.Version-1)
	case pg.Code == "42501":
		return rightsHint
	case pg.Hint != "":
		return pg.Hint + "; nothing was changed, so run `leadctl migrate` again afterwards"
	}
	return "nothing was changed; resolve the cause and run `leadctl migrate` again"
}

const rightsHint = "migrate with a login that owns the database and its tables and has CREATEROLE, or as a superuser"

// pgError returns PostgreSQL's error in err, or nil. It also finds one inside golang-migrate's errors, which do not
// unwrap and are values or pointers.
func pgError(err error) *pgconn.PgError {
	var pg *pgconn.PgError
	var value database.Error
	var pointer *database.Error
	switch {
	case errors.As(err, &value):
		err = value.OrigErr
	case errors.As(err, &pointer):
		err = pointer.OrigErr
	}
	if errors.As(err, &pg) {
		return pg
	}
	return nil
}

// classifyError returns err as a fault; what is the beginning of its text. A missing privilege is an Operator fault,
// every other error Unavailable.
func classifyError(err error, what string) error {
	if err == nil {
		return nil
	}
	if pg := pgError(err); pg != nil && pg.Code == "42501" {
		return fault.New(fault.Operator, "%s: %s", what, pg.Message).WithHint(rightsHint)
	}
	return fault.New(fault.Unavailable, "%s: %w", what, err)
}
