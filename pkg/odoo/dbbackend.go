package odoo

import (
	"context"
	"time"

	"github.com/leadctl/leadctl/pkg/fault"
)

// DatabaseTimeout limits one call that makes, copies or rebuilds a database.
const DatabaseTimeout = 10 * time.Minute

// databaseBackend is the code of one Backend. Callers use duplicateWithRetry and dropWithRetry instead of its own
// methods.
type databaseBackend interface {
	checkAccess(ctx context.Context) (detail string, err error)
	hasDatabase(ctx context.Context, name string) (bool, error)
	duplicateDatabase(ctx context.Context, from, to string) error
	createDatabase(ctx context.Context, name, lang, login string, password Secret) error
	renameDatabase(ctx context.Context, from, to string) error
	dropDatabase(ctx context.Context, name string) (bool, error)
}

// The answer to a change may be lost although the change was made. It may also be HTTP 500 although nothing was begun
// (see retryOn500). So the functions below look at the result and repeat a change that did not happen. No change can
// happen twice, because a name is given only once.

func duplicateWithRetry(ctx context.Context, b databaseBackend, from, to string) error {
	return changeWithRetry(ctx, func() error { return b.duplicateDatabase(ctx, from, to) },
		func() bool { return existsIs(ctx, b, to, true) })
}

func dropWithRetry(ctx context.Context, b databaseBackend, name string) (gone bool, err error) {
	err = changeWithRetry(ctx, func() error {
		gone, err = b.dropDatabase(ctx, name)
		return err
	}, func() bool {
		gone = existsIs(ctx, b, name, false)
		return gone
	})
	return gone, err
}

func changeWithRetry(ctx context.Context, do func() error, done func() bool) error {
	_, err := retryOn500(ctx, func() (any, error) {
		err := do()
		if Ambiguous(err) && done() {
			err = nil
		}
		return nil, err
	})
	return err
}

// existsIs reports whether it is certain that a database of that name exists, or with want false does not exist.
func existsIs(ctx context.Context, b databaseBackend, name string, want bool) bool {
	exists, err := b.hasDatabase(ctx, name)
	return err == nil && exists == want
}

// noSuchDatabase returns a name that no database has.
func noSuchDatabase() string { return "leadctl_no_such_" + string(NewSecret()) }

func masterMissing() error {
	return Misconfigured("Odoo database manager: ODOO_MASTER_PASSWORD is not set")
}

// MasterRefused returns fault.Operator for a refused master password, and any other error unchanged.
func MasterRefused(err error) error {
	if fault.Code(err) != CodeAccessDenied {
		return err
	}
	return fault.New(fault.Operator, "Odoo database manager: request refused: %w", err).WithCode(CodeMisconfig).
		WithHint("check ODOO_MASTER_PASSWORD and that Odoo runs with list_db = True, or set ODOO_POSTGRES_DSN")
}
