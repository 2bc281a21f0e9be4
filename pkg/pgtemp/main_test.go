//go:build unix

package pgtemp

import (
	"context"
	"fmt"
	"os"
	"testing"
)

// asChild is the environment variable that makes this test binary start a server and wait until it is killed. Its value
// is the directory of PostgreSQL's binaries.
const asChild = "PGTEMP_TEST_CHILD"

func TestMain(m *testing.M) {
	if bin := os.Getenv(asChild); bin != "" {
		runChild(bin)
	}
	os.Exit(runTests(m))
}

// runTests runs the tests with a temporary directory of their own, because the download library leaves an empty log
// there.
func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "pgtemp-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := os.Setenv("TMPDIR", dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// runChild prints the server's directory and the supervisor's process id, then blocks until the process is killed.
func runChild(bin string) {
	s, err := Start(context.Background(), Options{BinDir: bin})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(s.Dir(), s.pid)
	select {}
}
