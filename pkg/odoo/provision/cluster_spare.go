package provision

import (
	"context"
	"errors"
	"html"
	"regexp"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/odoo/crm"
)

// Making a user is the slowest step of a first sign-in: Odoo does it in Python, for one workspace after the other. So
// the template has a spare user, archived and without a way to sign in. In a clone, the first person gets this user:
// SQL sets the person's login, name and address where Odoo would have written them. The live tests compare the outcome
// with a user that Odoo made.

// spareLogin is the spare user's login and name. It never equals a person's login, because those are e-mail addresses.
const spareLogin = odoo.ServiceLogin + "-spare"

// ensureSpare makes the spare user in a template.
func ensureSpare(ctx context.Context, s *odoo.Session) error {
	there, err := s.SearchCount(ctx, "res.users", odoo.Query{Domain: odoo.Domain{odoo.Where("login", "=", spareLogin)},
		Archived: true})
	if err != nil || there > 0 {
		return err
	}
	uid, err := createUser(ctx, s, odoo.Record{"login": spareLogin, "name": spareLogin},
		crm.RoleViewer.Groups())
	if err != nil {
		return err
	}
	if err := crm.JoinTeam(ctx, s, uid); err != nil {
		return err
	}
	return s.Write(ctx, "res.users", []int64{uid}, odoo.Record{"active": false}, odoo.QuietContext())
}

// plainAddress matches an address that Odoo stores unchanged.
var plainAddress = regexp.MustCompile(`^[a-z0-9._%+-]+@[a-z0-9.-]+$`)

// takeSpareUser turns the spare user into u and returns its id. It returns 0 when the clone has no spare user, which is
// so after the first person and in a clone of an older template.
func (c *cluster) takeSpareUser(ctx context.Context, w Workspace, u User) (uid int64, err error) {
	if !plainAddress.MatchString(u.Email) {
		return 0, nil
	}
	conn, err := c.connectOwned(ctx, w)
	if err != nil {
		return 0, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		var partner int64
		err := tx.QueryRow(ctx, `SELECT id, partner_id FROM res_users WHERE login = $1 AND NOT active FOR UPDATE`,
			spareLogin).Scan(&uid, &partner)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		return convertSpare(ctx, tx, uid, partner, u, c.language)
	})
	return uid, clusterFault("user in "+w.Database, err)
}

func convertSpare(ctx context.Context, tx pgx.Tx, uid, partner int64, u User, language string) error {
	for _, change := range []struct {
		sql  string
		args []any
	}{
		{`UPDATE res_users SET login = $2, active = true, signature = replace(signature, $3, $4),
			write_date = now() AT TIME ZONE 'utc' WHERE id = $1`,
			[]any{uid, u.Email, spareLogin, html.EscapeString(u.Name)}},
		{`UPDATE res_partner SET name = $2, email = $3, email_normalized = $3, active = true, partner_share = false,
			lang = coalesce((SELECT code FROM res_lang WHERE code = nullif($4, 'en_US') AND active), lang),
			write_date = now() AT TIME ZONE 'utc' WHERE id = $1`,
			[]any{partner, u.Name, u.Email, language}},
		// The picture has the spare user's initial. Without a picture, Odoo draws one with the person's initial.
		{`DELETE FROM ir_attachment WHERE res_model = 'res.partner' AND res_id = $1 AND res_field LIKE 'image_%'`,
			[]any{partner}},
	} {
		if _, err := tx.Exec(ctx, change.sql, change.args...); err != nil {
			return err
		}
	}
	return renamePartner(ctx, tx, partner, u.Name)
}

// renamePartner sets the column with a contact's full name.
func renamePartner(ctx context.Context, tx pgx.Tx, partner int64, name string) error {
	column, err := fullNameColumn(ctx, tx)
	if err == nil {
		_, err = tx.Exec(ctx, `UPDATE res_partner SET `+quoteName(column)+` = $2 WHERE id = $1`, partner, name)
	}
	return err
}

// fullNameColumn returns the column with a contact's full name. Its name differs between Odoo 14 and 19.
func fullNameColumn(ctx context.Context, tx pgx.Tx) (column string, err error) {
	err = tx.QueryRow(ctx, `SELECT attname FROM pg_attribute WHERE attrelid = 'res_partner'::regclass
		AND attname IN ('complete_name', 'display_name') AND NOT attisdropped
		ORDER BY attname LIMIT 1`).Scan(&column)
	return column, err
}
