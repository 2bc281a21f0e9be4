package websession

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/oauth2"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/sso"
)

// How long the last ID token counts after a refresh without an ID token: as long as the new access token, within these.
const (
	minExtension = 5 * time.Minute
	maxExtension = time.Hour
)

// Refresh returns a new ID token for the session of handle. When several tabs refresh at once, the provider gets one
// request: callers in this process share it, callers in other replicas wait for the session's row, and a caller shortly
// after gets the same answer. Unauthenticated if the session does not exist or has no refresh token; and, which ends
// the session, if the provider refuses the refresh token (invalid_grant) or answers with another person's ID token.
// After any other fault the session continues, and the caller can try again.
func (m *Manager) Refresh(ctx context.Context, handle string) (Tokens, error) {
	if handle == "" {
		return Tokens{}, noSession()
	}
	answer, err, _ := m.flights.Do(string(hashText(handle)), func() (any, error) {
		// Not the first caller's context: other callers wait for this answer too.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*providerTimeout)
		defer cancel()
		if err := m.checkSession(ctx, handle); err != nil { // made-up handles take no slot
			return Tokens{}, err
		}
		slots := m.refreshSlots()
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
			return m.refreshLocked(ctx, handle)
		case <-ctx.Done():
			return Tokens{}, providerFault(ctx.Err())
		}
	})
	if err != nil {
		return Tokens{}, err
	}
	t, _ := answer.(Tokens)
	return t, nil
}

func (m *Manager) checkSession(ctx context.Context, handle string) error {
	return m.db.InSystem(ctx, "session refresh", func(ctx context.Context, tx postgres.SystemTx) (err error) {
		var found bool
		err = tx.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM sessions WHERE handle_hash = $1 AND expires_at > $2)`,
			hashText(handle), m.now()).Scan(&found)
		if err == nil && !found {
			err = noSession()
		}
		return err
	})
}

// refreshLocked refreshes the session while it holds the row's lock. A provider may accept each refresh token once, so
// the new one is committed even if the rest of the answer is unusable.
func (m *Manager) refreshLocked(ctx context.Context, handle string) (t Tokens, err error) {
	var unusable error
	over := false
	err = m.db.InSystem(ctx, "session refresh", func(ctx context.Context, tx postgres.SystemTx) error {
		s, err := m.lockSession(ctx, tx, handle)
		if err != nil {
			return err
		}
		if m.now().Sub(s.refreshedAt) < replayWithin {
			if t, err = m.storedTokens(ctx, tx, handle, s); err == nil {
				return nil
			}
		}
		t, unusable, err = m.renewTokens(ctx, tx, handle, s)
		over = fault.Is(err, fault.Unauthenticated) || fault.Is(unusable, fault.Unauthenticated)
		return err
	})
	if err == nil {
		err = unusable
	}
	if over {
		err = errors.Join(err, m.deleteSession(ctx, handle))
	}
	return t, err
}

type sessionRow struct {
	issuer, subject, idToken, refreshToken string
	refreshedAt                            time.Time
}

func (m *Manager) lockSession(ctx context.Context, tx postgres.SystemTx, handle string) (sessionRow, error) {
	var s sessionRow
	var sealedID string
	var sealedRefresh *string
	err := tx.QueryRow(ctx, `SELECT issuer, subject, id_token, refresh_token, refreshed_at FROM sessions
		WHERE handle_hash = $1 AND expires_at > $2 FOR UPDATE`, hashText(handle), m.now()).
		Scan(&s.issuer, &s.subject, &sealedID, &sealedRefresh, &s.refreshedAt)
	if errors.Is(err, pgx.ErrNoRows) {
		return s, noSession()
	}
	if err != nil {
		return s, err
	}
	if s.idToken, err = m.keys.Open(sealedID, purposeID, 0); err == nil && sealedRefresh != nil {
		s.refreshToken, err = m.keys.Open(*sealedRefresh, purposeRefresh, 0)
	}
	if err != nil { // the key that sealed it is lost: the user must sign in again
		return s, noSession().Because(err)
	}
	return s, nil
}

// renewTokens gets new tokens from the provider and stores them. It returns as unusable why the answer's ID token
// cannot be used now; its refresh token is stored nevertheless. The caller holds the row's lock.
func (m *Manager) renewTokens(ctx context.Context, tx postgres.SystemTx, handle string, s sessionRow) (t Tokens,
	unusable, err error) {
	if s.refreshToken == "" {
		return t, nil, noSession()
	}
	d, err := m.readProvider(ctx)
	if err != nil {
		return t, nil, err
	}
	call, cancel := m.callContext(ctx)
	defer cancel()
	tok, err := m.oauthConfig(d).TokenSource(call, &oauth2.Token{RefreshToken: s.refreshToken,
		Expiry: m.now().Add(-time.Hour)}).Token()
	if err != nil {
		return t, nil, providerFault(err)
	}
	refresh, err := m.keys.Seal(tok.RefreshToken, purposeRefresh, 0)
	if err != nil {
		return t, nil, err
	}
	if t, unusable = m.readRenewal(ctx, tok, s); unusable != nil {
		_, err = tx.Exec(ctx, `UPDATE sessions SET refresh_token = $2 WHERE handle_hash = $1`,
			hashText(handle), refresh)
		return t, unusable, err
	}
	return t, nil, m.storeRenewal(ctx, tx, handle, refresh, t)
}

// readRenewal returns the tokens in the provider's answer to a refresh. Without an ID token the session's last one
// counts longer (OpenID Connect Core 12.2). Unauthenticated if the answer is for another person; an ID token that
// cannot be verified now, for example because its key is not known yet, is Unavailable.
func (m *Manager) readRenewal(ctx context.Context, tok *oauth2.Token, s sessionRow) (Tokens, error) {
	if idTokenOf(tok) == "" {
		who, err := m.verifier.Reread(ctx, s.idToken)
		until := m.now().Add(min(max(tok.Expiry.Sub(m.now()), minExtension), maxExtension))
		if until.After(who.Expiry) {
			who.Expiry = until
		}
		return Tokens{ID: s.idToken, Expires: who.Expiry, Identity: who}, err
	}
	who, err := m.verifyTokens(ctx, tok)
	var refused *sso.TokenError
	switch {
	case errors.As(err, &refused) && refused.Reason == sso.ReasonIssuer,
		err == nil && (who.Issuer != s.issuer || who.Subject != s.subject):
		return Tokens{}, fault.New(fault.Unauthenticated,
			"session refresh: the provider's ID token is for another person").Because(err)
	case fault.Is(err, fault.Unauthenticated):
		return Tokens{}, unusableAnswer("identity provider: its new ID token is not valid here now", err)
	}
	return Tokens{ID: idTokenOf(tok), Expires: who.Expiry, Identity: who}, err
}

// storedTokens returns the session's last ID token, while it counts.
func (m *Manager) storedTokens(ctx context.Context, tx postgres.SystemTx, handle string, s sessionRow) (Tokens,
	error) {
	who, err := m.verifier.Reread(ctx, s.idToken)
	if err != nil {
		return Tokens{}, err
	}
	err = tx.QueryRow(ctx, `SELECT expires_at FROM session_tokens
		WHERE handle_hash = $1 AND fingerprint = $2 AND expires_at > $3`,
		hashText(handle), who.Fingerprint[:], m.now()).Scan(&who.Expiry)
	return Tokens{ID: s.idToken, Expires: who.Expiry, Identity: who}, err
}

// storeRenewal stores the tokens t of a refresh.
func (m *Manager) storeRenewal(ctx context.Context, tx postgres.SystemTx, handle, refresh string, t Tokens) error {
	id, err := m.keys.Seal(t.ID, purposeID, 0)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE sessions SET id_token = $2, refresh_token = $3, refreshed_at = $4,
		expires_at = least($5, created_at + $6::interval) WHERE handle_hash = $1`,
		hashText(handle), id, refresh, m.now(), m.now().Add(Idle), Lifetime)
	if err != nil {
		return err
	}
	return m.recordToken(ctx, tx, handle, t.Identity)
}

// recordToken records that the token of who belongs to the session and counts until who.Expiry.
func (m *Manager) recordToken(ctx context.Context, tx postgres.SystemTx, handle string, who sso.Identity) error {
	_, err := tx.Exec(ctx, `DELETE FROM session_tokens WHERE handle_hash = $1 AND expires_at < $2`, hashText(handle),
		m.now().Add(-m.verifier.Leeway())) // a token is accepted during the leeway too
	if err == nil {
		_, err = tx.Exec(ctx, `INSERT INTO session_tokens (handle_hash, fingerprint, expires_at) VALUES ($1, $2, $3)
			ON CONFLICT (fingerprint, handle_hash) DO UPDATE SET expires_at = excluded.expires_at`,
			hashText(handle), who.Fingerprint[:], who.Expiry)
	}
	return err
}

// VerifyExtended returns the identity of an access cookie that expired, if its session's last refresh returned no ID
// token and the token therefore counts longer. Otherwise it returns refusal, the verifier's reason. The caller must
// check that the token belongs to the browser (StandingOf).
func (m *Manager) VerifyExtended(ctx context.Context, idToken string, refusal error) (sso.Identity, error) {
	who, err := m.verifier.Reread(ctx, idToken)
	if err != nil {
		return sso.Identity{}, refusal
	}
	err = m.db.InSystem(ctx, "session of an expired token", func(ctx context.Context, tx postgres.SystemTx) error {
		return tx.QueryRow(ctx, `SELECT t.expires_at FROM session_tokens t JOIN sessions s USING (handle_hash)
			WHERE t.fingerprint = $1 AND t.expires_at > $2 AND s.expires_at > $2 ORDER BY 1 DESC LIMIT 1`,
			who.Fingerprint[:], m.now()).Scan(&who.Expiry)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		err = refusal
	}
	if err != nil {
		return sso.Identity{}, err
	}
	return who, nil
}

// deleteSession deletes a session that the provider ended.
func (m *Manager) deleteSession(ctx context.Context, handle string) error {
	return m.db.InSystem(ctx, "session ended", func(ctx context.Context, tx postgres.SystemTx) error {
		_, err := tx.Exec(ctx, `DELETE FROM sessions WHERE handle_hash = $1`, hashText(handle))
		return err
	})
}
