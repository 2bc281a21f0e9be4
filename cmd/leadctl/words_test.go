package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// maxOneWord is the largest share of functions and methods with an unexported one-word name: run, apply, load. A name
// of verb and object can be found with grep; a single word cannot.
const maxOneWord = 0.15

// isOneWord reports whether name is unexported and holds no second word. main has to have its name.
func isOneWord(name string) bool {
	return name != "main" && !ast.IsExported(name) && !regexp.MustCompile(`[a-z0-9][A-Z]`).MatchString(name)
}

// functionNames returns the names of the functions and methods that file declares.
func functionNames(file *ast.File) (names []string) {
	for _, d := range file.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok {
			names = append(names, fn.Name.Name)
		}
	}
	return names
}

// tooManyOneWord reports whether a package's functions break maxOneWord, and lists the one-word names. A small package
// may have two of them.
func tooManyOneWord(functions []string) (oneWord []string, tooMany bool) {
	for _, name := range functions {
		if isOneWord(name) {
			oneWord = append(oneWord, name)
		}
	}
	return oneWord, len(oneWord) > 2 && float64(len(oneWord)) > maxOneWord*float64(len(functions))
}

func TestFewOneWordNames(t *testing.T) {
	t.Parallel()
	_, tooMany := tooManyOneWord([]string{"run", "meet", "settle", "Score", "readRow", "main"})
	require.True(t, tooMany, "three of six")
	_, tooMany = tooManyOneWord([]string{"close", "run", "readRow"})
	require.False(t, tooMany, "a small package may have two")
	oneWord, _ := tooManyOneWord([]string{"readRow", "b64", "run", "x509Pool", "Run"})
	require.Equal(t, []string{"b64", "run"}, oneWord)

	functions := map[string][]string{}
	eachText(t, func(p, text string) {
		if path.Ext(p) == ".go" && !strings.HasSuffix(p, "_test.go") {
			file, err := parser.ParseFile(token.NewFileSet(), p, text, parser.SkipObjectResolution)
			require.NoError(t, err)
			functions[path.Dir(p)] = append(functions[path.Dir(p)], functionNames(file)...)
		}
	})
	for dir, names := range functions {
		if oneWord, tooMany := tooManyOneWord(names); tooMany {
			t.Errorf("%s: %d of %d functions have a one-word name; at most %.0f %% may: %s", dir,
				len(oneWord), len(names), 100*maxOneWord, strings.Join(oneWord, " "))
		}
	}
}

// idiom matches words that plain technical English does without: old or legal words, and words that hide who acts. Say
// which user, session or process it is; write "must", "no other session", "again", "distinguished".
var idiom = regexp.MustCompile(`(?i)\b(shall|who(m)?ever|nobody|somebody|anew|of (ours|theirs)|came of` +
	`|(told|tell|tells) apart|thereby|thrice|in whatever|as it stands|such as is|whatsoever|hitherto|there(in|of)` +
	`|where(by|in)|lest|n[ao]ught|aught|ere|hence)\b`)

// idiomsAllowed lists what idiom matches and is right in its place: a path's beginning, the word, the reason.
func idiomsAllowed() [][3]string {
	return [][3]string{
		{"cmd/leadctl/words_test.go", "", "the rule itself and what it is tried on"},
		{"pkg/pgtemp/", "nobody", "the Unix user"},
		{"scripts/live.d/", "nobody", "the Unix user"},
	}
}

// idiomsIn lists the idioms in text, which stands in the file p.
func idiomsIn(p, text string) (found []string) {
	for _, word := range idiom.FindAllString(text, -1) {
		if !slices.ContainsFunc(idiomsAllowed(), func(a [3]string) bool {
			return strings.HasPrefix(p, a[0]) && (a[1] == "" || strings.EqualFold(a[1], word))
		}) {
			found = append(found, word)
		}
	}
	return found
}

func TestNoIdioms(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{
		"A token shall be fresh", "Whoever asks", "// nobody else", "somebody's transaction", "sealed anew",
		"statements of ours",
		"the text as it stands", "two errors told apart", "it is closed, thereby the lock", "\"tried thrice\"",
		"Hence NULL",
	} {
		require.Len(t, idiomsIn("pkg/x/x.go", bad), 1, bad)
	}
	for _, good := range []string{"shallow", "everybody", "here", "whatever it returns", "run as the user nobody"} {
		require.Empty(t, idiomsIn("pkg/pgtemp/x.go", good), good)
	}
	eachText(t, func(p, text string) {
		if path.Ext(p) != ".go" {
			for i, line := range strings.Split(text, "\n") {
				for _, word := range idiomsIn(p, line) {
					t.Errorf("%s:%d: %q: say it in plain English", p, i+1, word)
				}
			}
			return
		}
		eachComment(t, p, text, func(line int, text string) {
			for _, word := range idiomsIn(p, text) {
				t.Errorf("%s:%d: %q: say it in plain English", p, line, word)
			}
		})
	})
}

// eachComment calls visit with each line of the comments and of the string literals in the Go file p.
func eachComment(t *testing.T, p, source string, visit func(line int, text string)) {
	t.Helper()
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, p, source, parser.ParseComments|parser.SkipObjectResolution)
	require.NoError(t, err)
	visitLines := func(pos token.Pos, text string) {
		for i, line := range strings.Split(text, "\n") {
			visit(set.Position(pos).Line+i, line)
		}
	}
	for _, group := range file.Comments {
		for _, c := range group.List {
			visitLines(c.Pos(), c.Text)
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if text, ok := n.(*ast.BasicLit); ok && text.Kind == token.STRING {
			visitLines(text.Pos(), text.Value)
		}
		return true
	})
}

// maxLine returns how many columns a line of the file p may have, 0 for a kind of file without a limit.
func maxLine(p string) int {
	switch {
	case p == "docs/schema.sql": // PostgreSQL prints the definitions
		return 0
	case path.Ext(p) == ".md":
		return 160
	case slices.Contains([]string{".go", ".sql", ".sh"}, path.Ext(p)), strings.HasPrefix(p,
		"scripts/") && path.Ext(p) == "":
		return 120
	}
	return 0
}

// columns returns the width of a line, with tabs as four columns. A row of a Markdown table cannot be wrapped, so the
// targets of its links do not count. A line of code with a URL counts as 0: a struct tag or a string with a URL would
// be harder to read in pieces.
func columns(p, line string) int {
	if path.Ext(p) != ".md" && strings.Contains(line, "://") {
		return 0
	}
	if path.Ext(p) == ".md" && strings.HasPrefix(line, "|") {
		line = regexp.MustCompile(`\]\([^)]*\)`).ReplaceAllString(line, "]")
	}
	return utf8.RuneCountInString(strings.ReplaceAll(line, "\t", "    "))
}

func TestNoLongLines(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 117)
	require.Equal(t, 121, columns("x.go", "\t"+long), "a tab is four columns")
	require.Equal(t, 120, columns("x.go", "…––"+long), "columns, not bytes")
	require.Equal(t, 7, columns("x.md", "| [a] |"))
	require.Equal(t, 7, columns("x.md", "| [a](https://example.com) |"))
	require.Equal(t, 24, columns("x.md", "[a](https://example.com)"))
	require.Equal(t, 0, columns("x.go", "`default:\"https://example.com\"`"))
	for p, want := range map[string]int{"pkg/x/x_test.go": 120, "scripts/check": 120, "x.sql": 120, "README.md": 160,
		"x.csv": 0} {
		require.Equal(t, want, maxLine(p), p)
	}

	eachText(t, func(p, text string) {
		limit := maxLine(p)
		for i, line := range strings.Split(text, "\n") {
			if have := columns(p, line); limit > 0 && have > limit {
				t.Errorf("%s:%d: %d columns, at most %d", p, i+1, have, limit)
			}
		}
	})
}

// isForeign reports whether the file p was written by others, or is frozen: the database keeps a checksum of each
// migration that it has run, comments included.
func isForeign(p string) bool {
	released := strings.HasPrefix(p, "migrations/") && strings.HasSuffix(p, ".up.sql")
	other := strings.HasPrefix(path.Base(p), "LICENSE") || strings.HasPrefix(p,
		"pkg/httpapi/swaggerui/") || path.Base(p) == "htmx.min.js"
	return released || other
}

// eachText calls visit with every text file of the repository that its people write.
func eachText(t *testing.T, visit func(p, text string)) {
	t.Helper()
	kinds := strings.Fields(".go .md .sql .sh .html .css .js .yaml .txtar .golden .service .env")
	seen := 0
	err := filepath.WalkDir(repoRoot, func(full string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		p := filepath.ToSlash(strings.TrimPrefix(full, repoRoot+string(filepath.Separator)))
		if d.IsDir() && slices.Contains([]string{".git", "bin", "dist", "fuzz"}, d.Name()) {
			return fs.SkipDir
		}
		script := path.Ext(p) == "" && (strings.HasPrefix(p, "scripts/") || strings.HasPrefix(p, ".ci/"))
		if d.IsDir() || isForeign(p) || !script && !slices.Contains(kinds, path.Ext(p)) {
			return nil
		}
		seen++
		text, err := os.ReadFile(full)
		visit(p, string(text))
		return err
	})
	require.NoError(t, err)
	require.Greater(t, seen, 400, "the walk found the repository")
}
