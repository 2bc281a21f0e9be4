package websession

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/oauth2"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
)

// Refresh returns a new ID token for the session of handle. When several tabs refresh at once, the provider gets one
// request: callers in this process share it, callers in other replicas wait for the session's row, and a caller shortly
// after gets the same answer. Unauthenticated if the session does not exist, has no refresh token, or the provider
// refuses it; a refusal ends the session.
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

func (m *Manager) refreshLocked(ctx context.Context, handle string) (t Tokens, err error) {
	over := false
	err = m.db.InSystem(ctx, "session refresh", func(ctx context.Context, tx postgres.SystemTx) error {
		s, err := m.lockSession(ctx, tx, handle)
		if err != nil {
			return err
		}
		if m.now().Sub(s.refreshedAt) < replayWithin {
			t.ID = s.idToken
			t.Identity, err = m.verifier.Verify(ctx, s.idToken)
			t.Expires = t.Identity.Expiry
			return err
		}
		t, err = m.renewTokens(ctx, tx, handle, s)
		over = fault.Is(err, fault.Unauthenticated)
		return err
	})
	if over {
		err = errors.Join(err, m.deleteSession(ctx, handle))
	}
	return t, err
}

type sessionRow struct {
	subject, idToken, refreshToken string
	refreshedAt                    time.Time
}

func (m *Manager) lockSession(ctx context.Context, tx postgres.SystemTx, handle string) (sessionRow, error) {
	var s sessionRow
	var sealedID string
	var sealedRefresh *string
	err := tx.QueryRow(ctx, `SELECT subject, id_token, refresh_token, refreshed_at FROM sessions
		WHERE handle_hash = $1 AND expires_at > $2 FOR UPDATE`,
		hashText(handle), m.now()).Scan(&s.subject, &sealedID, &sealedRefresh, &s.refreshedAt)
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

// renewTokens gets new tokens from the provider. The caller holds the row's lock, because a refresh token that rotates
// can be used only once.
func (m *Manager) renewTokens(ctx context.Context, tx postgres.SystemTx, handle string, s sessionRow) (Tokens, error) {
	if s.refreshToken == "" {
		return Tokens{}, noSession()
	}
	d, err := m.readProvider(ctx)
	if err != nil {
		return Tokens{}, err
	}
	call, cancel := m.callContext(ctx)
	defer cancel()
	tok, err := m.oauthConfig(d).TokenSource(call, &oauth2.Token{RefreshToken: s.refreshToken,
		Expiry: m.now().Add(-time.Hour)}).Token()
	if err != nil {
		return Tokens{}, providerFault(err)
	}
	who, err := m.verifyTokens(ctx, tok)
	if err != nil {
		return Tokens{}, err
	}
	if who.Subject != s.subject {
		return Tokens{}, fault.New(fault.Unauthenticated,
			"session refresh: the provider's ID token has another subject")
	}
	id, err := m.keys.Seal(idTokenOf(tok), purposeID, 0)
	if err != nil {
		return Tokens{}, err
	}
	refresh, err := m.keys.Seal(tok.RefreshToken, purposeRefresh, 0)
	if err != nil {
		return Tokens{}, err
	}
	_, err = tx.Exec(ctx, `UPDATE sessions SET id_token = $2, refresh_token = $3, refreshed_at = $4,
		expires_at = least($5, created_at + $6::interval) WHERE handle_hash = $1`,
		hashText(handle), id, refresh, m.now(), m.now().Add(Idle), Lifetime)
	return Tokens{ID: idTokenOf(tok), Expires: who.Expiry, Identity: who}, err
}

// deleteSession deletes a session that the provider ended.
func (m *Manager) deleteSession(ctx context.Context, handle string) error {
	return m.db.InSystem(ctx, "session ended", func(ctx context.Context, tx postgres.SystemTx) error {
		_, err := tx.Exec(ctx, `DELETE FROM sessions WHERE handle_hash = $1`, hashText(handle))
		return err
	})
}
