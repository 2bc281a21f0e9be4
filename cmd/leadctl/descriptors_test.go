//go:build linux

package main

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestCasesOfScarceFiles (D-057): with more connections than the process may have open files, the daemon keeps running,
// serves again as soon as they are closed, and stops without an error.
func TestCasesOfScarceFiles(t *testing.T) {
	t.Parallel()
	t.Run("D-057", func(t *testing.T) {
		t.Parallel()
		base, running, log := serveWith64Files(t)
		answers := func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+base+"/readyz", nil)
			require.NoError(t, err)
			req.Close = true
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				return false
			}
			_ = resp.Body.Close()
			return resp.StatusCode == http.StatusOK
		}
		require.Eventually(t, answers, time.Minute, 50*time.Millisecond, log)
		for range 3 {
			var idle []net.Conn
			for range 200 {
				conn, err := net.DialTimeout("tcp", base, 5*time.Second)
				if err != nil {
					break // the kernel's accept queue is full too
				}
				idle = append(idle, conn)
			}
			require.Greater(t, len(idle), 64)
			for _, conn := range idle {
				require.NoError(t, conn.Close())
			}
			require.Eventually(t, answers, time.Minute, 50*time.Millisecond, log)
		}
		require.NoError(t, running.Process.Signal(syscall.SIGTERM))
		require.NoError(t, running.Wait(), log)
	})
}

// serveWith64Files starts the daemon with a limit of 64 open files. It returns the API's address, the process and its
// output.
func serveWith64Files(t *testing.T) (base string, running *exec.Cmd, log *bytes.Buffer) {
	t.Helper()
	log = &bytes.Buffer{}
	in := newInstallation(t)
	base, running = in.command(t, "ulimit -n 64; exec leadctl serve", "LEADCTL_API_SETTLE=0")
	running.Stdout, running.Stderr = log, log
	require.NoError(t, running.Start())
	return base, running, log
}
