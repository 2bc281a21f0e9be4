package odoo

import (
	"context"

	"github.com/leadctl/leadctl/pkg/fault"
)

// dbService uses Odoo's database service over XML-RPC. Odoo has it up to version 19. Where the server runs with list_db
// = False, every method but hasDatabase fails as with a wrong master password.
type dbService struct {
	server *Server
	master Secret
}

// isAvailable reports whether the server has the service. It asks for the version, which needs no password.
func (d *dbService) isAvailable(ctx context.Context) (bool, error) {
	v, err := d.server.CachedVersion(ctx)
	if err != nil || !v.XMLRPC {
		return false, err
	}
	_, err = d.server.askXMLRPC(ctx, rpcCall{service: "db", method: "server_version"})
	if pathNotServed(err) || fault.Code(err) == CodeRejected {
		return false, nil
	}
	return err == nil, err
}

func (d *dbService) callService(ctx context.Context, method, db string, args ...any) (any, error) {
	return d.server.callXMLRPC(ctx, rpcCall{service: "db", method: method, db: db, timeout: DatabaseTimeout,
		args: append([]any{string(d.master)}, args...), secrets: []Secret{d.master}})
}

// hasDatabase checks a "no" with a sign-in: Odoo also says "no" when PostgreSQL has no connection left for it. The
// answer to a sign-in says which of the two it is.
func (d *dbService) hasDatabase(ctx context.Context, name string) (bool, error) {
	v, err := d.server.askXMLRPC(ctx, rpcCall{service: "db", method: "db_exist", db: name, args: []any{name}})
	if exists, _ := v.(bool); exists || err != nil {
		return exists, err
	}
	_, _, err = d.server.authenticateByXMLRPC(ctx, name, ServiceLogin, NewSecret())
	if fault.Code(err) == CodeMissing {
		return false, nil
	}
	return err == nil, err
}

func (d *dbService) duplicateDatabase(ctx context.Context, from, to string) error {
	_, err := d.callService(ctx, "duplicate_database", to, from, to)
	return err
}

func (d *dbService) createDatabase(ctx context.Context, name, lang, login string, password Secret) error {
	_, err := d.server.callXMLRPC(ctx, rpcCall{service: "db", method: "create_database", db: name,
		args:    []any{string(d.master), name, false, lang, string(password), login},
		secrets: []Secret{d.master, password}, timeout: DatabaseTimeout})
	return err
}

func (d *dbService) renameDatabase(ctx context.Context, from, to string) error {
	return changeWithRetry(ctx, func() error {
		_, err := d.callService(ctx, "rename", from, from, to)
		return err
	}, func() bool { return existsIs(ctx, d, to, true) && existsIs(ctx, d, from, false) })
}

func (d *dbService) dropDatabase(ctx context.Context, name string) (bool, error) {
	v, err := d.callService(ctx, "drop", name, name)
	done, _ := v.(bool)
	return done, err
}

// checkAccess checks that the service answers and accepts the master password. It drops a name that no database has:
// that changes nothing, and only a call like this depends on the master password.
func (d *dbService) checkAccess(ctx context.Context) (string, error) {
	if d.master == "" {
		return "", masterMissing()
	}
	answers, err := d.isAvailable(ctx)
	if err == nil && !answers {
		err = Misconfigured("Odoo database service: not available").WithHint(
			"allow leadctl to reach /xmlrpc/2/db, or use the web form")
	}
	if err != nil {
		return "", err
	}
	if _, err := d.dropDatabase(ctx, noSuchDatabase()); err != nil {
		return "", MasterRefused(err)
	}
	return "master password accepted", nil
}
