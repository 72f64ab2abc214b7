package source

import (
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/crossgate/crossgate/internal/resource"
)

// asNobody takes root's right to read everything from the test: its thread then
// reads files as a user without rights, who may reach dir.
func asNobody(t *testing.T, dir string) {
	if os.Getuid() != 0 {
		return
	}
	const nobody = 65534
	must(t, os.Chmod(filepath.Dir(dir), 0o755))
	runtime.LockOSThread()
	must(t, syscall.Setfsuid(nobody))
	t.Cleanup(func() {
		must(t, syscall.Setfsuid(0))
		runtime.UnlockOSThread()
	})
}

func TestLoadUnreadable(t *testing.T) {
	dir := tree(t, map[string]string{"a.yaml": service("a"), "b.yaml": service("b"), "d/c.yaml": service("c")})
	s := newScanner([]string{dir}, nil, resource.ParseOptions{})
	first, _ := s.scan()
	if names(first) != "a b c" {
		t.Fatal(names(first))
	}
	must(t, os.Chmod(filepath.Join(dir, "b.yaml"), 0))
	must(t, os.Chmod(filepath.Join(dir, "d"), 0))
	t.Cleanup(func() { must(t, os.Chmod(filepath.Join(dir, "d"), 0o755)) })
	asNobody(t, dir)
	if _, err := os.ReadFile(filepath.Join(dir, "b.yaml")); err == nil {
		t.Fatal("the file can be read")
	}
	second, _ := s.scan()
	if got, want := names(second), "a !b.yaml !c.yaml"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if l := second.Diagnostics(); len(l) != 2 || l[0].Code != CodeUnreadable || l[1].Code != CodeUnreadable {
		t.Errorf("%v", l)
	}
	third, _ := s.scan()
	if !same(second, third) {
		t.Error("nothing changed, but the updates differ")
	}
}
