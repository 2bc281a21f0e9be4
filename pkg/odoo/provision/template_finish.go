package provision

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// commitTemplate brings the finished template under its final name and, where the cluster is at hand, locks it.
func (b *templateRun) commitTemplate(ctx context.Context) error {
	if b.cluster == nil {
		if b.db != b.t.Name {
			return b.service.Rename(ctx, b.db, b.t.Name)
		}
		// of a run that crashed while the name was given by copying
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
		return lockTemplate(ctx, admin, b.t.Name)
	})
}

// finishInSQL does what only SQL can: the backstop against two partners of one company, and the end of the accounts
// that the work needed.
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
		for _, sql := range b.t.finalStatements() {
			if _, err := tx.Exec(ctx, sql); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, `UPDATE res_users SET password = $1 WHERE login = $2`, password, b.t.Login)
		return err
	}))
}

// finalStatements are the last statements: in a template no account stays usable, in a shared database only the key of
// the work goes.
func (t Template) finalStatements() []string {
	if t.Shared {
		return []string{
			`CREATE UNIQUE INDEX IF NOT EXISTS leadctl_partner_uen_uniq ON res_partner (company_id, x_uen) WHERE x_uen IS NOT NULL AND x_uen <> ''`,
			`DELETE FROM res_users_apikeys WHERE name = '` + templateKeyName + `'`}
	}
	return []string{
		`CREATE UNIQUE INDEX IF NOT EXISTS leadctl_partner_uen_uniq ON res_partner (x_uen) WHERE x_uen IS NOT NULL AND x_uen <> ''`,
		`UPDATE res_users SET password = NULL`, `DELETE FROM res_users_apikeys`}
}

// lockTemplate keeps everybody out. The order matters: sessions opened before the lock outlive it and are ended after
// it.
func lockTemplate(ctx context.Context, admin *pgx.Conn, name string) error {
	for _, sql := range []string{
		"COMMENT ON DATABASE " + quoteName(name) + " IS '" + templateComment + "'",
		"ALTER DATABASE " + quoteName(name) + " IS_TEMPLATE true ALLOW_CONNECTIONS false"} {
		if _, err := admin.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return endSessions(ctx, admin, name)
}
