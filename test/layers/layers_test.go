package layers

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/crossgate/crossgate/"

// layers is the order of the folders of internal/, the lowest first. A package
// imports only from lines above its own; packages of one line do not know each
// other. A sub-folder belongs to its folder. This list is the design: when it is
// in the way of a change, the change is in the wrong place, so move the code and
// not the line.
var layers = []string{
	"diag header",
	"origin format stats",
	"cors fetch http1 http2",
	"resource xds",
	"envoyfilter",
	"source check translate harden upstream ads devkit",
	"engine",
	"pipeline",
	"advise proxyconfig",
	"console",
	"cli",
	"cmd",
}

// forbidden lists imports that the layers would allow and the design does not.
var forbidden = []struct {
	in     []string // folders
	except []string // folders inside them
	imp    string   // the import path or a prefix of it up to a slash
	why    string
}{
	{
		in: []string{"engine", "upstream", "http1", "http2"}, imp: module + "internal/resource",
		why: "the data plane knows no Istio",
	},
	{
		in: []string{"engine", "upstream", "http1", "http2"}, imp: module + "internal/translate",
		why: "the data plane knows no Istio",
	},
	{
		in: []string{"engine", "upstream"}, imp: "istio.io",
		why: "the data plane knows no Istio",
	},
	{
		in: []string{"header", "format", "http1", "http2", "upstream", "engine", "cors"}, imp: "net/http",
		why: "the data plane has codecs of its own: net/http cannot answer as Envoy does",
	},
	{
		in: []string{"."}, except: []string{"source/kube"}, imp: "k8s.io/client-go",
		why: "one package talks to Kubernetes",
	},
	{
		in: []string{"."}, except: []string{"cli"}, imp: "github.com/spf13/cobra",
		why: "flags and printing live in cli",
	},
	{
		in: []string{"."}, imp: module + "test",
		why: "test/ holds no production code",
	},
}

const root = "../.."

func TestEveryFolderHasAPlace(t *testing.T) {
	for _, dir := range folders(t) {
		if level(dir) < 0 {
			t.Errorf("internal/%s has no place in the list of layers: add it to test/layers and to ARCHITECTURE.md", dir)
		}
	}
}

func TestImports(t *testing.T) {
	for file, imports := range sources(t) {
		from := folder(file)
		for _, imp := range imports {
			if msg := violation(from, imp); msg != "" {
				t.Errorf("%s imports %s: %s", file, imp, msg)
			}
		}
	}
}

// TestViolation shows that the rules can fail.
func TestViolation(t *testing.T) {
	for _, tt := range []struct {
		from, imp string
		ok        bool
	}{
		{"engine", module + "internal/xds", true},
		{"engine", module + "internal/resource", false},
		{"engine", module + "internal/pipeline", false},
		{"engine", "net/http", false},
		{"engine", "net/http/httptest", false},
		{"engine/filters", module + "internal/translate", false},
		{"engine/filters", module + "internal/engine/match", true},
		{"check", module + "internal/translate", false},
		{"console", "net/http", true},
		{"diag", module + "internal/header", false},
		{"pipeline", "k8s.io/client-go/rest", false},
		{"source/kube", "k8s.io/client-go/rest", true},
		{"translate", "k8s.io/api/core/v1", true},
		{"cmd", module + "internal/cli", true},
		{"cli", module + "test/square", false},
		{"nowhere", module + "internal/diag", true}, // TestEveryFolderHasAPlace speaks of it
	} {
		if msg := violation(tt.from, tt.imp); (msg == "") != tt.ok {
			t.Errorf("violation(%q, %q) = %q, want ok=%v", tt.from, tt.imp, msg, tt.ok)
		}
	}
}

func TestArchitectureShowsTheLayers(t *testing.T) {
	text := read(t, "ARCHITECTURE.md")
	_, block, ok := strings.Cut(text, "```layers\n")
	if !ok {
		t.Fatal("ARCHITECTURE.md has no block ```layers")
	}
	block, _, _ = strings.Cut(block, "```")
	if got := strings.Split(strings.TrimSpace(block), "\n"); !slices.Equal(got, layers) {
		t.Errorf("ARCHITECTURE.md shows other layers than this test:\n%s\nwant\n%s",
			strings.Join(got, "\n"), strings.Join(layers, "\n"))
	}
	for _, dir := range folders(t) {
		if !strings.Contains(text, "\n| `"+dir+"` |") {
			t.Errorf("ARCHITECTURE.md has no row for `%s` in its table of packages", dir)
		}
	}
}

// violation says why code in the folder from must not import imp; "" means that
// it may.
func violation(from, imp string) string {
	for _, f := range forbidden {
		if under(from, f.in) && !under(from, f.except) && (imp == f.imp || strings.HasPrefix(imp, f.imp+"/")) {
			return f.why
		}
	}
	rest, ok := strings.CutPrefix(imp, module+"internal/")
	if !ok {
		return ""
	}
	a, b := top(from), top(rest)
	if a == b || level(a) < 0 || level(b) < level(a) {
		return ""
	}
	return "not from a line above (see the list of layers in ARCHITECTURE.md)"
}

func under(folder string, dirs []string) bool {
	return slices.ContainsFunc(dirs, func(dir string) bool {
		return dir == "." || folder == dir || strings.HasPrefix(folder, dir+"/")
	})
}

func top(folder string) string { first, _, _ := strings.Cut(folder, "/"); return first }

// level is the line of a folder in the list, or -1.
func level(folder string) int {
	return slices.IndexFunc(layers, func(line string) bool {
		return slices.Contains(strings.Fields(line), top(folder))
	})
}

// folder names the place of a file as the list does: internal/http1/x.go is in
// http1, cmd/crossgate/main.go in cmd.
func folder(file string) string {
	dir := path.Dir(file)
	if rest, ok := strings.CutPrefix(dir, "internal/"); ok {
		return rest
	}
	return top(dir)
}

// folders returns the folders of internal/ that hold Go files.
func folders(t *testing.T) []string {
	t.Helper()
	var out []string
	for file := range sources(t) {
		if strings.HasPrefix(file, "internal/") {
			out = append(out, top(folder(file)))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// sources returns the imports of every production file of internal/ and cmd/.
func sources(t *testing.T) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for _, file := range goFiles(t) {
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, file), nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		out[file] = nil
		for _, spec := range f.Imports {
			imp, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			out[file] = append(out[file], imp)
		}
	}
	return out
}

// goFiles returns the production files of internal/ and cmd/, with slashes.
func goFiles(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, dir := range []string{"internal", "cmd"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(p string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && d.Name() == "testdata":
				return filepath.SkipDir
			case d.IsDir() || !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go"):
				return nil
			}
			rel, err := filepath.Rel(root, p)
			out = append(out, filepath.ToSlash(rel))
			return err
		})
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	return out
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
