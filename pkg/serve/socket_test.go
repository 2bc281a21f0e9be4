package serve

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/pgtest"
)

// exchange writes text on a bare connection and reads until the server closes it. The deadline only keeps a broken test
// from hanging; reaching it is an error.
func exchange(t testing.TB, base, text string) (answers []*http.Response) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	_, err = io.WriteString(conn, text)
	require.NoError(t, err)
	in := bufio.NewReader(conn)
	for {
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			require.False(t, timedOut(err), "the connection stays open")
			return answers
		}
		_, err = io.Copy(io.Discard, resp.Body)
		require.NoError(t, err)
		answers = append(answers, resp)
	}
}

func timedOut(err error) bool {
	var network net.Error
	return errors.As(err, &network) && network.Timeout()
}

// requestSmuggling: whatever two servers could understand differently is answered once, and the connection ends: what
// would be the second request is not served.
func requestSmuggling(t *testing.T) {
	db, provider := pgtest.New(t), newIDP(t)
	d := start(t, settings(t, db.LoginDSN, provider.URL))
	const second = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
	post := func(headers, body string) string {
		return "POST /icp/rules HTTP/1.1\r\nHost: x\r\n" + headers + "\r\n" + body + second
	}
	for name, c := range map[string]struct {
		text   string
		status []int
	}{
		"two lengths":     {post("Content-Length: 5\r\nContent-Length: 6\r\n", "aaaaa"), []int{400}},
		"negative length": {post("Content-Length: -5\r\n", ""), []int{400}},
		"signed length":   {post("Content-Length: +5\r\n", "aaaaa"), []int{400}},
		"list of lengths": {post("Content-Length: 5, 5\r\n", "aaaaa"), []int{400}},
		"unknown coding":  {post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"), []int{400, 501}},
		"two codings": {post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n"),
			[]int{400, 501}},
		"space before colon": {post("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"), []int{400}},
		"space in a name":    {post("X Y: 1\r\n", ""), []int{400}},
		"NUL in a value":     {post("X-Y: a\x00b\r\n", ""), []int{400}},
		"bare CR in a value": {post("X-Y: a\rb\r\n", ""), []int{400}},
		"no host":            {"GET /livez HTTP/1.1\r\n\r\n" + second, []int{400}},
		"two hosts":          {"GET /livez HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n" + second, []int{400}},
		"bad version":        {"GET /livez HTTP/9.9\r\nHost: x\r\n\r\n" + second, []int{400, 505}},
		"broken chunk size": {post("Transfer-Encoding: chunked\r\nContent-Type: application/json\r\n", "zz\r\n"),
			[]int{400, 401}},
		"length and chunked": {post("Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\nX"),
			[]int{400, 401}},
		"chunked and length": {post("Transfer-Encoding: chunked\r\nContent-Length: 60\r\n", "0\r\n\r\n"),
			[]int{400, 401}},
		"length beyond a read": {post("Content-Length: 99999999999999999999\r\n", ""), []int{400}},
	} {
		t.Run(name, func(t *testing.T) {
			answers := exchange(t, d.base, c.text)
			require.Len(t, answers, 1, "a second request was served")
			require.Contains(t, c.status, answers[0].StatusCode)
		})
	}
	// A folded header and bare line feeds are read as one value and as line ends by net/http: the same request as
	// written properly, once, with nothing left over.
	for name, text := range map[string]string{
		"folded header": "GET /livez HTTP/1.1\r\nHost: x\r\nX-Y: a\r\n Transfer-Encoding: chunked\r\nConnection: " +
			"close\r\n\r\n",
		"bare line feeds": "GET /livez HTTP/1.1\nHost: x\nConnection: close\n\n",
	} {
		t.Run(name, func(t *testing.T) {
			answers := exchange(t, d.base, text+second)
			require.Len(t, answers, 1)
			require.Contains(t, []int{http.StatusOK, http.StatusBadRequest}, answers[0].StatusCode)
		})
	}
	require.Equal(t, http.StatusOK, get(t, d.base+"/livez", "").status)
}

// slowHeaders: connections that send headers slowly are closed in time, and other clients do not notice.
func slowHeaders(t *testing.T) {
	db, provider := pgtest.New(t), newIDP(t)
	d := start(t, settings(t, db.LoginDSN, provider.URL), func(o *Options) { o.times.header = time.Second })
	const many = 100
	conns := make([]net.Conn, many)
	for i := range conns {
		conn, err := net.Dial("tcp", strings.TrimPrefix(d.base, "http://"))
		require.NoError(t, err)
		defer conn.Close()
		require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
		conns[i] = conn
		_, err = io.WriteString(conn, "GET /livez HTTP/1.1\r\nX-Slow: ")
		require.NoError(t, err)
	}
	for range 5 {
		for _, conn := range conns {
			_, _ = io.WriteString(conn, "a") // a byte does not buy more time
		}
		require.Equal(t, http.StatusOK, get(t, d.base+"/livez", "").status)
		time.Sleep(250 * time.Millisecond)
	}
	for _, conn := range conns {
		_, err := io.ReadAll(conn)
		require.False(t, timedOut(err), "still open")
	}
	require.Equal(t, http.StatusOK, get(t, d.base+"/livez", "").status)
}

// slowBodies: a body that dribbles is given up in the time for requests.
func slowBodies(t *testing.T) {
	db, provider := pgtest.New(t), newIDP(t)
	id := newTenant(t, db, "C-011", 1)
	d := start(t, settings(t, db.LoginDSN, provider.URL))
	conn, err := net.Dial("tcp", strings.TrimPrefix(d.base, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	fmt.Fprintf(conn, "POST /icp/rules HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: "+
		"application/json\r\nContent-Length: 100000\r\n\r\n{", provider.token(id))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			if _, err := io.WriteString(conn, " "); err != nil {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
	}()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusRequestTimeout, resp.StatusCode)
	require.Equal(t, "application/problem+json", resp.Header.Get("Content-Type"))
	_ = conn.Close()
	<-ended
	require.Zero(t, count(t, db, `SELECT count(*) FROM icp_rules`))
}
