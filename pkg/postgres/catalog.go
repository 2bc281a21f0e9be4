package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/schema"
)

// ReadCatalog gives fn the catalog, read only: for the judgement of schema version, gate and login. It works on a database in
// any state, so the control plane's role is taken only where it exists and the login may have it; the session's user stays
// the login either way.
func (db *DB) ReadCatalog(ctx context.Context, fn func(q schema.Querier) error) error {
	begin := `begin read only; select ` + db.local + `; select set_config('role', rolname, true) from pg_roles where rolname = '` + schema.SystemRole + `' and pg_has_role(session_user, oid, 'MEMBER')`
	return db.runTransaction(ctx, "look", begin, func(_ context.Context, tx pgx.Tx) (bool, error) { return true, fn(tx) })
}
