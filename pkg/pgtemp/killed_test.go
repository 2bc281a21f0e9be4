//go:build unix

package pgtemp

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestKilledParentLeavesNothing kills a process and expects its server and directory to disappear. The process runs as
// the current user and, if that is root, also as an unprivileged user, which is then the server's user too.
func TestKilledParentLeavesNothing(t *testing.T) {
	t.Parallel()
	callers := map[string]*syscall.Credential{"as this user": nil}
	if os.Geteuid() == 0 {
		callers["as nobody"] = credentialOf(t, "nobody")
	}
	program := sharedCopy(t)
	bin, err := findBinaries(t.Context(), Options{}, systemPlaces(t.Context()))
	require.NoError(t, err)
	for name, who := range callers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(program)
			cmd.Env = append(os.Environ(), asChild+"="+bin.dir, "HOME=/nonexistent", "TMPDIR=/nonexistent")
			cmd.Dir = "/"
			cmd.Stderr = t.Output()
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who}
			out, err := cmd.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			t.Cleanup(func() { _ = cmd.Process.Kill() })

			dir, supervisor := readAnnouncement(t, out)
			info, err := os.Stat(dir)
			require.NoError(t, err)
			if who != nil {
				require.True(t, ownedBy(info, int(who.Uid)))
			}
			processes := processTree(t, supervisor)
			require.Greater(t, len(processes), 3)

			require.NoError(t, cmd.Process.Signal(syscall.SIGKILL))
			requireGone(t, dir, processes)
			require.Error(t, cmd.Wait())
		})
	}
}

func readAnnouncement(t *testing.T, out io.Reader) (dir string, supervisor int) {
	t.Helper()
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err, "the child's server did not start")
	_, err = fmt.Sscan(line, &dir, &supervisor)
	require.NoError(t, err)
	return dir, supervisor
}

func credentialOf(t *testing.T, name string) *syscall.Credential {
	t.Helper()
	u, err := user.Lookup(name)
	require.NoError(t, err)
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	require.NoError(t, err)
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	require.NoError(t, err)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// sharedCopy copies this test binary to a directory from which every user can run it. The go command builds it in a
// directory that other users cannot enter.
func sharedCopy(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "pgtemp-test-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o755))
	self, err := os.Executable()
	require.NoError(t, err)
	program, err := os.ReadFile(self)
	require.NoError(t, err)
	path := filepath.Join(dir, "program")
	require.NoError(t, os.WriteFile(path, program, 0o755))
	return path
}
