package postgres_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/pgtest"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// pooler imitates pgbouncer in transaction mode: a client has a session of the server until its transaction ends, and
// then gets any session. Like pgbouncer, it sends clients a process id of its own and rejects start-up parameters that
// it cannot set for each client. It does not support COPY FROM STDIN.
type pooler struct {
	t        *testing.T
	listener net.Listener
	mu       sync.Mutex
	idle     []*pgconn.HijackedConn
	freed    *sync.Cond
	params   map[string]string
	moves    int // how often a client got another session than the one before
}

func startPooler(t *testing.T, dsn string, sessions int) (*pooler, string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &pooler{t: t, listener: listener}
	p.freed = sync.NewCond(&p.mu)
	for range sessions {
		conn, err := pgconn.Connect(t.Context(), dsn)
		require.NoError(t, err)
		session, err := conn.Hijack()
		require.NoError(t, err)
		p.params = session.ParameterStatuses
		p.idle = append(p.idle, session)
		t.Cleanup(func() { _ = session.Conn.Close() })
	}
	var clients sync.WaitGroup
	clients.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			clients.Go(func() { p.serveClient(conn) })
		}
	})
	t.Cleanup(clients.Wait)
	t.Cleanup(func() { _ = listener.Close() })
	u, err := url.Parse(dsn)
	require.NoError(t, err)
	u.Host, u.RawQuery = listener.Addr().String(), "sslmode=disable"
	return p, u.String()
}

func (p *pooler) takeSession(last *pgconn.HijackedConn) *pgconn.HijackedConn {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.idle) == 0 {
		p.freed.Wait()
	}
	i := rand.IntN(len(p.idle))
	session := p.idle[i]
	p.idle = slices.Delete(p.idle, i, i+1)
	if last != nil && last != session {
		p.moves++
	}
	return session
}

func (p *pooler) returnSession(session *pgconn.HijackedConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = append(p.idle, session)
	p.freed.Signal()
}

func (p *pooler) serveClient(conn net.Conn) {
	defer conn.Close()
	client := pgproto3.NewBackend(conn, conn)
	if err := p.startClient(conn, client); err != nil {
		return
	}
	var session, last *pgconn.HijackedConn
	for {
		message, err := client.Receive()
		if _, bye := message.(*pgproto3.Terminate); err != nil || bye {
			if session != nil { // during a transaction: pgbouncer closes the session
				_ = session.Conn.Close()
			}
			return
		}
		if session == nil {
			session = p.takeSession(last)
			last = session
		}
		session.Frontend.Send(message)
		switch message.(type) {
		case *pgproto3.Query, *pgproto3.Sync:
			status, err := relayAnswer(session, client)
			if err != nil {
				return
			}
			if status == 'I' {
				p.returnSession(session)
				session = nil
			}
		}
	}
}

// startClient answers the start-up message of a client.
func (p *pooler) startClient(conn net.Conn, client *pgproto3.Backend) error {
	message, err := client.ReceiveStartupMessage()
	if err != nil {
		return err
	}
	if start, ok := message.(*pgproto3.StartupMessage); ok {
		for name := range start.Parameters {
			if !slices.Contains([]string{"user", "database", "application_name", "client_encoding", "datestyle",
				"timezone", "standard_conforming_strings"}, strings.ToLower(name)) {
				client.Send(&pgproto3.ErrorResponse{Severity: "FATAL", Code: "08P01",
					Message: "unsupported startup parameter: " + name})
				_ = client.Flush()
				return fmt.Errorf("parameter %s", name)
			}
		}
	}
	client.Send(&pgproto3.AuthenticationOk{})
	for name, value := range p.params {
		client.Send(&pgproto3.ParameterStatus{Name: name, Value: value})
	}
	client.Send(&pgproto3.BackendKeyData{ProcessID: rand.Uint32(), SecretKey: []byte{1, 2, 3, 4}})
	client.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	return client.Flush()
}

// relayAnswer sends the server's messages to the client, up to ReadyForQuery.
func relayAnswer(session *pgconn.HijackedConn, client *pgproto3.Backend) (status byte, err error) {
	if err := session.Frontend.Flush(); err != nil {
		return 0, err
	}
	for {
		answer, err := session.Frontend.Receive()
		if err != nil {
			return 0, err
		}
		client.Send(answer)
		if ready, ok := answer.(*pgproto3.ReadyForQuery); ok {
			return ready.TxStatus, client.Flush()
		}
	}
}

// transactionPooler: behind a transaction pooler, row security applies to each transaction. Prepared statements that
// are kept across transactions fail with an error; they never return another tenant's row. Functions that need their
// own session return a fault.
func transactionPooler(t *testing.T) {
	db := pgtest.New(t)
	ids := []tenantid.ID{1, 2, 3, 4, 5}
	seedTenants(t, db, ids...)
	for _, mode := range []string{"exec", "cache_describe", "simple_protocol"} {
		p, dsn := startPooler(t, db.LoginDSN, 3)
		app := openDB(t, withParam(dsn, "default_query_exec_mode", mode), postgres.Options{MaxConns: 6})
		var group errgroup.Group
		for worker := range 6 {
			group.Go(func() error {
				for n := range 50 {
					if err := runRequest(context.Background(), app, ids[(worker+n)%len(ids)], n%3); err != nil {
						return fmt.Errorf("%s: %w", mode, err)
					}
				}
				return nil
			})
		}
		require.NoError(t, group.Wait())
		require.Greater(t, p.moves, 20, "clients must change their session")
		requireSessionRefused(t, app)
		app.Close()
	}
	p, dsn := startPooler(t, db.LoginDSN, 3)
	app := openDB(t, dsn, postgres.Options{MaxConns: 2})
	var failed error
	for n := range 100 {
		err := runRequest(t.Context(), app, ids[n%len(ids)], n%3)
		if err != nil {
			requireState(t, err, "26000", "42P05")
			failed = err
		}
	}
	require.Error(t, failed, "prepared statements must fail behind the imitation as behind pgbouncer")
	require.Positive(t, p.moves)
	app.Close()
}

// requireSessionRefused requires that Lock and JobsPool, which need their own session, fail.
func requireSessionRefused(t *testing.T, app *postgres.DB) {
	t.Helper()
	_, ok, err := app.Lock(t.Context(), 1, 1)
	require.True(t, fault.Is(err, fault.Operator), "%v", err)
	require.False(t, ok)
	require.NotEmpty(t, fault.Hint(err))
	pool, err := app.JobsPool(t.Context())
	require.NoError(t, err)
	_, err = pool.Acquire(t.Context())
	require.True(t, fault.Is(err, fault.Operator) || strings.Contains(err.Error(), "unsupported startup parameter"),
		"%v", err)
}
