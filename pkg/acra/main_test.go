package acra_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/leadctl/leadctl/pkg/acra"
	"github.com/leadctl/leadctl/pkg/postgres"
)

// TestMain lets this binary be the process that tests kill: with childFile set it ingests that file and prints how far it is.
func TestMain(m *testing.M) {
	if file := os.Getenv(childFile); file != "" {
		os.Exit(child(file, os.Getenv(childDSN)))
	}
	os.Exit(m.Run())
}

const (
	childFile = "ACRA_TEST_FILE"
	childDSN  = "ACRA_TEST_DSN"
)

func child(file, dsn string) int {
	ctx := context.Background()
	db, err := postgres.Open(ctx, dsn, postgres.Options{})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer db.Close()
	rep, err := acra.Ingest(ctx, db, killable(file, func(p acra.Progress) { fmt.Println("read", p.Read) }))
	fmt.Println("end", rep.Read, err)
	if err != nil {
		return 1
	}
	return 0
}

// killable is a run that is stopped and resumed.
func killable(file string, tell func(acra.Progress)) acra.Options {
	return acra.Options{Source: acra.File(file), Status: []string{acra.All}, Resume: true, BatchRows: 60, MaxRejects: 0.2, Progress: tell}
}
