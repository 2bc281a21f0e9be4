package serve

import (
	"testing"

	"go.uber.org/goleak"
)

// Whatever a daemon started has ended with it. What stays is the PostgreSQL of this test binary, which ends with the
// process.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/leadctl/leadctl/pkg/pgtemp.(*Server).waitSupervisor"),
		goleak.IgnoreAnyFunction("os/exec.(*Cmd).writerDescriptor.func1"))
}
