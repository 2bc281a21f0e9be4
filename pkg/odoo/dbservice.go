package odoo

import (
	"context"
	"time"
)

// Databases is Odoo's own database service with the master password that opens it. It exists up to Odoo 19; where the server
// runs with list_db = False, every method but Exists is refused just as for a wrong master password.
type Databases struct {
	server *Server
	master Secret
}

// Databases opens the database service; no call is made.
func (s *Server) Databases(master Secret) *Databases { return &Databases{s, master} }

// databaseWork is the deadline of calls that copy or make a whole database.
const databaseWork = 10 * time.Minute

func (d *Databases) call(ctx context.Context, method, db string, args ...any) (any, error) {
	return d.server.rpc(ctx, rpcCall{service: "db", method: method, db: db, timeout: databaseWork,
		args: append([]any{string(d.master)}, args...), secrets: []Secret{d.master}})
}

// Exists reports whether a database of that name exists and accepts connections; it needs no master password.
func (d *Databases) Exists(ctx context.Context, name string) (bool, error) {
	v, err := d.server.ask(ctx, rpcCall{service: "db", method: "db_exist", db: name, args: []any{name}})
	exists, _ := v.(bool)
	return exists, err
}

// Duplicate copies a database with its files; fault.Conflict when the new name is taken, fault.NotFound without a source.
func (d *Databases) Duplicate(ctx context.Context, from, to string) error {
	_, err := d.call(ctx, "duplicate_database", to, from, to)
	return err
}

// Create makes a database with Odoo's base modules. It blocks every other database of the Odoo process for seconds, so it
// belongs to template making only. Odoo may answer success although the making broke half way and left admin/admin behind:
// the caller signs in to know.
func (d *Databases) Create(ctx context.Context, name, lang, login string, password Secret) error {
	_, err := d.server.rpc(ctx, rpcCall{service: "db", method: "create_database", db: name, timeout: databaseWork,
		args: []any{string(d.master), name, false, lang, string(password), login}, secrets: []Secret{d.master, password}})
	return err
}

// Rename renames a database; its sessions are ended. Odoo 14 may answer HTTP 500 after it was done, when the renamed database was
// the only one and the answering itself wants it back, so a broken answer is looked into.
func (d *Databases) Rename(ctx context.Context, from, to string) error {
	_, err := d.call(ctx, "rename", from, from, to)
	if Ambiguous(err) && d.exactly(ctx, to, true) && d.exactly(ctx, from, false) {
		return nil
	}
	return err
}

// Drop deletes a database and its files, and reports whether there was one that Odoo may delete. A broken answer is looked into.
func (d *Databases) Drop(ctx context.Context, name string) (bool, error) {
	v, err := d.call(ctx, "drop", name, name)
	if Ambiguous(err) && d.exactly(ctx, name, false) {
		return true, nil
	}
	done, _ := v.(bool)
	return done, err
}

func (d *Databases) exactly(ctx context.Context, name string, want bool) bool {
	exists, err := d.Exists(ctx, name)
	return err == nil && exists == want
}
