package odoo

import (
	"context"
	"time"
)

// Databases is Odoo's own making of databases, with the master password that opens it: its database service, or the forms of
// its database manager's page where the service is shut or gone.
type Databases struct {
	server *Server
	master Secret
}

// Databases makes no call.
func (s *Server) Databases(master Secret) *Databases { return &Databases{s, master} }

// databaseWork is the deadline of calls that copy or make a whole database.
const databaseWork = 10 * time.Minute

// databaseWay is one way of having Odoo make databases. Those who use it call duplicate and drop below.
type databaseWay interface {
	usable(ctx context.Context) (detail string, err error)
	exists(ctx context.Context, name string) (bool, error)
	duplicate(ctx context.Context, from, to string) error
	create(ctx context.Context, name, lang, login string, password Secret) error
	rename(ctx context.Context, from, to string) error
	drop(ctx context.Context, name string) (bool, error)
}

func (d *Databases) service() *dbService { return &dbService{d.server, d.master} }
func (d *Databases) forms() *dbForms     { return &dbForms{d.server, d.master} }

// way is the service where it answers, else the forms: found out once in the server's life.
func (d *Databases) way(ctx context.Context) (databaseWay, error) {
	byForms, err := d.server.byForms.get(func() (bool, error) {
		answers, err := d.service().answers(ctx)
		return !answers, err
	})
	if err != nil {
		return nil, err
	}
	if byForms {
		return d.forms(), nil
	}
	return d.service(), nil
}

// Exists reports whether a database of that name exists and accepts connections; it needs no master password.
func (d *Databases) Exists(ctx context.Context, name string) (bool, error) {
	way, err := d.way(ctx)
	if err != nil {
		return false, err
	}
	return way.exists(ctx, name)
}

// Duplicate copies a database with its files; fault.Conflict when the new name is taken, fault.NotFound without a source.
func (d *Databases) Duplicate(ctx context.Context, from, to string) error {
	way, err := d.way(ctx)
	if err != nil {
		return err
	}
	return duplicate(ctx, way, from, to)
}

// Create makes a database with Odoo's base modules. It blocks every other database of the Odoo process for seconds, so it
// belongs to template making only. Odoo may answer success although the making broke half way and left admin/admin behind:
// the caller signs in to know.
func (d *Databases) Create(ctx context.Context, name, lang, login string, password Secret) error {
	way, err := d.way(ctx)
	if err != nil {
		return err
	}
	return way.create(ctx, name, lang, login, password)
}

// Rename renames a database; its sessions are ended. By forms it is a copy and the end of the first one, and a crash in between
// leaves both.
func (d *Databases) Rename(ctx context.Context, from, to string) error {
	way, err := d.way(ctx)
	if err != nil {
		return err
	}
	return way.rename(ctx, from, to)
}

// Drop deletes a database and its files, and reports whether there was one that Odoo may delete.
func (d *Databases) Drop(ctx context.Context, name string) (bool, error) {
	way, err := d.way(ctx)
	if err != nil {
		return false, err
	}
	return drop(ctx, way, name)
}

// sweep drops what a broken attempt may have left. It looks first: to drop takes the master password, to look does not.
func (d *Databases) sweep(ctx context.Context, name string) error {
	left, err := d.Exists(ctx, name)
	if err == nil && left {
		_, err = d.Drop(ctx, name)
	}
	return err
}

// The answer to a change may be broken though the change was made, and it may be HTTP 500 though nothing was even begun (again tells when).
// So a broken answer is looked into, and what did not happen is asked for again; since a name is given once, it cannot happen twice.

func duplicate(ctx context.Context, way databaseWay, from, to string) error {
	return change(ctx, func() error { return way.duplicate(ctx, from, to) }, func() bool { return existsIs(ctx, way, to, true) })
}

func drop(ctx context.Context, way databaseWay, name string) (gone bool, err error) {
	err = change(ctx, func() error {
		gone, err = way.drop(ctx, name)
		return err
	}, func() bool {
		gone = existsIs(ctx, way, name, false)
		return gone
	})
	return gone, err
}

func change(ctx context.Context, do func() error, done func() bool) error {
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
func existsIs(ctx context.Context, way databaseWay, name string, want bool) bool {
	exists, err := way.exists(ctx, name)
	return err == nil && exists == want
}

// noSuchDatabase is a name that no database has.
func noSuchDatabase() string { return "leadctl_no_such_" + string(NewSecret()) }
