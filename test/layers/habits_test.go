package layers

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"path/filepath"
	"slices"
	"testing"
)

// maxMain keeps logic out of package main.
const maxMain = 25

// vague names say where code was put and not what it is for.
var vague = []string{"util", "utils", "common", "helper", "helpers", "types", "model", "models", "misc", "base", "core"}

// TestHabits holds what every package does, and what none does.
func TestHabits(t *testing.T) {
	documented := map[string]bool{}
	for _, file := range goFiles(t) {
		dir, name := path.Split(file)
		documented[dir] = documented[dir] || name == "doc.go" || name == "main.go"
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, filepath.Join(root, file), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains(vague, f.Name.Name) {
			t.Errorf("%s: the name %q says nothing", file, f.Name.Name)
		}
		if lines := bytes.Count([]byte(read(t, file)), []byte("\n")); name == "main.go" && lines > maxMain {
			t.Errorf("%s has %d lines, the limit is %d", file, lines, maxMain)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Recv == nil && n.Name.Name == "init" {
					t.Errorf("%s: func init: pass it down instead", fset.Position(n.Pos()))
				}
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && x.Name == "context" && n.Sel.Name == "WithValue" {
					t.Errorf("%s: context.WithValue: pass it down instead", fset.Position(n.Pos()))
				}
			}
			return true
		})
	}
	for dir, ok := range documented {
		if !ok {
			t.Errorf("%s has no doc.go", dir)
		}
	}
}
