package websession

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/sso"
	"github.com/leadctl/leadctl/pkg/tenant"
)

// Ended is one person whom an operator signed out.
type Ended struct {
	Issuer   string `json:"issuer" yaml:"issuer"`
	Subject  string `json:"sub" yaml:"sub"`
	Sessions int64  `json:"sessions" yaml:"sessions"` // browsers that were signed in
}

// SignOut ends every session of a person, and revokes every ID token issued to that person until now. It finds the
// person by subject or e-mail; if several people at the provider have the e-mail, it signs them all out. NotFound if no
// person matches. The session at the provider continues: to keep a person out, disable the account there.
func SignOut(ctx context.Context, tx postgres.SystemTx, person string, now time.Time, by tenant.By) ([]Ended, error) {
	rows, err := tx.Query(ctx, `SELECT issuer, subject, 0::bigint FROM tenant_users
		WHERE subject IS NOT NULL AND ($1 IN (subject, user_id)
			OR $2 = lower(split_part(user_id, ' ', 1) COLLATE "C"))
		UNION SELECT issuer, subject, 0 FROM identities WHERE subject = $1
		UNION SELECT issuer, subject, 0 FROM sessions WHERE subject = $1 ORDER BY 1, 2`,
		person, sso.CanonicalEmail(person))
	if err != nil {
		return nil, err
	}
	people, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Ended])
	if err != nil {
		return nil, err
	}
	if len(people) == 0 {
		return nil, fault.New(fault.NotFound, "person %q: no member has this subject or e-mail", person).
			WithHint("`leadctl tenant user list TENANT` lists the subjects and e-mails of a tenant's members")
	}
	for i, p := range people {
		if people[i], err = SignOutIdentity(ctx, tx, p.Issuer, p.Subject, now, by); err != nil {
			return nil, err
		}
	}
	return people, nil
}

// SignOutIdentity is SignOut for one identity, which need not be known.
func SignOutIdentity(
	ctx context.Context, tx postgres.SystemTx, issuer, subject string, now time.Time, by tenant.By,
) (e Ended, err error) {
	e = Ended{Issuer: issuer, Subject: subject}
	if e.Sessions, err = endSessions(ctx, tx, issuer, subject, now); err != nil {
		return e, err
	}
	return e, recordEndAll(ctx, tx, e, by)
}

// endSessions deletes the person's sessions and revokes every ID token issued to the person until now. It returns how
// many sessions there were.
func endSessions(ctx context.Context, tx postgres.SystemTx, issuer, subject string, now time.Time) (int64, error) {
	if err := lockPerson(ctx, tx, issuer, subject); err != nil {
		return 0, err
	}
	rows, err := tx.Query(ctx, `SELECT handle_hash FROM sessions WHERE issuer = $1 AND subject = $2 FOR UPDATE`, issuer,
		subject)
	if err != nil {
		return 0, err
	}
	handles, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
	if err != nil {
		return 0, err
	}
	if err := deleteRevoked(ctx, tx, now, handles); err != nil {
		return 0, err
	}
	return int64(len(handles)), revokeAll(ctx, tx, now, sso.DefaultLeeway, issuer, subject)
}

// recordEndAll records in the audit log that every session of a person was ended.
func recordEndAll(ctx context.Context, tx postgres.SystemTx, e Ended, by tenant.By) error {
	return tenant.Record(ctx, tx, by, tenant.Act{Action: "session.end_all", Object: e.Subject,
		Detail: map[string]any{"issuer": e.Issuer, "sessions": e.Sessions}})
}
