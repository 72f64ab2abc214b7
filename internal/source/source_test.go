package source

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/crossgate/crossgate/internal/resource"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func service(name string) string {
	return "---\napiVersion: v1\nkind: Service\nmetadata: {name: " + name + "}\n"
}

// tree writes files below a new directory and returns it.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		write(t, filepath.Join(dir, name), text)
	}
	return dir
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// names renders the objects of an update in order, a broken file as "!name".
func names(u *Update) string {
	var out []string
	for _, f := range u.Files {
		for _, r := range f.Resources {
			out = append(out, r.Name)
		}
		if f.Broken {
			out = append(out, "!"+filepath.Base(f.Path))
		}
	}
	return strings.Join(out, " ")
}

func TestLoadDirectory(t *testing.T) {
	dir := tree(t, map[string]string{
		"b.yaml":            service("b1") + service("b2"),
		"a.yml":             service("a"),
		"c/d.json":          `{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "d"}}`,
		"C.YAML":            service("upper"),
		"notes.txt":         service("no"),
		"values.tpl":        service("no"),
		".hidden.yaml":      service("no"),
		".git/config.yaml":  service("no"),
		"c/.swp/x.yaml":     service("no"),
		"bad.yaml":          "a: [",
		"empty.yaml":        "",
		"comments/all.yaml": "# nothing\n",
	})
	u := Load([]string{dir}, nil, resource.ParseOptions{})
	if got, want := names(u), "upper a b1 b2 !bad.yaml d"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if l := u.Diagnostics(); len(l) != 1 || l[0].Pos.File != filepath.Join(dir, "bad.yaml") || l[0].Pos.Line != 1 {
		t.Errorf("%v", l)
	}
	if len(u.Resources()) != 5 {
		t.Errorf("%d objects", len(u.Resources()))
	}
}

func TestLoadPaths(t *testing.T) {
	dir := tree(t, map[string]string{"x.txt": service("x"), "d/a.yaml": service("a"), "d/b.yaml": service("b")})
	x, d := filepath.Join(dir, "x.txt"), filepath.Join(dir, "d")
	missing := filepath.Join(dir, "missing.yaml")
	u := Load([]string{missing, "-", filepath.Join(d, "b.yaml"), d, x, x, "-"}, strings.NewReader(service("stdin")), resource.ParseOptions{DefaultNamespace: "shop"})
	// Each file once, where it is named first; any name that is given is read.
	if got, want := names(u), "stdin b a x"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if len(u.Diags) != 1 || u.Diags[0].Pos.File != missing || u.Diags[0].Code != CodeUnreadable || !strings.Contains(u.Diags[0].Message, "no such file") {
		t.Errorf("%v", u.Diags)
	}
	if ns := u.Files[0].Resources[0].Namespace; ns != "shop" {
		t.Errorf("namespace %q", ns)
	}
	if p := u.Files[0].Resources[0].Pos.String(); p != "<stdin>:2:1" {
		t.Errorf("position %s", p)
	}
}

func TestLoadFailingStdin(t *testing.T) {
	r, w := io.Pipe()
	w.CloseWithError(errors.New("the pipe broke"))
	u := Load([]string{"-"}, r, resource.ParseOptions{})
	if len(u.Files) != 1 || !u.Files[0].Broken || !strings.Contains(u.Files[0].Diags[0].Message, "the pipe broke") {
		t.Errorf("%+v", u)
	}
}

// TestLoadLinks: a mounted ConfigMap loads once, a loop ends, a link that leads
// nowhere is said.
func TestLoadLinks(t *testing.T) {
	dir := tree(t, map[string]string{"..2026_1/a.yaml": service("a"), "real/b.yaml": service("b")})
	for link, target := range map[string]string{
		"..data": "..2026_1", "a.yaml": "..data/a.yaml", "copy.yaml": "..data/a.yaml",
		"loop": ".", "real/up": "..", "linked": "real", "dangling.yaml": "nowhere.yaml",
	} {
		must(t, os.Symlink(target, filepath.Join(dir, link)))
	}
	u := Load([]string{dir}, nil, resource.ParseOptions{})
	if got, want := names(u), "a b"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if l := u.Diags; len(l) != 1 || l[0].Code != CodeUnreadable || filepath.Base(l[0].Pos.File) != "dangling.yaml" {
		t.Errorf("%v, want one about the link to nothing", l)
	}
}

// TestUnchangedFilesAreShared: only what changed is parsed again.
func TestUnchangedFilesAreShared(t *testing.T) {
	dir := tree(t, map[string]string{"a.yaml": service("a"), "b.yaml": service("b")})
	s := newScanner([]string{dir}, nil, resource.ParseOptions{})
	first, _ := s.scan()
	write(t, filepath.Join(dir, "b.yaml"), service("b2"))
	second, _ := s.scan()
	if first.Files[0] != second.Files[0] || first.Files[1] == second.Files[1] {
		t.Error("a file that did not change was parsed again, or one that did was not")
	}
	if same(first, second) {
		t.Error("the updates are the same")
	}
	write(t, filepath.Join(dir, "b.yaml"), service("b2"))
	third, _ := s.scan()
	if !same(second, third) {
		t.Error("the same bytes written again make another update")
	}
}

// TestManyFiles: order is by name, directories among files.
func TestManyFiles(t *testing.T) {
	files := make(map[string]string)
	var want []string
	for i := range 50 {
		name := fmt.Sprintf("s%02d", i)
		file := name + ".yaml"
		if i%3 == 0 {
			file = name + "/x.yaml"
		}
		files[file] = service(name)
		want = append(want, name)
	}
	u := Load([]string{tree(t, files)}, nil, resource.ParseOptions{})
	if diff := cmp.Diff(strings.Join(want, " "), names(u)); diff != "" {
		t.Error(diff)
	}
}
