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

func session(token string, expires time.Time) clilogin.Session {
	return clilogin.Session{Issuer: issuer, ClientID: cli, AccessToken: token, RefreshToken: "refresh-" + token, Expires: expires}
}

func never(context.Context, clilogin.Session) (clilogin.Session, error) {
	panic("renewed a good session")
}

func TestCacheFile(t *testing.T) {
	t.Parallel()
	c := clilogin.Cache{Dir: filepath.Join(t.TempDir(), "new", "leadctl")}
	_, err := c.Fresh(t.Context(), issuer, cli, never)
	require.Equal(t, fault.Unauthenticated, fault.KindOf(err))
	require.Equal(t, "leadctl sso login", fault.Hint(err))

	want := session(secret, time.Now().Add(time.Hour).UTC().Truncate(time.Second))
	require.NoError(t, c.Save(want))
	info, err := os.Stat(c.Path(issuer, cli))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	info, err = os.Stat(c.Dir)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
	have, err := c.Fresh(t.Context(), issuer, cli, never)
	require.NoError(t, err)
	require.Equal(t, want, have)
	for _, other := range [][2]string{{issuer + "/", cli}, {issuer, "other"}} {
		_, found, err := c.Load(other[0], other[1])
		require.NoError(t, err)
		require.False(t, found, "another issuer's or client's session")
	}

	require.NoError(t, os.Chmod(c.Path(issuer, cli), 0o644))
	_, err = c.Fresh(t.Context(), issuer, cli, never)
	require.Equal(t, fault.Denied, fault.KindOf(err), "readable by others")

	require.NoError(t, os.WriteFile(c.Path(issuer, cli), []byte(`{"access_token":"`+secret), 0o600))
	require.NoError(t, os.Chmod(c.Path(issuer, cli), 0o600))
	_, err = c.Fresh(t.Context(), issuer, cli, never)
	require.Equal(t, fault.Unauthenticated, fault.KindOf(err), "a file cut short is no session")
	require.NotContains(t, err.Error(), secret)
}

// TestOneRenewal: of many that find the session expired, one renews it and all get what it got.
func TestOneRenewal(t *testing.T) {
	t.Parallel()
	c := clilogin.Cache{Dir: t.TempDir()}
	require.NoError(t, c.Save(session("old", time.Now().Add(10*time.Second)))) // too short to be used
	var renewals atomic.Int32
	renew := func(_ context.Context, s clilogin.Session) (clilogin.Session, error) {
		renewals.Add(1)
		assert.Equal(t, "refresh-old", s.RefreshToken)
		return session("new", time.Now().Add(time.Hour)), nil
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
	require.NoError(t, c.Save(session("old", time.Now())))
	fail := func(kind fault.Kind) func(context.Context, clilogin.Session) (clilogin.Session, error) {
		return func(context.Context, clilogin.Session) (clilogin.Session, error) {
			return clilogin.Session{}, fault.New(kind, "no")
		}
	}
	_, err := c.Fresh(t.Context(), issuer, cli, fail(fault.Unavailable))
	require.Equal(t, fault.Unavailable, fault.KindOf(err))
	_, found, err := c.Load(issuer, cli)
	require.NoError(t, err)
	require.True(t, found, "a provider that is down ends no session")

	_, err = c.Fresh(t.Context(), issuer, cli, fail(fault.Unauthenticated))
	require.Equal(t, fault.Unauthenticated, fault.KindOf(err))
	require.Equal(t, "leadctl sso login", fault.Hint(err))
	_, found, err = c.Load(issuer, cli)
	require.NoError(t, err)
	require.False(t, found, "a session that is over is forgotten")
}

func TestTake(t *testing.T) {
	t.Parallel()
	c := clilogin.Cache{Dir: t.TempDir()}
	_, found, err := c.Take(issuer, cli)
	require.NoError(t, err)
	require.False(t, found)
	require.NoError(t, c.Save(session("x", time.Now())))
	s, found, err := c.Take(issuer, cli)
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, "x", s.AccessToken)
	_, found, err = c.Load(issuer, cli)
	require.NoError(t, err)
	require.False(t, found)
	require.False(t, strings.Contains(c.Path("../../etc", "/x"), "etc"), "names of files are ours")
}
