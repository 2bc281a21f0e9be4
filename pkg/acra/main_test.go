package acra_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/leadctl/leadctl/pkg/acra"
	"github.com/leadctl/leadctl/pkg/postgres"
)

// kills is the number of kills in tests. `go test ./pkg/acra -run TestCases/D-050 -args -kills 50` takes a minute.
var kills = flag.Int("kills", 8, "processes to kill per source")

// TestMain lets this binary be the process that tests kill: when childSource is set, it ingests and prints progress.
func TestMain(m *testing.M) {
	if source := os.Getenv(childSource); source != "" {
		os.Exit(runChild(source, os.Getenv(childDSN)))
	}
	flag.Parse()
	os.Exit(m.Run())
}

// Environment of the child process.
const (
	childSource = "ACRA_TEST_SOURCE" // kind:location, see sourceOf
	childDSN    = "ACRA_TEST_DSN"
	childPause  = "ACRA_TEST_PAUSE" // sleep after each batch
	// After this number of rows plus childMoment, the child kills itself. A kill from outside would come too late.
	childRows   = "ACRA_TEST_ROWS"
	childMoment = "ACRA_TEST_MOMENT"
)

// sourceOf returns the source for file:PATH, bulk:URL or api:URL. Its waits take no time.
func sourceOf(text string) acra.Source {
	kind, where, _ := strings.Cut(text, ":")
	service := acra.NewService(where+"/api/action/datastore_search", "")
	service.Wait = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	switch kind {
	case "bulk":
		return acra.Bulk(service, nil)
	case "api":
		return acra.Pages(service, nil, 60)
	}
	return acra.File(where)
}

func runChild(source, dsn string) int {
	ctx := context.Background()
	db, err := postgres.Open(ctx, dsn, postgres.Options{})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer db.Close()
	pause, _ := time.ParseDuration(os.Getenv(childPause))
	moment, _ := time.ParseDuration(os.Getenv(childMoment))
	rows, err := strconv.ParseInt(os.Getenv(childRows), 10, 64)
	doomed, first := err == nil, int64(-1)
	rep, err := acra.Ingest(ctx, db, resumableOptions(sourceOf(source), func(p acra.Progress) {
		fmt.Println("read", p.Read)
		if first < 0 {
			first = p.Read
		}
		if doomed && p.Read-first >= rows {
			doomed = false
			time.AfterFunc(moment, func() { _ = syscall.Kill(os.Getpid(), syscall.SIGKILL) })
		}
		time.Sleep(pause)
	}))
	fmt.Println("end", rep.Read, err)
	if err != nil {
		return 1
	}
	return 0
}

// resumableOptions returns the options of a run that can be stopped and resumed.
func resumableOptions(source acra.Source, tell func(acra.Progress)) acra.Options {
	return acra.Options{Source: source, Status: []string{acra.All}, Resume: true, BatchRows: 60, MaxRejects: 0.2,
		Progress: tell}
}
