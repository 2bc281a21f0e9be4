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

// A reader lands in a package through its doc: what it owns, what it does not, where the path goes on.
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

// An init runs in every command and every test that links the package, in an order nobody reads.
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

// Calls that reach for what the whole process shares. Loggers and streams are handed down, so that a test or a second
// server in the same process has its own; and one os.Exit means that every deferred close runs.
func TestNothingReachesForTheProcess(t *testing.T) {
	t.Parallel()
	forbidden := map[string][]string{
		"slog": {"Debug", "DebugContext", "Info", "InfoContext", "Warn", "WarnContext", "Error", "ErrorContext", "Log", "LogAttrs", "Default", "SetDefault", "With"},
		"fmt":  {"Print", "Printf", "Println"},
		"os":   {"Exit", "Stdin", "Stdout", "Stderr"},
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
	require.Equal(t, 1, exits, "os.Exit stands once, in main")
}

// A command translates: what takes more lines belongs to the domain, where serve and the jobs reach it too.
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

// sessionSetting is set_config(…, false), or SET and SET SESSION of one of our settings.
func sessionSetting() *regexp.Regexp {
	return regexp.MustCompile(`(?is)set_config\([^()]*(\([^()]*\)[^()]*)*,\s*false\s*\)|\bset\s+(session\s+)?"?request"?\.`)
}

// sessionRole is a role taken on for more than a transaction. Connections that are nobody else's may do that (migrations,
// demo), and so may the pool that stays with one role.
func sessionRole() *regexp.Regexp {
	return regexp.MustCompile(`(?i)\bset\s+(session\s+)?(role\b|(session\s+)?authorization\b)`)
}

// noSessionSettings: a setting of the session outlives its transaction and serves the pool's next borrower.
func noSessionSettings(t *testing.T) {
	for _, bad := range []string{
		"SELECT set_config('request.tenant_id', $1, false)", "select set_config('a',\n x::int::text , FALSE)", "set_config(f(a), (b), false)",
		"SET request.tenant_id = 1", "set session request.tenant_id to 1", `SET "request".tenant_id = 1`,
	} {
		require.Regexp(t, sessionSetting(), bad, "the rule sees it")
	}
	for _, good := range []string{"set_config('request.tenant_id', $1, true)", "SET LOCAL request.tenant_id = 1", "UPDATE t SET requested = 1"} {
		require.NotRegexp(t, sessionSetting(), good)
	}
	require.Regexp(t, sessionRole(), "SET SESSION AUTHORIZATION x")
	require.NotRegexp(t, sessionRole(), "SET LOCAL ROLE x")

	eachSQL(t, func(pkg, at, sql string) {
		if sessionSetting().MatchString(sql) {
			t.Errorf("%s: a setting for the whole session", at)
		}
		if sessionRole().MatchString(sql) && !slices.Contains([]string{"schema", "postgres", "migrations", "demo"}, pkg) {
			t.Errorf("%s: a role for the whole session", at)
		}
	})
}

// eachSQL calls check with every text literal and every SQL file (comments left out) that is not for tests.
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
