package websession

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/sso"
	"github.com/leadctl/leadctl/pkg/tenant"
)

// revocationKept is how long a sign-out is kept: no token lives as long, so none that it ended outlives it.
const revocationKept = 25 * time.Hour

// End closes the session behind the handle and revokes its tokens, so that neither opens anything from now on. It
// returns the provider's page that ends the single sign-on too, "" where the provider has none. Ending what is not
// there is fine.
func (m *Manager) End(ctx context.Context, handle, token string) (string, error) {
	p := m.verifyPresented(ctx, token)
	err := m.db.InSystem(ctx, "sign-out", func(ctx context.Context, tx postgres.SystemTx) error {
		return m.deleteSessions(ctx, tx, &p, `DELETE FROM sessions WHERE handle_hash = $1 RETURNING id_token`, hashText(handle))
	})
	if err != nil {
		return "", err
	}
	return m.endSessionURL(ctx, p.idTokenHint()), nil
}

// EndAll is End for every session of the same person, on whatever machine, and for every ID token of theirs that was
// issued before now. The audit log names that person as the actor. Unauthenticated when neither handle nor token says
// who that is.
func (m *Manager) EndAll(ctx context.Context, handle, token string, by tenant.By) (string, error) {
	p := m.verifyPresented(ctx, token)
	err := m.db.InSystem(ctx, "sign-out everywhere", func(ctx context.Context, tx postgres.SystemTx) error {
		issuer, subject, err := m.sessionOwner(ctx, tx, handle, p)
		if err != nil {
			return err
		}
		if err := m.deleteSessions(ctx, tx, &p, `DELETE FROM sessions WHERE issuer = $1 AND subject = $2 RETURNING id_token`,
			issuer, subject); err != nil {
			return err
		}
		if err := revokeBefore(ctx, tx, m.now(), issuer, subject, "", m.now().Truncate(time.Second)); err != nil {
			return err
		}
		by.Actor = subject
		return recordEndAll(ctx, tx, Ended{Issuer: issuer, Subject: subject, Sessions: p.sessions}, by)
	})
	if err != nil {
		return "", err
	}
	return m.endSessionURL(ctx, p.idTokenHint()), nil
}

// endedTokens are those of a sign-out: the one that the browser sent, when it is good, and the last one of each session.
type endedTokens struct {
	sent string
	who  sso.Identity
	last []string

	sessions int64 // ended by remove
}

func (m *Manager) verifyPresented(ctx context.Context, token string) endedTokens {
	who, err := m.verifier.Verify(ctx, token)
	if err != nil {
		return endedTokens{} // what proves nothing is not worth remembering
	}
	return endedTokens{sent: token, who: who}
}

// idTokenHint is the token that tells the provider which of its sessions is meant. It opens nothing here any more.
func (p endedTokens) idTokenHint() string {
	if p.sent == "" && len(p.last) > 0 {
		return p.last[0]
	}
	return p.sent
}

// sessionOwner says who signs out: the person of the session, else of a token that counts.
func (m *Manager) sessionOwner(ctx context.Context, tx postgres.SystemTx, handle string, p endedTokens) (issuer, subject string,
	err error) {
	err = tx.QueryRow(ctx, `SELECT issuer, subject FROM sessions WHERE handle_hash = $1 AND expires_at > $2`,
		hashText(handle), m.now()).Scan(&issuer, &subject)
	if !errors.Is(err, pgx.ErrNoRows) {
		return issuer, subject, err
	}
	if p.sent == "" {
		return "", "", noSession()
	}
	gone, err := Revoked(ctx, tx, p.sent, p.who)
	if err == nil && gone {
		err = noSession()
	}
	return p.who.Issuer, p.who.Subject, err
}

// deleteSessions deletes sessions and revokes the tokens that they and the browser hold. Older tokens of theirs go with them
// where the provider names its session in them.
func (m *Manager) deleteSessions(ctx context.Context, tx postgres.SystemTx, p *endedTokens, sql string, args ...any) error {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return err
	}
	sealed, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	p.last, p.sessions = nil, int64(len(sealed))
	for _, s := range sealed {
		if last, err := m.keys.Open(s, purposeID, 0); err == nil { // one under a lost key names no token to revoke
			p.last = append(p.last, last)
		}
	}
	for _, token := range append([]string{p.sent}, p.last...) {
		if err := m.revokeToken(ctx, tx, token); err != nil {
			return err
		}
	}
	return nil
}

// revokeToken remembers one token, and a mark for the older ones of the same session of the provider.
func (m *Manager) revokeToken(ctx context.Context, tx postgres.SystemTx, token string) error {
	if token == "" {
		return nil
	}
	if err := insertRevocation(ctx, tx, m.now(), hashText(token), m.now().Add(revocationKept)); err != nil {
		return err
	}
	who, err := m.verifier.Verify(ctx, token)
	if err != nil || who.SessionID == "" {
		return nil //nolint:nilerr // it counts no more, and with it none that is older
	}
	return revokeBefore(ctx, tx, m.now(), who.Issuer, who.Subject, who.SessionID, who.IssuedAt)
}

// revokeBefore ends every token of the person that was issued before: all of them, or those of one session of the provider. A
// mark stands among the tokens, and how long it stays says what it ends.
func revokeBefore(ctx context.Context, tx postgres.SystemTx, now time.Time, issuer, subject, session string,
	before time.Time) error {
	return insertRevocation(ctx, tx, now, personKey(issuer, subject, session), before.Add(revocationKept))
}

func personKey(issuer, subject, session string) []byte {
	return hashText("sign-out\x00" + issuer + "\x00" + subject + "\x00" + session)
}

// insertRevocation writes one row, and forgets those that have had their time.
func insertRevocation(ctx context.Context, tx postgres.SystemTx, now time.Time, key []byte, until time.Time) error {
	_, err := tx.Exec(ctx, `INSERT INTO revoked_tokens (token_hash, expires_at) VALUES ($1, $2)
		ON CONFLICT (token_hash) DO UPDATE SET expires_at = greatest(revoked_tokens.expires_at, excluded.expires_at)`, key, until)
	if err == nil {
		_, err = tx.Exec(ctx, `DELETE FROM revoked_tokens WHERE expires_at < $1`, now)
	}
	return err
}

// Revoked reports whether the token of who was ended by a sign-out. ID tokens need asking, and whatever came in a
// cookie.
func Revoked(ctx context.Context, tx postgres.SystemTx, token string, who sso.Identity) (found bool, err error) {
	marks := [][]byte{personKey(who.Issuer, who.Subject, "")}
	if who.SessionID != "" {
		marks = append(marks, personKey(who.Issuer, who.Subject, who.SessionID))
	}
	err = tx.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM revoked_tokens WHERE token_hash = $1 OR token_hash = ANY($2) AND expires_at > $3)`,
		hashText(token), marks, who.IssuedAt.Add(revocationKept)).Scan(&found)
	return found, err
}

func noSession() *fault.Error {
	return fault.New(fault.Unauthenticated, "session: there is none").WithHint("sign in at /auth/login")
}
