package odoo

import (
	"context"
	"time"

	"github.com/leadctl/leadctl/pkg/fault"
)

// Databases is Odoo's own making of databases, with the master password that opens it: its database service, or the
// forms of its database manager's page where the service is shut or gone.
type Databases struct {
	server *Server
	master Secret
}

// Databases makes no call.
func (s *Server) Databases(master Secret) *Databases { return &Databases{s, master} }

// DatabaseTimeout bounds one call that makes, copies or rebuilds a whole database.
const DatabaseTimeout = 10 * time.Minute

// databaseBackend is the code of one Backend. Callers use duplicate and drop below instead of its own.
type databaseBackend interface {
	checkAccess(ctx context.Context) (detail string, err error)
	hasDatabase(ctx context.Context, name string) (bool, error)
	duplicateDatabase(ctx context.Context, from, to string) error
	createDatabase(ctx context.Context, name, lang, login string, password Secret) error
	renameDatabase(ctx context.Context, from, to string) error
	dropDatabase(ctx context.Context, name string) (bool, error)
}

// Backend names one way in which Odoo itself makes databases.
type Backend string

// The backends. A server uses the service where it answers, else the forms.
const (
	BackendService Backend = "database service" // /xmlrpc/2/db
	BackendForms   Backend = "web form"         // the pages below /web/database
)

func (d *Databases) backendFor(b Backend) databaseBackend {
	if b == BackendForms {
		return &dbForms{d.server, d.master}
	}
	return &dbService{d.server, d.master}
}

// Backend returns the backend of this server. It is looked up once in the server's life.
func (d *Databases) Backend(ctx context.Context) (Backend, error) {
	return d.server.backend.Get(func() (Backend, error) {
		answers, err := (&dbService{d.server, d.master}).isAvailable(ctx)
		if answers || err != nil {
			return BackendService, err
		}
		return BackendForms, nil
	})
}

func (d *Databases) chosenBackend(ctx context.Context) (databaseBackend, error) {
	b, err := d.Backend(ctx)
	if err != nil {
		return nil, err
	}
	return d.backendFor(b), nil
}

// CheckBackend reports whether a backend is open and accepts the master password. It changes nothing.
func (d *Databases) CheckBackend(ctx context.Context, b Backend) (detail string, err error) {
	return d.backendFor(b).checkAccess(ctx)
}

// BackendHas reports whether a backend sees a database of that name.
func (d *Databases) BackendHas(ctx context.Context, b Backend, name string) (bool, error) {
	return d.backendFor(b).hasDatabase(ctx, name)
}

// Exists reports whether a database of that name exists and accepts connections; it needs no master password.
func (d *Databases) Exists(ctx context.Context, name string) (bool, error) {
	by, err := d.chosenBackend(ctx)
	if err != nil {
		return false, err
	}
	return by.hasDatabase(ctx, name)
}

// Duplicate copies a database with its files; fault.Conflict when the new name is taken, fault.NotFound without a
// source.
func (d *Databases) Duplicate(ctx context.Context, from, to string) error {
	by, err := d.chosenBackend(ctx)
	if err != nil {
		return err
	}
	return duplicateWithRetry(ctx, by, from, to)
}

// Create makes a database with Odoo's base modules. It blocks every other database of the Odoo process for seconds, so
// it belongs to template making only. Odoo may answer success although the making broke half way and left admin/admin
// behind: the caller signs in to know.
func (d *Databases) Create(ctx context.Context, name, lang, login string, password Secret) error {
	by, err := d.chosenBackend(ctx)
	if err != nil {
		return err
	}
	return by.createDatabase(ctx, name, lang, login, password)
}

// Rename renames a database; its sessions are ended. By forms it is a copy and the end of the first one, and a crash in
// between leaves both.
func (d *Databases) Rename(ctx context.Context, from, to string) error {
	by, err := d.chosenBackend(ctx)
	if err != nil {
		return err
	}
	return by.renameDatabase(ctx, from, to)
}

// Drop deletes a database and its files, and reports whether there was one that Odoo may delete.
func (d *Databases) Drop(ctx context.Context, name string) (bool, error) {
	by, err := d.chosenBackend(ctx)
	if err != nil {
		return false, err
	}
	return dropWithRetry(ctx, by, name)
}

// DropLeftover drops a database that an interrupted attempt may have left. It looks first: looking takes no master
// password.
func (d *Databases) DropLeftover(ctx context.Context, name string) error {
	left, err := d.Exists(ctx, name)
	if err == nil && left {
		_, err = d.Drop(ctx, name)
	}
	return err
}

// The answer to a change may be broken though the change was made, and it may be HTTP 500 though nothing was even begun
// (see retryOn500). So a broken answer is looked into, and what did not happen is asked for again; since a name is
// given once, it cannot happen twice.

func duplicateWithRetry(ctx context.Context, by databaseBackend, from, to string) error {
	return changeWithRetry(ctx, func() error { return by.duplicateDatabase(ctx, from, to) },
		func() bool { return existsIs(ctx, by, to, true) })
}

func dropWithRetry(ctx context.Context, by databaseBackend, name string) (gone bool, err error) {
	err = changeWithRetry(ctx, func() error {
		gone, err = by.dropDatabase(ctx, name)
		return err
	}, func() bool {
		gone = existsIs(ctx, by, name, false)
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

// existsIs: whether there is, or is not, a database of that name for certain.
func existsIs(ctx context.Context, by databaseBackend, name string, want bool) bool {
	exists, err := by.hasDatabase(ctx, name)
	return err == nil && exists == want
}

// noSuchDatabase is a name that no database has.
func noSuchDatabase() string { return "leadctl_no_such_" + string(NewSecret()) }

func masterMissing() error {
	return Misconfigured("Odoo database manager: ODOO_MASTER_PASSWORD is not set")
}

// MasterRefused turns a refused master password into fault.Operator, and returns any other error as it is.
func MasterRefused(err error) error {
	if fault.Code(err) != CodeAccessDenied {
		return err
	}
	return fault.New(fault.Operator, "Odoo database manager: refuses: %w", err).WithCode(CodeMisconfig).
		WithHint("check ODOO_MASTER_PASSWORD and that Odoo runs with list_db on, or set ODOO_POSTGRES_DSN")
}

// NoUniqueIndexNote is what an operator shall know of a database that only Odoo was asked to make: an index is SQL's to
// make.
const NoUniqueIndexNote = "; without ODOO_POSTGRES_DSN no unique index keeps a company (x_uen) from being two contacts"
