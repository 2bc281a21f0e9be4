package schema_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/leadctl/leadctl/pkg/schema"
)

// asRunner is the environment variable that makes this test binary run migrations until it is killed. It holds the DSN.
const asRunner = "SCHEMA_TEST_RUNNER"

// asMigrator makes this test binary run the released migrations once. It holds the DSN.
const asMigrator = "SCHEMA_TEST_MIGRATOR"

func TestMain(m *testing.M) {
	if dsn := os.Getenv(asMigrator); dsn != "" {
		if _, err := schema.Up(context.Background(), dsn, released); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if dsn := os.Getenv(asRunner); dsn != "" {
		_, err := schema.Up(context.Background(), dsn,
			schema.Options{FS: releasedPlus(fileAfter(1, "slow.up"), slowMigration)})
		fmt.Fprintln(os.Stderr, "the process ended before it was killed:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}
