package schema_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/leadctl/leadctl/pkg/schema"
)

// asRunner makes this test binary a runner of migrations that is there to be killed: it holds the DSN.
const asRunner = "SCHEMA_TEST_RUNNER"

func TestMain(m *testing.M) {
	if dsn := os.Getenv(asRunner); dsn != "" {
		_, err := schema.Up(context.Background(), dsn, schema.Options{FS: releasedPlus(fileAfter(1, "slow.up"), slowMigration)})
		fmt.Fprintln(os.Stderr, "the runner was to be killed, but ended:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}
