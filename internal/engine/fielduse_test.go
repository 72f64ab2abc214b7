package engine

import (
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// TestEachRunFieldIsRead: a field that is said to be run is read by the code: by its
// getter, by the type that stands for it in a oneof, or as a field of the struct.
func TestEachRunFieldIsRead(t *testing.T) {
	used := uses(t, "engine", "upstream", "format", "xds")
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		d := messageAt(name)
		mt, err := protoregistry.GlobalTypes.FindMessageByName(d.FullName())
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range slices.Sorted(maps.Keys(rules[name])) {
			if !rules[name][f] {
				continue
			}
			if !slices.ContainsFunc(goNames(mt, d.Fields().ByName(f)), func(n string) bool { return used[n] }) {
				t.Errorf("%s.%s is said to be run, and nothing reads it", name, f)
			}
		}
	}
}

// goNames are what code that reads a field can call it.
func goNames(mt protoreflect.MessageType, fd protoreflect.FieldDescriptor) []string {
	m := mt.New()
	setSomething(m, fd)
	v := reflect.ValueOf(m.Interface()).Elem()
	typ := v.Type()
	for i := range typ.NumField() {
		f := typ.Field(i)
		if tagged(f, fd) {
			return []string{typ.PkgPath() + "." + typ.Name() + ".Get" + f.Name, typ.PkgPath() + "." + typ.Name() + "." + f.Name, "Get" + f.Name}
		}
		if o := fd.ContainingOneof(); o == nil || f.Tag.Get("protobuf_oneof") != string(o.Name()) {
			continue
		}
		wrapper := v.Field(i).Elem().Type().Elem()
		return []string{typ.PkgPath() + "." + typ.Name() + ".Get" + wrapper.Field(0).Name, wrapper.PkgPath() + "." + wrapper.Name()}
	}
	return nil
}

func tagged(f reflect.StructField, fd protoreflect.FieldDescriptor) bool {
	return slices.Contains(strings.Split(f.Tag.Get("protobuf"), ","), "name="+string(fd.Name()))
}

// uses are the methods, fields and types that the packages name; of methods of our
// own interfaces the name alone.
func uses(t *testing.T, names ...string) map[string]bool {
	t.Helper()
	const module = "github.com/crossgate/crossgate/internal/"
	args := []string{"list", "-export", "-deps", "-f", "{{.ImportPath}}\t{{.Export}}\t{{.Dir}}\t{{join .GoFiles \" \"}}"}
	for _, n := range names {
		args = append(args, module+n)
	}
	list, err := exec.Command("go", args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	exports, files := map[string]string{}, map[string][]string{}
	for line := range strings.Lines(string(list)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		exports[f[0]] = f[1]
		for _, name := range strings.Fields(f[3]) {
			files[f[0]] = append(files[f[0]], filepath.Join(f[2], name))
		}
	}
	fset := token.NewFileSet()
	config := types.Config{Importer: importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })}
	out := map[string]bool{}
	for _, n := range names {
		info := &types.Info{Uses: map[*ast.Ident]types.Object{}, Selections: map[*ast.SelectorExpr]*types.Selection{}}
		var parsed []*ast.File
		for _, name := range files[module+n] {
			f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			parsed = append(parsed, f)
		}
		if _, err := config.Check(module+n, fset, parsed, info); err != nil {
			t.Fatal(err)
		}
		for id, obj := range info.Uses {
			note(out, id, obj, module)
		}
		for sel, s := range info.Selections {
			if s.Kind() == types.FieldVal {
				out[typeName(s.Recv())+"."+sel.Sel.Name] = true
			}
		}
	}
	return out
}

func note(out map[string]bool, id *ast.Ident, obj types.Object, module string) {
	switch obj := obj.(type) {
	case *types.TypeName:
		if obj.Pkg() != nil {
			out[obj.Pkg().Path()+"."+obj.Name()] = true
		}
	case *types.Func:
		recv := obj.Signature().Recv()
		switch {
		case recv == nil:
		case types.IsInterface(recv.Type()) && obj.Pkg() != nil && strings.HasPrefix(obj.Pkg().Path(), module):
			out[id.Name] = true
		default:
			out[typeName(recv.Type())+"."+id.Name] = true
		}
	}
}

func typeName(t types.Type) string {
	if p, ok := t.(*types.Pointer); ok {
		t = p.Elem()
	}
	n, ok := t.(*types.Named)
	if !ok || n.Obj().Pkg() == nil {
		return ""
	}
	return n.Obj().Pkg().Path() + "." + n.Obj().Name()
}
