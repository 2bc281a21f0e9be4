package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	repoRoot = "../.."
	module   = "github.com/leadctl/leadctl/"
)

// layer is one line of the picture in docs/design.md.
type layer struct {
	about    string
	packages []string
}

// layers is the picture of the code, from the bottom: a package imports only packages of lower layers. A new package
// gets its place here.
func layers() []layer {
	return []layer{
		{"leaves", []string{"fault", "failpoint", "logging", "tenantid", "memo"}},
		{"one outside thing each", []string{"config", "secret", "pgtemp", "schema", "odoo", "sso", "devidp"}},
		{"database doors; Keycloak setup; sign-in of the CLI; writes to the CRM",
			[]string{"postgres", "keycloak", "clilogin", "odoo/crm"}},
		{"tenants, users and audit log; workspaces in Odoo", []string{"tenant", "odoo/provision"}},
		{"queued work; signed-in browsers", []string{"jobs", "websession"}},
		{"leads and register; the door of API and console", []string{"leads", "acra", "web"}},
		{"a tenant's workspace and its secret", []string{"workspace"}},
		{"first sign-in to ready workspace; new master key", []string{"onboarding", "reseal"}},
		{"API and console", []string{"httpapi", "console"}},
		{"configuration to packages, for the four above", []string{"wire"}},
		{"daemon", []string{"serve"}},
		{"checks of an installation", []string{"doctor"}},
		{"serve with throwaway surroundings", []string{"demo"}},
	}
}

// testSupport may reach any layer but the top one, and only tests, demo and benchmarks may import it.
func testSupport() []string {
	return []string{"pgtest", "logging/logtest", "odoo/odootest", "acra/acratest", "acra/acragen", "tcpproxy"}
}

// fences is which library only these packages know, so that it can be replaced, or audited, in one place.
func fences() map[string][]string {
	return map[string][]string{
		// a pool in other hands is a third door
		"github.com/jackc/pgx/v5/pgxpool":          {"postgres", "schema", "pgtest"},
		"github.com/jackc/pgx/v5/stdlib":           {"schema"},
		"github.com/golang-migrate/migrate":        {"schema"},
		"github.com/riverqueue/river/rivermigrate": {"schema"},
		"github.com/kolo/xmlrpc":                   {"odoo", "odoo/odootest"},
		"github.com/coreos/go-oidc":                {"sso"},
		"github.com/zitadel/oidc":                  {"devidp"},
		"github.com/tink-crypto":                   {"secret"},
		"github.com/fergusstrange":                 {"pgtemp"},
		"github.com/danielgtaylor/huma":            {"httpapi"},
		"github.com/alexedwards/scs":               {"console"},
		"github.com/spf13/viper":                   {"config"},
		"github.com/spf13/pflag":                   {"config", cmdPackage},
		"github.com/spf13/cobra":                   {cmdPackage},
		"github.com/charmbracelet":                 {cmdPackage},
		"github.com/schollz/progressbar":           {cmdPackage},
		"github.com/stretchr/testify":              testSupport(),
		"log":                                      {}, // log/slog, from the logger one was given
		"gopkg.in/yaml.v3":                         {}, // archived; go.yaml.in/yaml/v3
		"github.com/lib/pq":                        {},
	}
}

const cmdPackage = "cmd/leadctl"

// goFile is one parsed file of cmd, pkg or migrations.
type goFile struct {
	path string // from the repository's root
	pkg  string // "odoo/odootest" for pkg/odoo/odootest, "cmd/leadctl", "migrations"
	test bool
	set  *token.FileSet
	*ast.File
}

// at is where n stands, for messages.
func (f goFile) at(n ast.Node) string {
	return f.path + ":" + strconv.Itoa(f.set.Position(n.Pos()).Line)
}

func (f goFile) imports() []string {
	var out []string
	for _, spec := range f.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err == nil {
			out = append(out, name)
		}
	}
	return out
}

// walk calls visit for every file below the code's folders that has one of the extensions.
func walk(t *testing.T, visit func(path string), extensions ...string) {
	t.Helper()
	for _, top := range []string{"cmd", "pkg", "migrations"} {
		err := filepath.WalkDir(filepath.Join(repoRoot, top), func(p string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() && d.Name() == "testdata" {
				return fs.SkipDir
			}
			if err == nil && slices.Contains(extensions, path.Ext(p)) {
				visit(filepath.ToSlash(strings.TrimPrefix(p, repoRoot+string(filepath.Separator))))
			}
			return err
		})
		require.NoError(t, err)
	}
}

func packageOf(p string) string { return strings.TrimPrefix(path.Dir(p), "pkg/") }

func parseRepo(t *testing.T) []goFile {
	t.Helper()
	var out []goFile
	walk(t, func(p string) {
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, filepath.Join(repoRoot, p), nil,
			parser.ParseComments|parser.SkipObjectResolution)
		require.NoError(t, err)
		out = append(out, goFile{path: p, pkg: packageOf(p), test: strings.HasSuffix(p, "_test.go"), set: set,
			File: file})
	}, ".go")
	require.Greater(t, len(out), 20, "the walk found the repository")
	return out
}

func TestImportsPointDown(t *testing.T) {
	t.Parallel()
	height := map[string]int{"migrations": 0, cmdPackage: len(layers())}
	for i, layer := range layers() {
		for _, p := range layer.packages {
			height[p] = i
		}
	}
	for _, p := range testSupport() {
		height[p] = len(layers()) - 1
	}
	for _, f := range parseRepo(t) {
		own, placed := height[f.pkg]
		if !placed {
			t.Errorf("%s: package %s has no place in layers", f.path, f.pkg)
			continue
		}
		for _, name := range f.imports() {
			inside, ok := strings.CutPrefix(name, module)
			if !ok || f.test {
				continue
			}
			inside = strings.TrimPrefix(inside, "pkg/")
			if slices.Contains(testSupport(), inside) {
				if f.pkg != "demo" && !slices.Contains(testSupport(), f.pkg) {
					t.Errorf("%s imports %s, which is for tests", f.path, inside)
				}
				continue
			}
			if inside != "migrations" && height[inside] >= own {
				t.Errorf("%s imports %s, which does not lie below %s", f.path, inside, f.pkg)
			}
		}
	}
}

func TestLibrariesStayBehindTheirFence(t *testing.T) {
	t.Parallel()
	for _, f := range parseRepo(t) {
		for _, name := range f.imports() {
			for library, allowed := range fences() {
				within := name == library || strings.HasPrefix(name, library+"/") && library != "log"
				if within && !f.test && !slices.Contains(allowed, f.pkg) {
					t.Errorf("%s imports %s; only %v may", f.path, name, allowed)
				}
			}
		}
	}
}
