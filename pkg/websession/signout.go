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

// revocationKept is how long a sign-out is stored. Tokens live less long, so a revoked token has expired before its row
// is deleted.
const revocationKept = 25 * time.Hour

// End ends the session of handle and revokes its tokens and token, at once. It returns the provider's page that ends
// the single sign-on too, "" if the provider has none. It is no fault if no such session exists.
func (m *Manager) End(ctx context.Context, handle, token string) (string, error) {
	p := m.verifyPresented(ctx, token)
	err := m.db.InSystem(ctx, "sign-out", func(ctx context.Context, tx postgres.SystemTx) error {
		return m.deleteSessions(ctx, tx, &p, `handle_hash = $1 OR handle_hash IN (
			SELECT handle_hash FROM session_tokens WHERE fingerprint = $2)`, hashText(handle), p.who.Fingerprint[:])
	})
	if err != nil {
		return "", err
	}
	return m.endSessionURL(ctx, p.idTokenHint()), nil
}

// EndAll ends every session of the person, in all browsers, and revokes every ID token that was issued to that person
// until now, by the provider's clock: until the leeway ahead of this machine's. The audit log names the person as the
// actor. Unauthenticated if neither handle nor token identifies a person.
func (m *Manager) EndAll(ctx context.Context, handle, token string, by tenant.By) (string, error) {
	p := m.verifyPresented(ctx, token)
	err := m.db.InSystem(ctx, "sign-out everywhere", func(ctx context.Context, tx postgres.SystemTx) error {
		issuer, subject, err := m.sessionOwner(ctx, tx, handle, p)
		if err != nil {
			return err
		}
		if err := lockPerson(ctx, tx, issuer, subject); err != nil {
			return err
		}
		if err := m.deleteSessions(ctx, tx, &p, `issuer = $1 AND subject = $2`, issuer, subject); err != nil {
			return err
		}
		if err := revokeAll(ctx, tx, m.now(), m.verifier.Leeway(), issuer, subject); err != nil {
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

// endedTokens are the tokens that a sign-out revokes: the one that the browser sent, if it is valid, and the last ID
// token of each ended session.
type endedTokens struct {
	sent string
	who  sso.Identity
	last []string

	sessions int64 // deleted by deleteSessions
}

func (m *Manager) verifyPresented(ctx context.Context, token string) endedTokens {
	who, err := m.verifier.Verify(ctx, token)
	if err != nil {
		return endedTokens{} // an invalid token needs no revocation
	}
	return endedTokens{sent: token, who: who}
}

// idTokenHint returns the token that names the session to end at the provider. It is revoked here already.
func (p endedTokens) idTokenHint() string {
	if p.sent == "" && len(p.last) > 0 {
		return p.last[0]
	}
	return p.sent
}

// sessionOwner returns the person who signs out: the owner of the session, or else of a valid token that is not
// revoked.
func (m *Manager) sessionOwner(ctx context.Context, tx postgres.SystemTx, handle string, p endedTokens) (issuer,
	subject string,
	err error) {
	err = tx.QueryRow(ctx, `SELECT issuer, subject FROM sessions WHERE handle_hash = $1 AND expires_at > $2`,
		hashText(handle), m.now()).Scan(&issuer, &subject)
	if !errors.Is(err, pgx.ErrNoRows) {
		return issuer, subject, err
	}
	if p.sent == "" {
		return "", "", noSession()
	}
	gone, err := Revoked(ctx, tx, p.who)
	if err == nil && gone {
		err = noSession()
	}
	return p.who.Issuer, p.who.Subject, err
}

// deleteSessions deletes the sessions that fulfil the SQL condition, and revokes their tokens and the browser's token.
func (m *Manager) deleteSessions(ctx context.Context, tx postgres.SystemTx, p *endedTokens, condition string,
	args ...any) error {
	// The lock waits for a refresh, whose new token must be revoked too.
	rows, err := tx.Query(ctx, `SELECT handle_hash, id_token FROM sessions WHERE `+condition+` FOR UPDATE`, args...)
	if err != nil {
		return err
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[struct {
		Handle []byte
		Sealed string
	}])
	if err != nil {
		return err
	}
	p.last, p.sessions = nil, int64(len(found))
	handles := make([][]byte, len(found))
	for i, s := range found {
		handles[i] = s.Handle
		if last, err := m.keys.Open(s.Sealed, purposeID, 0); err == nil { // without the key the token is unknown
			p.last = append(p.last, last)
		}
	}
	if err := deleteRevoked(ctx, tx, m.now(), handles); err != nil {
		return err
	}
	for _, token := range append([]string{p.sent}, p.last...) {
		if err := m.revokeToken(ctx, tx, token); err != nil {
			return err
		}
	}
	return nil
}

// deleteRevoked deletes the sessions with these handles and revokes all their tokens, those from before a refresh too.
func deleteRevoked(ctx context.Context, tx postgres.SystemTx, now time.Time, handles [][]byte) error {
	_, err := tx.Exec(ctx, `INSERT INTO revoked_tokens (token_hash, expires_at)
		SELECT DISTINCT fingerprint, $2::timestamptz FROM session_tokens WHERE handle_hash = ANY($1)
		ON CONFLICT (token_hash) DO UPDATE SET expires_at = excluded.expires_at`, handles, now.Add(revocationKept))
	if err == nil {
		_, err = tx.Exec(ctx, `DELETE FROM sessions WHERE handle_hash = ANY($1)`, handles)
	}
	return err
}

// revokeToken revokes one token, and the older ones with the same claim sid.
func (m *Manager) revokeToken(ctx context.Context, tx postgres.SystemTx, token string) error {
	who, err := m.verifier.Verify(ctx, token)
	if err != nil {
		return nil //nolint:nilerr // the token is invalid by now, and so are older ones
	}
	if err := insertRevocation(ctx, tx, m.now(), who.Fingerprint[:], m.now().Add(revocationKept)); err != nil ||
		who.SessionID == "" {
		return err
	}
	return revokeBefore(ctx, tx, m.now(), who.Issuer, who.Subject, who.SessionID, who.IssuedAt)
}

// revokeAll revokes every token that was issued to the person until now, and those dated up to the leeway ahead: a
// token that is accepted now is refused from now on. Tokens of later sessions are accepted (see Revoked).
func revokeAll(ctx context.Context, tx postgres.SystemTx, now time.Time, leeway time.Duration, issuer,
	subject string) error {
	return revokeBefore(ctx, tx, now, issuer, subject, "", now.Add(leeway).Truncate(time.Second).Add(time.Second))
}

// revokeBefore revokes the person's tokens with an earlier iat than before: all of them, or those with the claim sid
// session. Its row stands among the revoked tokens; Revoked computes before from the row's expiry.
func revokeBefore(ctx context.Context, tx postgres.SystemTx, now time.Time, issuer, subject, session string,
	before time.Time) error {
	return insertRevocation(ctx, tx, now, personKey(issuer, subject, session), before.Add(revocationKept))
}

func personKey(issuer, subject, session string) []byte {
	return hashText("sign-out\x00" + issuer + "\x00" + subject + "\x00" + session)
}

// insertRevocation inserts or prolongs one row, and deletes expired ones.
func insertRevocation(ctx context.Context, tx postgres.SystemTx, now time.Time, key []byte, until time.Time) error {
	_, err := tx.Exec(ctx, `INSERT INTO revoked_tokens (token_hash, expires_at) VALUES ($1, $2)
		ON CONFLICT (token_hash) DO UPDATE
		SET expires_at = greatest(revoked_tokens.expires_at, excluded.expires_at)`, key, until)
	if err == nil {
		_, err = tx.Exec(ctx, `DELETE FROM revoked_tokens WHERE expires_at < $1`, now)
	}
	return err
}

// Revoked reports whether a sign-out revoked the token of who: the token itself, or all of the person's tokens or of
// the provider's session until some time. A token of a session is newer than such a sign-out, which ended all sessions
// of its time, whatever the clocks say.
func Revoked(ctx context.Context, tx postgres.SystemTx, who sso.Identity) (bool, error) {
	revoked, _, err := StandingOf(ctx, tx, who, "")
	return revoked, err
}

// StandingOf returns what is stored of the token of who: whether a sign-out revoked it, and whether it belongs to the
// session of the browser that sent own, the second half of its handle.
func StandingOf(ctx context.Context, tx postgres.SystemTx, who sso.Identity, own string) (revoked, owned bool,
	err error) {
	var marks [][]byte
	if who.Kind != sso.KindAccess { // no session issues access tokens
		marks = append(marks, personKey(who.Issuer, who.Subject, ""))
	}
	if who.SessionID != "" && who.Kind != sso.KindAccess {
		marks = append(marks, personKey(who.Issuer, who.Subject, who.SessionID))
	}
	err = tx.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM revoked_tokens WHERE token_hash = $1
			OR token_hash = ANY($2) AND expires_at > $3
			AND NOT EXISTS (SELECT 1 FROM session_tokens WHERE fingerprint = $1)),
		EXISTS (SELECT 1 FROM session_tokens t JOIN sessions s USING (handle_hash)
			WHERE t.fingerprint = $1 AND s.own_hash = $4)`,
		who.Fingerprint[:], marks, who.IssuedAt.Add(revocationKept), hashText(own)).Scan(&revoked, &owned)
	return revoked, owned, err
}

func noSession() *fault.Error {
	return fault.New(fault.Unauthenticated, "session: it does not exist or has ended").WithHint(
		"sign in at /auth/login")
}
