package websession

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
)

// Ended is one person who was signed out by an operator.
type Ended struct {
	Issuer   string `json:"issuer" yaml:"issuer"`
	Subject  string `json:"sub" yaml:"sub"`
	Sessions int64  `json:"sessions" yaml:"sessions"` // browsers that were signed in
}

// SignOut ends every session of a person, named by subject or e-mail, and every ID token of theirs that was issued
// until now. An e-mail may be of several people at the provider: they are all signed out. NotFound when nobody is known
// by that name. A session at the provider goes on: whoever shall not come back is disabled there.
func SignOut(ctx context.Context, tx postgres.SystemTx, person string, now time.Time, by tenant.By) ([]Ended, error) {
	rows, err := tx.Query(ctx, `SELECT issuer, subject, 0::bigint FROM tenant_users WHERE subject IS NOT NULL AND ($1 IN (subject, user_id) OR lower($1) = lower(split_part(user_id, ' ', 1)))
		UNION SELECT issuer, subject, 0 FROM identities WHERE subject = $1 UNION SELECT issuer, subject, 0 FROM sessions WHERE subject = $1 ORDER BY 1, 2`, person)
	if err != nil {
		return nil, err
	}
	people, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Ended])
	if err != nil {
		return nil, err
	}
	if len(people) == 0 {
		return nil, fault.New(fault.NotFound, "person %q: no subject and no e-mail of anybody here",
			person).WithHint("`leadctl tenant user list TENANT` shows a tenant's users")
	}
	for i, p := range people {
		gone, err := tx.Exec(ctx, `DELETE FROM sessions WHERE issuer = $1 AND subject = $2`, p.Issuer, p.Subject)
		if err != nil {
			return nil, err
		}
		people[i].Sessions = gone.RowsAffected()
		// Tokens tell their age in whole seconds: those of this one go too.
		if err := revokeBefore(ctx, tx, now, p.Issuer, p.Subject, "", now.Truncate(time.Second).Add(time.Second)); err != nil {
			return nil, err
		}
		if err := recordEndAll(ctx, tx, people[i], by); err != nil {
			return nil, err
		}
	}
	return people, nil
}

// recordEndAll records that every session of a person was ended, by that person or by an operator.
func recordEndAll(ctx context.Context, tx postgres.SystemTx, e Ended, by tenant.By) error {
	return tenant.Record(ctx, tx, by, tenant.Act{Action: "session.end_all", Object: e.Subject,
		Detail: map[string]any{"issuer": e.Issuer, "sessions": e.Sessions}})
}
