package websession_test

import (
	"errors"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/websession"
)

func TestRefreshIsAskedOnceAndReplayed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	tokens := r.signIn(t)
	_, err := r.db.Owner.Exec(t.Context(), `UPDATE sessions SET refreshed_at = refreshed_at - interval '1 minute'`)
	require.NoError(t, err)
	before := r.redeems.Load()

	var wg sync.WaitGroup
	fresh, failures := make([]string, 20), make([]error, 20)
	for i := range fresh {
		wg.Go(func() {
			got, err := r.Refresh(t.Context(), tokens.Handle)
			fresh[i], failures[i] = got.ID, err
		})
	}
	wg.Wait()
	require.NoError(t, errors.Join(failures...))
	require.NotEqual(t, tokens.ID, fresh[0])
	for _, id := range fresh {
		require.Equal(t, fresh[0], id)
	}
	require.EqualValues(t, 1, r.redeems.Load()-before, "one refresh, its answer replayed")
}

// TestAProviderThatHangs: waiting refreshes hold at most half of the database's connections.
func TestAProviderThatHangs(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	half := max(1, r.db.App.Stat().MaxConns()/2)
	var waiting []websession.Tokens
	for range half + 3 {
		waiting = append(waiting, r.signIn(t))
	}
	r.age(t, time.Minute)
	before := r.redeems.Load()
	r.hang = make(chan struct{})
	failures := make([]error, len(waiting))
	var wg sync.WaitGroup
	for i, tokens := range waiting {
		wg.Go(func() { _, failures[i] = r.Refresh(t.Context(), tokens.Handle) })
	}
	require.Eventually(t, func() bool { return r.redeems.Load()-before == int64(half) }, time.Minute,
		5*time.Millisecond)
	for range 20 {
		_, err := r.Refresh(t.Context(), "made up")
		require.True(t, fault.Is(err, fault.Unauthenticated), "answered at once: %v", err)
		require.False(t, r.revoked(t, waiting[0].ID))
	}
	require.EqualValues(t, half, r.redeems.Load()-before)
	close(r.hang)
	wg.Wait()
	require.NoError(t, errors.Join(failures...))
}

func TestARefreshThatTheProviderRefusesEndsTheSession(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	tokens := r.signIn(t)
	_, err := r.db.Owner.Exec(t.Context(), `UPDATE sessions SET refreshed_at = refreshed_at - interval '1 minute'`)
	require.NoError(t, err)
	r.refuse = "invalid_grant"
	_, err = r.Refresh(t.Context(), tokens.Handle)
	require.True(t, fault.Is(err, fault.Unauthenticated), "%v", err)
	require.Zero(t, r.sessions(t))
}

func TestSignOutEndsEverythingAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	tokens := r.signIn(t)
	require.False(t, r.revoked(t, tokens.ID))

	end, err := r.End(t.Context(), tokens.Handle, tokens.ID)
	require.NoError(t, err)
	require.Contains(t, end, "post_logout_redirect_uri="+url.QueryEscape("http://127.0.0.1:1/"))
	require.True(t, r.revoked(t, tokens.ID))
	require.Zero(t, r.sessions(t))
	_, err = r.Refresh(t.Context(), tokens.Handle)
	require.True(t, fault.Is(err, fault.Unauthenticated))
	_, err = r.Exchange(t.Context(), tokens.ID)
	require.True(t, fault.Is(err, fault.Unauthenticated), "a token that was signed out opens no new session")

	_, err = r.End(t.Context(), tokens.Handle, tokens.ID)
	require.NoError(t, err, "twice is fine")
	_, err = r.End(t.Context(), "", "")
	require.NoError(t, err, "without a session too")
}

func TestExchangeAcceptsOnlyIDTokens(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	tokens := r.signIn(t)
	again, err := r.Exchange(t.Context(), tokens.ID)
	require.NoError(t, err)
	require.NotEmpty(t, again.Handle)
	_, err = r.Refresh(t.Context(), again.Handle)
	require.NoError(t, err, "within the replay time the token itself is the answer")

	access, err := r.idp.IssueToken(t.Context(), "alice", clientID)
	require.NoError(t, err)
	for name, token := range map[string]string{"an access token": access, "nothing": "", "nonsense": "a.b.c"} {
		_, err := r.Exchange(t.Context(), token)
		require.True(t, fault.Is(err, fault.Unauthenticated), "%s: %v", name, err)
	}
}
