package serve

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/pgtest"
)

// onlyHTTP1: what ends TLS in front of leadctl speaks HTTP/1.1 to it. There are no streams to reset or to flood with:
// HTTP/2 is refused with prior knowledge, and not taken up when it is offered.
func onlyHTTP1(t *testing.T) {
	db, provider := pgtest.New(t), newIDP(t)
	d := start(t, settings(t, db.LoginDSN, provider.URL))
	const settingsFrame = "\x00\x00\x00\x04\x00\x00\x00\x00\x00"
	for name, text := range map[string]string{
		"preface": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + settingsFrame,
		"preface with a host": "PRI * HTTP/2.0\r\nHost: x\r\n\r\nSM\r\n\r\n" + settingsFrame +
			"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n",
		"version": "GET /livez HTTP/2.0\r\nHost: x\r\n\r\n",
	} {
		for _, a := range exchange(t, d.base, text) {
			require.GreaterOrEqual(t, a.StatusCode, 400, name)
		}
	}
	upgrade := exchange(t, d.base,
		"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: "+
			"h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n")
	require.Len(t, upgrade, 1)
	require.Equal(t, http.StatusOK, upgrade[0].StatusCode)
	require.Equal(t, "HTTP/1.1", upgrade[0].Proto)
	require.Equal(t, http.StatusOK, get(t, d.base+"/livez", "").status)
}

// noTLS: leadctl has no certificate and takes no handshake of any version; a proxy does. What browsers are told to keep
// to https with goes out only where the configuration says that they come by it.
func noTLS(t *testing.T) {
	db, provider := pgtest.New(t), newIDP(t)
	plain := start(t, settings(t, db.LoginDSN, provider.URL, "COOKIE_SECURE", "false"))
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS12, tls.VersionTLS13} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(plain.base, "http://"))
		require.NoError(t, err)
		require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
		hello := tls.Client(conn, &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version})
		require.ErrorAs(t, hello.HandshakeContext(t.Context()), &tls.RecordHeaderError{}, tls.VersionName(version))
		require.NoError(t, conn.Close())
	}
	conn, err := net.Dial("tcp", strings.TrimPrefix(plain.base, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	_, err = io.WriteString(conn, "\x16\x03\x01\x00\x05hello")
	require.NoError(t, err)
	_, err = http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err, "told in plain words, not left waiting")

	const hsts = "Strict-Transport-Security"
	require.Empty(t, headersOf(t, plain.base+"/signin").Get(hsts))
	secure := start(t, settings(t, db.LoginDSN, provider.URL))
	require.Regexp(t, `^max-age=[1-9][0-9]{7,}$`, headersOf(t, secure.base+"/signin").Get(hsts))
}

func headersOf(t *testing.T, address string) http.Header {
	t.Helper()
	resp, err := http.Get(address)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode)
	return resp.Header
}
