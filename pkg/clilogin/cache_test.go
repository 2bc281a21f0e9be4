package clilogin_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/clilogin"
	"github.com/leadctl/leadctl/pkg/fault"
)

const (
	issuer = "https://id.example/realms/acme"
	secret = "a-token-that-must-not-show"
)

func newSession(token string, expires time.Time) clilogin.Session {
	return clilogin.Session{
		Issuer: issuer, ClientID: cli, AccessToken: token, RefreshToken: "refresh-" + token, Expires: expires,
	}
}

func failOnRenew(context.Context, clilogin.Session) (clilogin.Session, error) {
	panic("renewed a session that is still valid")
}

func TestCacheFile(t *testing.T) {
	t.Parallel()
	c := clilogin.Cache{Dir: filepath.Join(t.TempDir(), "new", "leadctl")}
	_, err := c.Fresh(t.Context(), issuer, cli, failOnRenew)
	require.Equal(t, fault.Unauthenticated, fault.KindOf(err))
	require.Equal(t, "leadctl sso login", fault.Hint(err))

	want := newSession(secret, time.Now().Add(time.Hour).UTC().Truncate(time.Second))
	require.NoError(t, c.Save(want))
	info, err := os.Stat(c.Path(issuer, cli))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	info, err = os.Stat(c.Dir)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
	have, err := c.Fresh(t.Context(), issuer, cli, failOnRenew)
	require.NoError(t, err)
	require.Equal(t, want, have)
	for _, other := range [][2]string{{issuer + "/", cli}, {issuer, "other"}} {
		_, found, err := c.Load(other[0], other[1])
		require.NoError(t, err)
		require.False(t, found, "returned the session of another issuer or client")
	}

	require.NoError(t, os.Chmod(c.Path(issuer, cli), 0o644))
	_, err = c.Fresh(t.Context(), issuer, cli, failOnRenew)
	require.Equal(t, fault.Denied, fault.KindOf(err), "readable by others")

	require.NoError(t, os.WriteFile(c.Path(issuer, cli), []byte(`{"access_token":"`+secret), 0o600))
	require.NoError(t, os.Chmod(c.Path(issuer, cli), 0o600))
	_, err = c.Fresh(t.Context(), issuer, cli, failOnRenew)
	require.Equal(t, fault.Unauthenticated, fault.KindOf(err), "an incomplete file is no session")
	require.NotContains(t, err.Error(), secret)
}

// TestOneRenewal: when several processes find the session expired, one renews it and all get the result.
func TestOneRenewal(t *testing.T) {
	t.Parallel()
	c := clilogin.Cache{Dir: t.TempDir()}
	require.NoError(t, c.Save(newSession("old", time.Now().Add(10*time.Second)))) // less than expiryMargin
	var renewals atomic.Int32
	renew := func(_ context.Context, s clilogin.Session) (clilogin.Session, error) {
		renewals.Add(1)
		assert.Equal(t, "refresh-old", s.RefreshToken)
		return newSession("new", time.Now().Add(time.Hour)), nil
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			s, err := c.Fresh(context.WithoutCancel(t.Context()), issuer, cli, renew)
			assert.NoError(t, err)
			assert.Equal(t, "new", s.AccessToken)
		})
	}
	wg.Wait()
	require.EqualValues(t, 1, renewals.Load())
	left, err := filepath.Glob(filepath.Join(c.Dir, "*"))
	require.NoError(t, err)
	require.Len(t, left, 2, "the session and its lock: %v", left)
}

func TestFailedRenewal(t *testing.T) {
	t.Parallel()
	c := clilogin.Cache{Dir: t.TempDir()}
	require.NoError(t, c.Save(newSession("old", time.Now())))
	fail := func(kind fault.Kind) func(context.Context, clilogin.Session) (clilogin.Session, error) {
		return func(context.Context, clilogin.Session) (clilogin.Session, error) {
			return clilogin.Session{}, fault.New(kind, "no")
		}
	}
	_, err := c.Fresh(t.Context(), issuer, cli, fail(fault.Unavailable))
	require.Equal(t, fault.Unavailable, fault.KindOf(err))
	_, found, err := c.Load(issuer, cli)
	require.NoError(t, err)
	require.True(t, found, "an unreachable provider must not end the session")

	_, err = c.Fresh(t.Context(), issuer, cli, fail(fault.Unauthenticated))
	require.Equal(t, fault.Unauthenticated, fault.KindOf(err))
	require.Equal(t, "leadctl sso login", fault.Hint(err))
	_, found, err = c.Load(issuer, cli)
	require.NoError(t, err)
	require.False(t, found, "a session that the provider has ended must be removed")
}

func TestTake(t *testing.T) {
	t.Parallel()
	c := clilogin.Cache{Dir: t.TempDir()}
	_, found, err := c.Take(issuer, cli)
	require.NoError(t, err)
	require.False(t, found)
	require.NoError(t, c.Save(newSession("x", time.Now())))
	s, found, err := c.Take(issuer, cli)
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, "x", s.AccessToken)
	_, found, err = c.Load(issuer, cli)
	require.NoError(t, err)
	require.False(t, found)
	require.False(t, strings.Contains(c.Path("../../etc", "/x"), "etc"), "the path must not contain the issuer")
}
