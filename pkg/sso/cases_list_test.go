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

// otherPackages returns the cases that need a request, a browser, the database or a whole process. The key is the
// package whose tests run them. Some of them have a part here, too.
func otherPackages() map[string][]int {
	return map[string][]int{
		"httpapi": {
			3, 35, 70, 71, 72, 75, 76, 77, 78, 79, 80, 82, 83, 85, 86, 87, 88, 90, 91, 92, 93, 96, 97, 98, 99, 101,
			110, 121, 134, 135, 136, 137, 140, 143, 151,
		},
		"websession": {116, 117, 118, 119, 121, 122, 123, 124, 125, 134, 140, 141, 142, 143, 144, 147},
		"onboarding": {130, 132, 133, 150},
		"config":     {54, 100},
		"serve":      {100, 115},
	}
}

// listCases returns the numbers of all cases of list A (tokens and sign-in): 1 to 151 with gaps.
func listCases() []int {
	gaps := []int{
		9, 14, 18, 26, 29, 33, 42, 45, 51, 58, 60, 65, 66, 68, 73, 74, 81, 84, 89, 94, 95, 102, 103, 104, 106, 107,
		111, 113, 120, 126, 127, 128, 129, 131, 138, 139, 148, 149,
	}
	var all []int
	for n := 1; n <= 151; n++ {
		if !slices.Contains(gaps, n) {
			all = append(all, n)
		}
	}
	return all
}

// subtestNames returns the names of a package's subtests that are literals: in t.Run("A-042",
// …), or the keys of a table of functions.
func subtestNames(t *testing.T, pkg string) []string {
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

// otherPackagesCases returns one test for each case of another package. It fails if that package does not run the case.
func otherPackagesCases() map[string]func(*testing.T) {
	cases := map[string]func(*testing.T){}
	for pkg, numbers := range otherPackages() {
		for _, n := range numbers {
			id := fmt.Sprintf("A-%03d", n)
			before := cases[id]
			cases[id] = func(t *testing.T) {
				if before != nil {
					before(t)
				}
				require.Contains(t, subtestNames(t, pkg), id, "go test ./pkg/%s -run Cases", pkg)
				t.Logf("go test ./pkg/%s -run 'Cases.*/%s$'", pkg, id)
			}
		}
	}
	return cases
}

// TestNoCaseIsMissing: every case of list A is a subtest of TestCases, and every subtest is a known case.
func TestNoCaseIsMissing(t *testing.T) {
	t.Parallel()
	all := cases()
	require.Len(t, listCases(), 113)
	for _, n := range listCases() {
		id := fmt.Sprintf("A-%03d", n)
		require.Contains(t, all, id)
		delete(all, id)
	}
	// P ids are rules without a case in the list; D-060 is a case of list D about providers.
	require.Subset(t, []string{"P3", "P4", "P10", "D-060"}, slices.Collect(maps.Keys(all)))
}
