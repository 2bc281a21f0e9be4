package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// function is one function or method of the code, and what it refers to.
type function struct {
	key  string // package.Function or package.Type.Method
	pkg  string
	at   string // file and line
	text string // its string literals, and those of the package-level names that it uses
	obj  *types.Func
	refs []types.Object // functions, called or handed on
	path string         // how reach came here
}

func (f *function) uses(key string) bool {
	return slices.ContainsFunc(f.refs, func(o types.Object) bool { return keyOf(o) == key })
}

// code is what the functions of the repository refer to. The other modules are not looked at, so a call that a library
// makes (a worker by the job queue, a handler by net/http) is seen where the function is handed to it, not where it is
// made.
type code struct {
	functions map[types.Object]*function
	byName    map[string][]*function // methods, for calls through an interface
}

func (c code) list() []*function {
	return slices.SortedFunc(maps.Values(c.functions),
		func(a, b *function) int { return strings.Compare(a.key+a.at, b.key+b.at) })
}

// reach lists the functions that those of from refer to, directly or through others, from included. It does not look
// past an end.
func (c code) reach(from, end func(*function) bool) (reached []*function) {
	seen := map[*function]bool{}
	var visit func(f *function, path string)
	visit = func(f *function, path string) {
		if f == nil || seen[f] {
			return
		}
		seen[f], f.path = true, strings.TrimPrefix(path+" > "+f.key, " > ")
		reached = append(reached, f)
		if end(f) {
			return
		}
		for _, ref := range f.refs {
			visit(c.functions[ref], f.path)
			if fn, ok := ref.(*types.Func); ok && fn.Signature().Recv() != nil &&
				types.IsInterface(fn.Signature().Recv().Type()) {
				for _, g := range c.byName[fn.Name()] {
					visit(g, f.path)
				}
			}
		}
	}
	for _, f := range c.list() {
		if from(f) {
			visit(f, "")
		}
	}
	return reached
}

// checker type-checks the packages of this module from their source. Every other import is an empty package: what is
// wrong for want of its contents is passed over, and the module's own functions, methods and types are resolved all the
// same.
type checker struct {
	set   *token.FileSet
	files map[string][]*ast.File // by package path
	done  map[string]*types.Package
	info  *types.Info
}

// Import implements types.Importer.
func (c *checker) Import(name string) (*types.Package, error) {
	if p := c.done[name]; p != nil {
		return p, nil
	}
	if len(c.files[name]) == 0 {
		c.done[name] = types.NewPackage(name, path.Base(name))
		c.done[name].MarkComplete()
		return c.done[name], nil
	}
	conf := types.Config{Importer: c, Error: func(error) {}}
	p, _ := conf.Check(name, c.set, c.files[name], c.info)
	c.done[name] = p
	return p, nil
}

// typeCheck reads and checks cmd and pkg without their tests.
func typeCheck(t *testing.T) *checker {
	t.Helper()
	c := &checker{set: token.NewFileSet(), files: map[string][]*ast.File{}, done: map[string]*types.Package{},
		info: &types.Info{Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{}}}
	walk(t, func(p string) {
		if strings.HasSuffix(p, "_test.go") {
			return
		}
		file, err := parser.ParseFile(c.set, filepath.Join(repoRoot, p), nil,
			parser.ParseComments|parser.SkipObjectResolution)
		require.NoError(t, err)
		c.files[module+path.Dir(p)] = append(c.files[module+path.Dir(p)], file)
	}, ".go")
	for _, name := range slices.Sorted(maps.Keys(c.files)) {
		_, err := c.Import(name)
		require.NoError(t, err)
	}
	return c
}

func readCode(t *testing.T) code {
	t.Helper()
	c := typeCheck(t)
	out := code{functions: map[types.Object]*function{}, byName: map[string][]*function{}}
	texts := c.packageTexts(t)
	for name, files := range c.files {
		for _, file := range files {
			for _, d := range file.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && fn.Body != nil {
					out.add(c.function(strings.TrimPrefix(strings.TrimPrefix(name, module), "pkg/"), fn, texts))
				}
			}
		}
	}
	require.Greater(t, len(out.functions), 1000, "the walk found the code")
	return out
}

func (c code) add(f *function) {
	if f == nil {
		return
	}
	c.functions[f.obj] = f
	if f.obj.Signature().Recv() != nil {
		c.byName[f.obj.Name()] = append(c.byName[f.obj.Name()], f)
	}
}

func (c *checker) function(pkg string, fn *ast.FuncDecl, texts map[types.Object]string) *function {
	at := c.set.Position(fn.Pos())
	f := &function{pkg: pkg, text: literals(fn.Body),
		at: strings.TrimPrefix(filepath.ToSlash(at.Filename), repoRoot+"/") + ":" + strconv.Itoa(at.Line)}
	f.obj, _ = c.info.Defs[fn.Name].(*types.Func)
	if f.obj == nil { // declared by another file, for another operating system
		return nil
	}
	f.key = keyOf(f.obj)
	ast.Inspect(fn.Body, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok {
			switch o := c.info.Uses[id].(type) {
			case *types.Func:
				f.refs = append(f.refs, o.Origin())
			case *types.Var, *types.Const:
				f.text += texts[o]
			}
		}
		return true
	})
	return f
}

// packageTexts are the texts of package-level constants and variables, embedded statements included.
func (c *checker) packageTexts(t *testing.T) map[types.Object]string {
	t.Helper()
	texts := map[types.Object]string{}
	for _, files := range c.files {
		for _, file := range files {
			dir := filepath.Dir(c.set.Position(file.Pos()).Filename)
			for _, d := range file.Decls {
				decl, ok := d.(*ast.GenDecl)
				if !ok {
					continue
				}
				for _, spec := range decl.Specs {
					if v, ok := spec.(*ast.ValueSpec); ok {
						texts[c.info.Defs[v.Names[0]]] = literals(v) + embeddedSQL(t, dir, decl.Doc)
					}
				}
			}
		}
	}
	return texts
}

func embeddedSQL(t *testing.T, dir string, doc *ast.CommentGroup) string {
	t.Helper()
	if doc == nil {
		return ""
	}
	for _, line := range doc.List {
		if name, ok := strings.CutPrefix(line.Text, "//go:embed "); ok && strings.HasSuffix(name, ".sql") &&
			!strings.Contains(name, "*") {
			text, err := os.ReadFile(filepath.Join(dir, name))
			require.NoError(t, err)
			return string(text)
		}
	}
	return ""
}

// literals joins the strings in n.
func literals(n ast.Node) (text string) {
	ast.Inspect(n, func(n ast.Node) bool {
		if l, ok := n.(*ast.BasicLit); ok {
			text += l.Value + "\n"
		}
		return true
	})
	return text
}

// keyOf is package.Name or package.Type.Method of the module's own, with the package as in arch_test.go.
func keyOf(o types.Object) string {
	if o == nil || o.Pkg() == nil {
		return ""
	}
	pkg := strings.TrimPrefix(strings.TrimPrefix(o.Pkg().Path(), module), "pkg/")
	if fn, ok := o.(*types.Func); ok && fn.Signature().Recv() != nil {
		_, receiver, _ := strings.Cut(typeName(fn.Signature().Recv().Type()), ".")
		return pkg + "." + receiver + "." + o.Name()
	}
	return pkg + "." + o.Name()
}

// typeName is package.Type of a named type or a pointer to one; "." with any other.
func typeName(t types.Type) string {
	if p, ok := t.(*types.Pointer); ok {
		t = p.Elem()
	}
	n, ok := types.Unalias(t).(*types.Named)
	if !ok || n.Obj().Pkg() == nil {
		return "."
	}
	return strings.TrimPrefix(strings.TrimPrefix(n.Obj().Pkg().Path(), module), "pkg/") + "." + n.Obj().Name()
}
