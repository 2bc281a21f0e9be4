package postgres_test

import (
	"context"
	"net"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/pgtest"
	"github.com/leadctl/leadctl/pkg/postgres"
)

// TestConnectionErrors: each usual reason has one line with the server, the user and the database, and a hint.
func TestConnectionErrors(t *testing.T) {
	t.Parallel()
	server, err := url.Parse(pgtest.New(t).LoginDSN)
	require.NoError(t, err)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	refusing := startRefusingServer(t)
	for name, c := range map[string]struct {
		change       func(*url.URL)
		reason, hint string
	}{
		"refused": {func(u *url.URL) { u.Host, u.RawQuery = closed.Addr().String(), "" }, "connection refused",
			"start PostgreSQL"},
		"no host": {func(u *url.URL) { u.Host, u.RawQuery = "db.invalid:5432", "" }, "no such host",
			"correct the host"},
		"no database": {func(u *url.URL) { u.Path = "/none" }, "no such database", "createdb"},
		"wrong password": {func(u *url.URL) {
			u.Host, u.User, u.RawQuery = refusing, url.UserPassword("ann", "CANARY"), "sslmode=disable"
		}, "wrong password", "correct the password"},
		"no socket": {func(u *url.URL) { u.Host, u.RawQuery = "", "host=/nowhere" }, "no such socket",
			"socket's folder"},
		"no TLS": {func(u *url.URL) { u.Host, u.RawQuery = refusing, "sslmode=require" }, "does not speak TLS",
			"sslmode=disable"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := *server
			c.change(&u)
			db, err := postgres.Open(t.Context(), u.String(), postgres.Options{})
			require.NoError(t, err)
			t.Cleanup(db.Close)
			err = db.InSystem(t.Context(), "test", func(context.Context, postgres.SystemTx) error { return nil })
			require.Equal(t, fault.Unavailable, fault.KindOf(err), "%v", err)
			require.ErrorContains(t, err, c.reason)
			require.Contains(t, postgres.ConnectHint(err), c.hint)
			require.Len(t, strings.Split(err.Error(), "\n"), 1, "%v", err)
			require.NotContains(t, err.Error()+postgres.ConnectHint(err), "CANARY")
			require.Equal(t, "database", fault.Text(err), "a caller learns nothing of the server")
		})
	}
}

// startRefusingServer starts a server without TLS that accepts no password, and returns its address. The server of the
// tests trusts every login of its socket.
func startRefusingServer(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			backend := pgproto3.NewBackend(conn, conn)
			first, _ := backend.ReceiveStartupMessage()
			if _, ok := first.(*pgproto3.SSLRequest); ok {
				_, _ = conn.Write([]byte("N"))
			} else {
				backend.Send(&pgproto3.ErrorResponse{Severity: "FATAL", Code: "28P01", Message: "wrong password"})
				_ = backend.Flush()
			}
			_ = conn.Close()
		}
	}()
	return listener.Addr().String()
}
