package layers

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"testing"
)

// What we aim at is reported; what is past the limit fails.
const (
	aimFile, maxFile         = 400, 600
	aimFunction, maxFunction = 60, 150
)

// oversized lists what may be past the limit: the file, or file and function,
// with the reason why it is better in one piece.
var oversized = map[string]string{}

func TestSizes(t *testing.T) {
	seen := map[string]bool{}
	check := func(name string, lines, aim, limit int) {
		switch {
		case lines > limit && oversized[name] == "":
			t.Errorf("%s has %d lines, the limit is %d", name, lines, limit)
		case lines > limit:
			seen[name] = true
		case lines > aim:
			t.Logf("%s has %d lines, we aim at %d", name, lines, aim)
		}
	}
	for _, file := range goFiles(t) {
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, filepath.Join(root, file), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		check(file, bytes.Count([]byte(read(t, file)), []byte("\n")), aimFile, maxFile)
		for _, decl := range f.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok {
				lines := fset.Position(fn.End()).Line - fset.Position(fn.Pos()).Line + 1
				check(file+" "+fn.Name.Name, lines, aimFunction, maxFunction)
			}
		}
	}
	for name := range oversized {
		if !seen[name] {
			t.Errorf("oversized lists %s, which is no longer past the limit", name)
		}
	}
}
