package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/schema"
)

// ReadCatalog runs fn in a read-only transaction, for the checks of schema version, gate and login in package schema.
// It works with a database in any state: it sets the role leadctl_system only if that role exists and the login is a
// member. session_user remains the login.
func (db *DB) ReadCatalog(ctx context.Context, fn func(q schema.Querier) error) error {
	begin := `begin read only; select ` + db.local + `; select set_config('role', rolname, true) from pg_roles
		where rolname = '` + schema.SystemRole + `' and pg_has_role(session_user, oid, 'MEMBER')`
	return db.runTransaction(ctx, "look", begin, func(_ context.Context, tx pgx.Tx) (final bool, err error) {
		return true, fn(tx)
	})
}
