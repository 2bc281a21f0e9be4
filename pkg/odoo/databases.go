package odoo

import (
	"context"
)

// Databases makes, copies, renames and drops databases through Odoo, with Odoo's master password. It uses Odoo's
// database service, or the forms of the database manager's page where the service is not available.
type Databases struct {
	server *Server
	master Secret
}

// Databases returns the databases of this server. It makes no call.
func (s *Server) Databases(master Secret) *Databases { return &Databases{s, master} }

func (d *Databases) backendFor(b Backend) databaseBackend {
	if b == BackendForms {
		return &dbForms{d.server, d.master}
	}
	return &dbService{d.server, d.master}
}

// Backend returns the backend of this server. Only the first call asks the server.
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

// CheckBackend checks that a backend is available and accepts the master password. It changes nothing.
func (d *Databases) CheckBackend(ctx context.Context, b Backend) (detail string, err error) {
	return d.backendFor(b).checkAccess(ctx)
}

// BackendHas reports whether a backend lists a database of that name.
func (d *Databases) BackendHas(ctx context.Context, b Backend, name string) (bool, error) {
	return d.backendFor(b).hasDatabase(ctx, name)
}

// Exists reports whether a database of that name exists and accepts connections. It needs no master password.
func (d *Databases) Exists(ctx context.Context, name string) (bool, error) {
	b, err := d.chosenBackend(ctx)
	if err != nil {
		return false, err
	}
	return b.hasDatabase(ctx, name)
}

// Duplicate copies a database with its files. It returns fault.Conflict when the new name is taken, and fault.NotFound
// when the source does not exist.
func (d *Databases) Duplicate(ctx context.Context, from, to string) error {
	b, err := d.chosenBackend(ctx)
	if err != nil {
		return err
	}
	return duplicateWithRetry(ctx, b, from, to)
}

// Create makes a database with Odoo's base modules. It blocks every other database of the Odoo process for seconds, so
// only the preparation of a template uses it. Odoo may report success although the work broke half way and left the
// account admin/admin. The caller signs in to find out.
func (d *Databases) Create(ctx context.Context, name, lang, login string, password Secret) error {
	b, err := d.chosenBackend(ctx)
	if err != nil {
		return err
	}
	return b.createDatabase(ctx, name, lang, login, password)
}

// Rename renames a database and ends its sessions. The forms copy the database and then drop the first one, so a crash
// in between leaves both.
func (d *Databases) Rename(ctx context.Context, from, to string) error {
	b, err := d.chosenBackend(ctx)
	if err != nil {
		return err
	}
	return b.renameDatabase(ctx, from, to)
}

// Drop deletes a database and its files. It reports whether there was one that Odoo may delete.
func (d *Databases) Drop(ctx context.Context, name string) (bool, error) {
	b, err := d.chosenBackend(ctx)
	if err != nil {
		return false, err
	}
	return dropWithRetry(ctx, b, name)
}

// DropLeftover drops a database that an interrupted attempt may have left. It looks first, because that needs no master
// password.
func (d *Databases) DropLeftover(ctx context.Context, name string) error {
	left, err := d.Exists(ctx, name)
	if err == nil && left {
		_, err = d.Drop(ctx, name)
	}
	return err
}
