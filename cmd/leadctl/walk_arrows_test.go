package main

import (
	"go/ast"
	"go/token"
	"go/types"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// program is the repository's functions by the place that a walk names them by.
type program struct {
	byPlace map[place]*station
	files   []*ast.File
	info    *types.Info
}

// place names a function: its file from the repository's root, and Name or Type.Name.
type place struct{ file, name string }

// station is a function that a walk may come to.
type station struct {
	place
	object *types.Func
	syntax ast.Node
	info   *types.Info
}

func readProgram(t *testing.T) *program {
	t.Helper()
	c := typeCheck(t)
	p := &program{byPlace: map[place]*station{}, info: c.info}
	for _, files := range c.files {
		for _, file := range files {
			p.files = append(p.files, file)
			path := strings.TrimPrefix(filepath.ToSlash(c.set.Position(file.Pos()).Filename), repoRoot+"/")
			for _, d := range file.Decls {
				fn, ok := d.(*ast.FuncDecl)
				if !ok {
					continue
				}
				if object, ok := c.info.Defs[fn.Name].(*types.Func); ok { // not declared by a file for another system
					at := place{path, qualifiedName(object)}
					p.byPlace[at] = &station{at, object, fn, c.info}
				}
			}
		}
	}
	return p
}

// qualifiedName is Name for a function and Type.Name for a method.
func qualifiedName(fn *types.Func) string {
	if fn.Signature().Recv() == nil {
		return fn.Name()
	}
	_, name, _ := strings.Cut(typeName(fn.Signature().Recv().Type()), ".")
	return name + "." + fn.Name()
}

// calls reports whether f calls target directly.
func (f *station) calls(target *station) bool {
	return f.anyCall(func(callee types.Object) bool { return callee == target.object })
}

// anyCall reports whether test holds for the function, method or field of one of the calls in f.
func (f *station) anyCall(test func(types.Object) bool) (found bool) {
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			callee := f.info.Uses[calledName(call.Fun)]
			if fn, ok := callee.(*types.Func); ok {
				callee = fn.Origin()
			}
			found = found || callee != nil && test(callee)
		}
		return !found
	})
	return found
}

// calledName is the identifier that an expression names a function or type by, nil without one.
func calledName(e ast.Expr) *ast.Ident {
	switch e := ast.Unparen(e).(type) {
	case *ast.Ident:
		return e
	case *ast.SelectorExpr:
		return e.Sel
	case *ast.IndexExpr:
		return calledName(e.X)
	case *ast.IndexListExpr:
		return calledName(e.X)
	}
	return nil
}

// hands reports whether f names target without calling it: in a row of a table, or as an argument.
func (f *station) hands(target *station) (found bool) {
	called := map[*ast.Ident]bool{}
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			called[calledName(n.Fun)] = true
		case *ast.Ident:
			found = found || f.info.Uses[n] == target.object && !called[n]
		}
		return !found
	})
	return found
}

// callsInterface reports whether f calls a method of an interface that target implements for its type.
func (f *station) callsInterface(target *station) bool {
	recv := target.object.Signature().Recv()
	if recv == nil {
		return false
	}
	return f.anyCall(func(callee types.Object) bool {
		method, ok := callee.(*types.Func)
		if !ok || method.Name() != target.object.Name() || method.Signature().Recv() == nil {
			return false
		}
		of, ok := method.Signature().Recv().Type().Underlying().(*types.Interface)
		return ok && types.Implements(recv.Type(), of)
	})
}

// callsField reports whether f calls a field that some file sets to target, or to what target returns.
func (p *program) callsField(f, target *station) bool {
	return f.anyCall(func(callee types.Object) bool {
		field, ok := callee.(*types.Var)
		return ok && field.IsField() && p.setsField(field, target)
	})
}

func (p *program) setsField(field *types.Var, target *station) (found bool) {
	for _, file := range p.files {
		ast.Inspect(file, func(n ast.Node) bool {
			pair, ok := n.(*ast.KeyValueExpr)
			if ok && p.info.Uses[calledName(pair.Key)] == field {
				value := station{syntax: pair.Value, info: p.info}
				found = found || value.hands(target) || value.calls(target)
			}
			return !found
		})
	}
	return found
}

// enqueues reports whether f makes the arguments of the job that target works: target is Work of their worker.
func (f *station) enqueues(target *station) (found bool) {
	decl, ok := target.syntax.(*ast.FuncDecl)
	if !ok || decl.Name.Name != "Work" || len(decl.Type.Params.List) != 2 {
		return false
	}
	job, ok := decl.Type.Params.List[1].Type.(*ast.StarExpr) // *river.Job[Args]
	if !ok {
		return false
	}
	of, ok := job.X.(*ast.IndexExpr)
	if !ok {
		return false
	}
	// river is not checked, so info has no use of it
	args := target.object.Pkg().Scope().Lookup(calledName(of.Index).Name)
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		made, ok := n.(*ast.CompositeLit)
		found = found || ok && made.Type != nil && args != nil && f.info.Uses[calledName(made.Type)] == args
		return !found
	})
	return found
}

// mentions reports whether a text literal of f is the text.
func (f *station) mentions(text string) (found bool) {
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		literal, ok := n.(*ast.BasicLit)
		found = found || ok && literal.Kind == token.STRING && literal.Value == strconv.Quote(text)
		return !found
	})
	return found
}
