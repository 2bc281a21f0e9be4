package provision

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// commitTemplate gives the finished template its final name and, with ClusterDSN, locks it.
func (b *templateRun) commitTemplate(ctx context.Context) error {
	if b.cluster == nil {
		if b.db != b.t.Name {
			return b.service.Rename(ctx, b.db, b.t.Name)
		}
		// left by a run that crashed in a rename, which with the forms is a copy
		return b.service.DropLeftover(ctx, b.db+provisionalSuffix)
	}
	if err := b.finishInSQL(ctx); err != nil {
		return err
	}
	return b.onCluster(ctx, func(admin *pgx.Conn) error {
		if b.db != b.t.Name {
			if err := commitName(ctx, admin, b.db, b.t.Name); err != nil {
				return err
			}
		}
		if b.t.Shared {
			return nil
		}
		return lockTemplate(ctx, admin, b.t)
	})
}

// finishInSQL does what needs SQL: the end of the accounts that the work used.
func (b *templateRun) finishInSQL(ctx context.Context) error {
	conn, err := b.cluster.connect(ctx, b.db)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var password *string
	if b.t.Secret != "" {
		hash, err := hashSecret(b.t.Secret, 25000)
		if err != nil {
			return err
		}
		password = &hash
	}
	return clusterFault("template "+b.db, pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		for _, sql := range append(b.t.finalStatements(), dropUniqueContacts) {
			if _, err := tx.Exec(ctx, sql); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, `UPDATE res_users SET password = $1 WHERE login = $2`, password, b.t.Login)
		return err
	}))
}

// dropUniqueContacts removes the unique index on the UEN that older versions of leadctl made. When a person merges
// contacts, Odoo gives the one that is left the values of the other before it deletes that one, whatever the field says
// about copies, and the index made the merge fail. The table of pushed leads keeps a push from making a contact twice.
const dropUniqueContacts = `DROP INDEX IF EXISTS leadctl_partner_uen_uniq`

// finalStatements returns the last statements. In a template they make every account unusable. In a shared database
// they delete only the key of the work.
func (t Template) finalStatements() []string {
	if t.Shared {
		return []string{`DELETE FROM res_users_apikeys WHERE name = '` + templateKeyName + `'`}
	}
	return []string{`UPDATE res_users SET password = NULL`, `DELETE FROM res_users_apikeys`}
}

// lockTemplate locks the template against new sessions and then ends the open ones. The order matters: a session that
// was opened before the lock outlives it.
func lockTemplate(ctx context.Context, admin *pgx.Conn, t Template) error {
	for _, sql := range []string{
		"COMMENT ON DATABASE " + quoteName(t.Name) + " IS '" + t.comment() + "'",
		"ALTER DATABASE " + quoteName(t.Name) + " IS_TEMPLATE true ALLOW_CONNECTIONS false"} {
		if _, err := admin.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return endSessions(ctx, admin, t.Name)
}
