package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
)

// manDir is the folder for the man pages of a release: go test ./cmd/leadctl -run TestManPages -args -man DIR
var manDir = flag.String("man", "", "folder to write the man pages to")

// TestManPages writes a page for each command. It is a test so that the binary does not contain the page writer.
func TestManPages(t *testing.T) {
	t.Parallel()
	dir := *manDir
	if dir == "" {
		dir = t.TempDir()
	}
	require.NoError(t, os.MkdirAll(dir, 0o755))
	root := newRoot(newApp(nil, nil, nil))
	root.DisableAutoGenTag = true // reproducible: no date of generation
	require.NoError(
		t,
		doc.GenManTree(
			root,
			&doc.GenManHeader{Title: "LEADCTL", Section: "1", Source: "leadctl", Manual: "leadctl"},
			dir,
		),
	)
	for _, page := range pagesOf(root) {
		text, err := os.ReadFile(filepath.Join(dir, page))
		require.NoError(t, err)
		require.Contains(t, string(text), ".SH NAME", page)
	}
}

func pagesOf(cmd *cobra.Command) []string {
	list := []string{strings.ReplaceAll(cmd.CommandPath(), " ", "-") + ".1"}
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			list = append(list, pagesOf(sub)...)
		}
	}
	return list
}

// TestExitCodesAreAllExplained checks that the help topic lists every exit code.
func TestExitCodesAreAllExplained(t *testing.T) {
	t.Parallel()
	page := newExitCodes().Long
	for kind := fault.Internal; kind <= fault.Interrupted; kind++ {
		require.Regexp(t, fmt.Sprintf(`(?m)^  %d +\S`, fault.ExitCode(fault.New(kind, "x"))), page, kind.String())
	}
}
