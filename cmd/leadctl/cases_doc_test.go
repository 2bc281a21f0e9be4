package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var caseID = regexp.MustCompile(`\b[A-D]-\d{3}\b`)

// TestDocsExplainEveryCase: every case id in a test has a row in docs/cases.md. A row names the packages that run its
// case, or says after "none:" why no test does.
func TestDocsExplainEveryCase(t *testing.T) {
	t.Parallel()
	run, mentioned := casesInTests(t)
	path := filepath.Join(repoRoot, "docs", "cases.md")
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	rows := map[string]bool{}
	filled := regexp.MustCompile(`(?m)^\| ([A-D]-\d{3}) \| (.+) \|(.*)\|$`).ReplaceAllStringFunc(string(text),
		func(row string) string {
			cells := strings.Split(row, "|")
			id, tests := strings.TrimSpace(cells[1]), strings.Join(
				slices.Sorted(maps.Keys(run[strings.TrimSpace(cells[1])])), ", ")
			require.False(t, rows[id], "%s has two rows", id)
			rows[id] = true
			if why := strings.TrimSpace(cells[len(cells)-2]); tests == "" {
				require.Regexp(t, `^none: .+`, why, "no test runs %s: say why, as none: reason", id)
				tests = why
			}
			return fmt.Sprintf("| %s | %s | %s |", id, strings.TrimSpace(cells[2]), tests)
		})
	for id, at := range mentioned {
		require.True(t, rows[id], "%s: docs/cases.md has no row for %s", at, id)
	}
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(filled), 0o644))
		return
	}
	require.True(t, filled == string(text),
		"docs/cases.md is out of date: go test ./cmd/leadctl -run TestDocsExplainEveryCase -update")
}

// casesInTests returns the packages whose tests are named after each case, and one place where a test's text mentions
// it.
func casesInTests(t *testing.T) (run map[string]map[string]bool, mentioned map[string]string) {
	t.Helper()
	run, mentioned = map[string]map[string]bool{}, map[string]string{}
	for _, f := range parseRepo(t) {
		if !f.test {
			continue
		}
		for _, id := range f.namedCases() {
			if run[id] == nil {
				run[id] = map[string]bool{}
			}
			run[id][strings.TrimPrefix(f.pkg, "cmd/")] = true
		}
		ast.Inspect(f.File, func(n ast.Node) bool {
			if text, ok := n.(*ast.BasicLit); ok && text.Kind == token.STRING {
				for _, id := range caseID.FindAllString(text.Value, -1) {
					mentioned[id] = f.at(text)
				}
			}
			return true
		})
	}
	return run, mentioned
}

// namedCases are the cases that tests of the file are named after: t.Run("A-001", …), a key of a table of tests, or the
// first word of a test's comment.
func (f goFile) namedCases() (ids []string) {
	add := func(e ast.Expr) {
		text, ok := e.(*ast.BasicLit)
		if !ok || text.Kind != token.STRING {
			return
		}
		if name, err := strconv.Unquote(text.Value); err == nil {
			ids = append(ids, startingCase(name)...)
		}
	}
	ast.Inspect(f.File, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			if fun, ok := n.Fun.(*ast.SelectorExpr); ok && fun.Sel.Name == "Run" && len(n.Args) == 2 {
				name := n.Args[0]
				if joined, ok := name.(*ast.BinaryExpr); ok { // "C-044/" + name
					name = joined.X
				}
				add(name)
			}
		case *ast.KeyValueExpr:
			add(n.Key)
		case *ast.IndexExpr:
			add(n.Index)
		case *ast.FuncDecl:
			ids = append(ids, startingCase(strings.TrimPrefix(n.Doc.Text(), "TestCases/"))...)
		}
		return true
	})
	return ids
}

func startingCase(text string) []string {
	if at := caseID.FindStringIndex(text); at != nil && at[0] == 0 {
		return []string{text[:at[1]]}
	}
	return nil
}
