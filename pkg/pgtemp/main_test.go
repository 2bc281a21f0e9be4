//go:build unix

package pgtemp

import (
	"context"
	"fmt"
	"os"
	"testing"
)

// asChild makes this test binary a program that starts a server and then waits to be killed.
const asChild = "PGTEMP_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(asChild) != "" {
		runChild()
	}
	os.Exit(runTests(m))
}

// runTests gives the tests a temporary directory of their own, since the fetching library leaves an empty log in it.
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

// runChild prints the server's directory and its supervisor's process id, and never ends by itself.
func runChild() {
	s, err := Start(context.Background(), Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(s.Dir(), s.pid)
	select {}
}
