package sso_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// elsewhere are the cases that a verifier alone cannot show, by the package whose TestCases run them: what a request, a
// browser, the database or the whole process must do. Some have a part here as well.
func elsewhere() map[string][]int {
	return map[string][]int{
		"httpapi": {
			3, 35, 70, 71, 72, 75, 76, 77, 78, 79, 80, 82, 83, 85, 86, 87, 88, 90, 91, 92, 93, 96, 97, 98, 99, 101, 110, 121, 134, 135, 136, 137,
		},
		"session":    {116, 117, 118, 119, 121, 122, 123, 124, 125, 134},
		"onboarding": {130, 132, 133},
		"config":     {54, 100},
		"serve":      {100, 115},
	}
}

// listed are all cases on tokens, sign-in and sessions that there are: 1 to 137 with gaps.
func listed() []int {
	gaps := []int{
		9, 14, 18, 26, 29, 33, 42, 45, 51, 58, 60, 65, 66, 68, 73, 74, 81, 84, 89, 94, 95, 102, 103, 104, 106, 107, 111, 113, 120, 126, 127, 128, 129, 131,
	}
	var all []int
	for n := 1; n <= 137; n++ {
		if !slices.Contains(gaps, n) {
			all = append(all, n)
		}
	}
	return all
}

// testsOf names the subtests that a package's tests run by a literal: t.Run("A-042", …), or the keys of a table of functions.
func testsOf(t *testing.T, pkg string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", pkg, "*_test.go"))
	require.NoError(t, err)
	require.NotEmpty(t, files, pkg)
	var names []string
	add := func(e ast.Expr) {
		if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			name, err := strconv.Unquote(lit.Value)
			require.NoError(t, err)
			names = append(names, name)
		}
	}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.Inspect(parsed, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				if fun, ok := n.Fun.(*ast.SelectorExpr); ok && fun.Sel.Name == "Run" && len(n.Args) == 2 {
					add(n.Args[0])
				}
			case *ast.KeyValueExpr:
				switch n.Value.(type) {
				case *ast.Ident, *ast.FuncLit:
					add(n.Key)
				}
			}
			return true
		})
	}
	return names
}

// elsewhereCases stand for the cases of other packages: each says where it is run, and fails when it is not.
func elsewhereCases() map[string]func(*testing.T) {
	cases := map[string]func(*testing.T){}
	for pkg, numbers := range elsewhere() {
		for _, n := range numbers {
			id := fmt.Sprintf("A-%03d", n)
			before := cases[id]
			cases[id] = func(t *testing.T) {
				if before != nil {
					before(t)
				}
				require.Contains(t, testsOf(t, pkg), id, "go test ./pkg/%s -run Cases", pkg)
				t.Logf("go test ./pkg/%s -run 'Cases.*/%s$'", pkg, id)
			}
		}
	}
	return cases
}

// TestNoCaseIsMissing: every case of the list is a subtest of TestCases, and none has an id that the list does not know.
func TestNoCaseIsMissing(t *testing.T) {
	t.Parallel()
	all := cases()
	require.Len(t, listed(), 103)
	for _, n := range listed() {
		id := fmt.Sprintf("A-%03d", n)
		require.Contains(t, all, id)
		delete(all, id)
	}
	require.Subset(t, []string{"P3", "P4", "P10", "D-060"}, slices.Collect(maps.Keys(all)), "what is left are rules that have no case, and another list's case on providers")
}
