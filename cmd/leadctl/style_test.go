package main

import (
	"go/ast"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEveryPackageHasADoc checks for a package doc. It says what the package owns, what it does not, and where to read
// on.
func TestEveryPackageHasADoc(t *testing.T) {
	t.Parallel()
	documented := map[string]bool{}
	for _, f := range parseRepo(t) {
		if !f.test {
			ok := f.Doc != nil && regexp.MustCompile(`^(Package|Command) `+f.wanted()+`\b`).MatchString(f.Doc.Text())
			documented[f.pkg] = documented[f.pkg] || ok
		}
	}
	for pkg, ok := range documented {
		require.True(t, ok, "package %s has no doc comment that begins with its name", pkg)
	}
}

func (f goFile) wanted() string {
	if f.pkg == cmdPackage {
		return "leadctl"
	}
	return f.Name.Name
}

// TestNoInit forbids init functions. They run in each command and test that links the package, in an order that is hard
// to know.
func TestNoInit(t *testing.T) {
	t.Parallel()
	for _, f := range parseRepo(t) {
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s: init", f.at(fn))
			}
		}
	}
}

// TestNothingReachesForTheProcess forbids calls that use state of the whole process. Loggers and streams are
// parameters, so that a test or a second server in the process has its own. One os.Exit means that every deferred close
// runs.
func TestNothingReachesForTheProcess(t *testing.T) {
	t.Parallel()
	forbidden := map[string][]string{
		"slog": {"Debug", "DebugContext", "Info", "InfoContext", "Warn", "WarnContext", "Error", "ErrorContext",
			"Log", "LogAttrs", "Default", "SetDefault", "With"},
		"fmt": {"Print", "Printf", "Println"},
		"os":  {"Exit", "Stdin", "Stdout", "Stderr"},
	}
	exits := 0
	for _, f := range parseRepo(t) {
		if f.test {
			continue
		}
		ast.Inspect(f.File, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			pkg, ok := sel.X.(*ast.Ident)
			if !ok || !slices.Contains(forbidden[pkg.Name], sel.Sel.Name) {
				return true
			}
			if f.path == cmdPackage+"/main.go" && pkg.Name == "os" {
				exits += map[bool]int{true: 1}[sel.Sel.Name == "Exit"]
				return true
			}
			t.Errorf("%s: %s.%s", f.at(sel), pkg.Name, sel.Sel.Name)
			return true
		})
	}
	require.Equal(t, 1, exits, "os.Exit is called once, in main")
}

// TestRunETranslatesInTenLines keeps commands short. More lines are logic, which belongs to a domain package, where
// serve and the jobs can use it too.
func TestRunETranslatesInTenLines(t *testing.T) {
	t.Parallel()
	for _, f := range parseRepo(t) {
		if f.pkg != cmdPackage || f.test {
			continue
		}
		ast.Inspect(f.File, func(n ast.Node) bool {
			field, ok := n.(*ast.KeyValueExpr)
			if !ok {
				return true
			}
			name, isName := field.Key.(*ast.Ident)
			fn, isFunc := field.Value.(*ast.FuncLit)
			if isName && isFunc && name.Name == "RunE" {
				if lines := f.line(fn.Body.Rbrace) - f.line(fn.Body.Lbrace) - 1; lines > 10 {
					t.Errorf("%s: RunE of %d lines", f.at(fn), lines)
				}
			}
			return true
		})
	}
}

func (f goFile) line(p token.Pos) int { return f.set.Position(p).Line }

// sessionSetting matches set_config(…, false), and SET or SET SESSION of a setting of leadctl.
func sessionSetting() *regexp.Regexp {
	return regexp.MustCompile(`(?is)set_config\([^()]*(\([^()]*\)[^()]*)*,\s*false\s*\)` +
		`|\bset\s+(session\s+)?"?request"?\.`)
}

// sessionRole matches a SET ROLE for more than a transaction. It is allowed on connections that are not shared
// (migrations, demo), and in a pool whose connections all keep one role.
func sessionRole() *regexp.Regexp {
	return regexp.MustCompile(`(?i)\bset\s+(session\s+)?(role\b|(session\s+)?authorization\b)`)
}

// noSessionSettings forbids settings of the session. They outlive the transaction, and the next user of the pool's
// connection would have them.
func noSessionSettings(t *testing.T) {
	for _, bad := range []string{
		"SELECT set_config('request.tenant_id', $1, false)", "select set_config('a',\n x::int::text , FALSE)",
		"set_config(f(a), (b), false)", "SET request.tenant_id = 1", "set session request.tenant_id to 1",
		`SET "request".tenant_id = 1`,
	} {
		require.Regexp(t, sessionSetting(), bad, "the rule must match it")
	}
	for _, good := range []string{
		"set_config('request.tenant_id', $1, true)", "SET LOCAL request.tenant_id = 1", "UPDATE t SET requested = 1",
	} {
		require.NotRegexp(t, sessionSetting(), good)
	}
	require.Regexp(t, sessionRole(), "SET SESSION AUTHORIZATION x")
	require.NotRegexp(t, sessionRole(), "SET LOCAL ROLE x")

	eachSQL(t, func(pkg, at, sql string) {
		if sessionSetting().MatchString(sql) {
			t.Errorf("%s: a setting for the whole session", at)
		}
		mayKeepRole := slices.Contains([]string{"schema", "postgres", "migrations", "demo"}, pkg)
		if sessionRole().MatchString(sql) && !mayKeepRole {
			t.Errorf("%s: a role for the whole session", at)
		}
	})
}

// eachSQL calls check with each string literal and each SQL file without its comments, except those of tests.
func eachSQL(t *testing.T, check func(pkg, at, sql string)) {
	for _, f := range parseRepo(t) {
		if f.test || slices.Contains(testSupport(), f.pkg) {
			continue
		}
		ast.Inspect(f.File, func(n ast.Node) bool {
			if text, ok := n.(*ast.BasicLit); ok && text.Kind == token.STRING {
				check(f.pkg, f.at(text), text.Value)
			}
			return true
		})
	}
	comment := regexp.MustCompile(`--[^\n]*`)
	walk(t, func(p string) {
		sql, err := os.ReadFile(filepath.Join(repoRoot, p))
		require.NoError(t, err)
		check(packageOf(p), p, comment.ReplaceAllString(string(sql), ""))
	}, ".sql")
}
