package tcpproxy_test

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/leadctl/leadctl/pkg/tcpproxy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// startEcho starts a server that sends back what it gets, and returns a proxy for it.
func startEcho(t *testing.T, network, address string) *tcpproxy.Proxy {
	t.Helper()
	ln, err := net.Listen(network, address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() { defer conn.Close(); _, _ = io.Copy(conn, conn) }()
		}
	}()
	p, err := tcpproxy.Start(ln.Addr().String())
	require.NoError(t, err)
	t.Cleanup(p.Close)
	return p
}

func dialProxy(t *testing.T, p *tcpproxy.Proxy) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", p.Addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// exchange sends text and requires it back.
func exchange(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	_, err := io.WriteString(conn, text)
	require.NoError(t, err)
	got := make([]byte, len(text))
	_, err = io.ReadFull(conn, got)
	require.NoError(t, err)
	require.Equal(t, text, string(got))
}

func TestForwarding(t *testing.T) {
	dir, err := os.MkdirTemp("", "proxy") // t.TempDir may be too long for the path of a socket
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	for network, address := range map[string]string{"tcp": "127.0.0.1:0", "unix": filepath.Join(dir, "echo")} {
		p := startEcho(t, network, address)
		conn := dialProxy(t, p)
		exchange(t, conn, "one")
		exchange(t, conn, "two")
		require.EqualValues(t, 2, p.Received())
	}
}

func TestDisconnect(t *testing.T) {
	p := startEcho(t, "tcp", "127.0.0.1:0")
	conn := dialProxy(t, p)
	exchange(t, conn, "one")
	p.Disconnect()
	_, err := conn.Read(make([]byte, 1))
	require.Error(t, err)
	_, err = net.Dial("tcp", p.Addr)
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	require.NoError(t, p.Connect())
	exchange(t, dialProxy(t, p), "two")
}

func TestDropLastsUntilTheFaultEnds(t *testing.T) {
	p := startEcho(t, "tcp", "127.0.0.1:0")
	lossy, idle := dialProxy(t, p), dialProxy(t, p)
	exchange(t, idle, "one")
	end := p.AddFault(tcpproxy.Fault{Drop: true})
	_, err := io.WriteString(lossy, "lost")
	require.NoError(t, err)
	require.NoError(t, lossy.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	_, err = lossy.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	end()
	require.NoError(t, lossy.SetReadDeadline(time.Time{}))
	_, err = lossy.Read(make([]byte, 1))
	require.Error(t, err, "a connection that lost data is closed")
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
	exchange(t, idle, "two")
}

func TestLimitCutAndReset(t *testing.T) {
	const sent = "0123456789"
	for name, c := range map[string]struct {
		fault    tcpproxy.Fault
		received func(string) bool
	}{
		"limit": {tcpproxy.Fault{Limit: 4}, func(s string) bool { return s == sent[:4] }},
		"cut": {tcpproxy.Fault{CutOneIn: 1}, func(s string) bool {
			return len(s) < len(sent) && strings.HasPrefix(sent, s)
		}},
		"reset": {tcpproxy.Fault{ResetAfter: time.Millisecond, Drop: true}, func(s string) bool { return s == "" }},
	} {
		t.Run(name, func(t *testing.T) {
			p := startEcho(t, "tcp", "127.0.0.1:0")
			before := dialProxy(t, p)
			exchange(t, before, sent)
			end := p.AddFault(c.fault)
			after, err := net.Dial("tcp", p.Addr)
			require.True(t, err == nil || name == "reset" && errors.Is(err, syscall.ECONNRESET), "%v", err)
			for _, conn := range []net.Conn{before, after} {
				if conn == nil {
					continue // reset before Dial returned
				}
				defer conn.Close()
				_, writeErr := io.WriteString(conn, sent)
				got, err := io.ReadAll(conn)
				require.True(t, c.received(string(got)), "%q", got)
				err = errors.Join(writeErr, err) // the kernel reports a reset once, to the call that comes first
				require.Equal(t, name == "reset", errors.Is(err, syscall.ECONNRESET), "%v", err)
			}
			end()
			exchange(t, dialProxy(t, p), sent)
		})
	}
}

func TestDelaysAddUp(t *testing.T) {
	p := startEcho(t, "tcp", "127.0.0.1:0")
	p.AddFault(tcpproxy.Fault{Delay: 20 * time.Millisecond, Jitter: 10 * time.Millisecond, BothWays: true})
	p.AddFault(tcpproxy.Fault{Delay: 15 * time.Millisecond})
	start := time.Now()
	exchange(t, dialProxy(t, p), "late")
	require.GreaterOrEqual(t, time.Since(start), 35*time.Millisecond, "at least 10 ms up and 25 ms down")
}
