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
		child()
	}
	os.Exit(m.Run())
}

// child prints the server's directory and its supervisor's process id, and never ends by itself.
func child() {
	s, err := Start(context.Background(), Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(s.Dir(), s.pid)
	select {}
}
