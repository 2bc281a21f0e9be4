package provision

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/odoo"
)

// newIdentity replaces the values that must differ between two Odoo databases, and sets the marker.
func newIdentity(ctx context.Context, tx pgx.Tx, owner string) error {
	for _, p := range [][2]string{{"database.uuid", newUUID()}, {"database.secret", newUUID()}, {markerKey, owner}} {
		if _, err := tx.Exec(ctx, `
			INSERT INTO ir_config_parameter (key, value, create_uid, create_date, write_uid, write_date)
			VALUES ($1, $2, 1, now() AT TIME ZONE 'utc', 1, now() AT TIME ZONE 'utc')
			ON CONFLICT (key) DO UPDATE SET value = excluded.value, write_date = excluded.write_date`,
			p[0], p[1]); err != nil {
			return err
		}
	}
	if _, err := tx.Exec(ctx, postponeJobs); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `UPDATE ir_config_parameter
		SET value = to_char(now() AT TIME ZONE 'utc', 'YYYY-MM-DD HH24:MI:SS')
		WHERE key = 'database.create_date'`)
	return err
}

// postponeJobs gives the scheduled jobs of a clone later times, spread over 50 minutes. They have been due since the
// template was made and would otherwise all run at once in every new clone.
const postponeJobs = `UPDATE ir_cron
	SET nextcall = date_trunc('second', now() AT TIME ZONE 'utc') + interval '10 minutes'
		+ random() * interval '50 minutes'
	WHERE active AND nextcall < now() AT TIME ZONE 'utc' + interval '10 minutes'`

// closeAccounts makes every account of the template unusable: no passwords, no keys, and no account named admin.
func closeAccounts(ctx context.Context, tx pgx.Tx, database string) error {
	if _, err := tx.Exec(ctx, `UPDATE res_users SET password = NULL`); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `DELETE FROM res_users_apikeys`); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `UPDATE res_users SET login = $1 WHERE id = (SELECT res_id FROM ir_model_data
		WHERE module = 'base' AND name = 'user_admin' AND model = 'res.users')`, odoo.AdministratorLogin(database))
	return err
}

// installKey makes secret the only API key and the only credential of the account. It writes nothing when that is so
// already.
func installKey(ctx context.Context, tx pgx.Tx, login string, secret odoo.Secret) error {
	var uid int64
	var password *string
	err := tx.QueryRow(ctx, `SELECT id, password FROM res_users WHERE login = $1 AND active FOR UPDATE`,
		login).Scan(&uid, &password)
	if errors.Is(err, pgx.ErrNoRows) {
		return fault.New(fault.Operator, "Odoo account %s: missing or archived", login).WithCode(odoo.CodeMisconfig).
			WithHint("prepare the template again with: leadctl odoo template prepare")
	}
	if err != nil {
		return err
	}
	rows, _ := tx.Query(ctx, `SELECT key FROM res_users_apikeys WHERE user_id = $1`, uid)
	keys, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	if len(keys) == 1 && password == nil && secretMatches(secret, keys[0]) {
		return nil
	}
	hash, err := hashSecret(secret, keyRounds)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `UPDATE res_users SET password = NULL WHERE id = $1 AND password IS NOT NULL`,
		uid); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `DELETE FROM res_users_apikeys WHERE user_id = $1`, uid); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO res_users_apikeys (name, user_id, scope, key, index, create_date)
		VALUES ('leadctl', $1, NULL, $2, $3, now() AT TIME ZONE 'utc')`, uid, hash, string(secret[:keyIndexLength]))
	return err
}

// readParameter returns one of Odoo's system parameters, "" when it is not set or the database is not Odoo's.
func readParameter(ctx context.Context, conn *pgx.Conn, key string) (string, error) {
	var isOdoo bool
	if err := conn.QueryRow(ctx, `SELECT to_regclass('ir_config_parameter') IS NOT NULL`).Scan(&isOdoo); err != nil ||
		!isOdoo {
		return "", clusterFault("parameter "+key, err)
	}
	var value string
	err := conn.QueryRow(ctx, `SELECT coalesce(value, '') FROM ir_config_parameter WHERE key = $1`, key).Scan(&value)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	return value, clusterFault("parameter "+key, err)
}

// newUUID returns a random (version 4) UUID.
func newUUID() string {
	b := make([]byte, 16)
	rand.Read(b)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
