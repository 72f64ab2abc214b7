package source

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crossgate/crossgate/internal/resource"
)

// start runs a source of paths until the test ends. Polling is off, unless the
// test asks for it, so that what is noticed was watched.
func start(t *testing.T, o Options) *watching {
	t.Helper()
	if o.Quiet == 0 {
		o.Quiet = 20 * time.Millisecond
	}
	if o.Poll == 0 {
		o.Poll = time.Hour
	}
	ctx, cancel := context.WithCancel(context.Background())
	w := &watching{t: t, updates: make(chan *Update, 100)}
	done := make(chan error)
	go func() { done <- NewFiles(o).Run(ctx, func(u *Update) { w.updates <- u }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return w
}

type watching struct {
	t       *testing.T
	updates chan *Update
}

// wait fails unless an update with exactly these objects comes. Others may come
// before it: a writer may be seen in the middle.
func (w *watching) wait(want string) *Update {
	w.t.Helper()
	deadline := time.After(20 * time.Second)
	last := "nothing"
	for {
		select {
		case u := <-w.updates:
			if last = names(u); last == want {
				return u
			}
		case <-deadline:
			w.t.Fatalf("got %q, want %q", last, want)
		}
	}
}

// silent fails when an update comes.
func (w *watching) silent() {
	w.t.Helper()
	select {
	case u := <-w.updates:
		w.t.Errorf("an update without a change: %q", names(u))
	case <-time.After(200 * time.Millisecond):
	}
}

// TestWatchDirectory goes through every way in which people and programs change
// files.
func TestWatchDirectory(t *testing.T) {
	dir := tree(t, map[string]string{"a.yaml": service("a")})
	path := func(name string) string { return filepath.Join(dir, name) }
	w := start(t, Options{Paths: []string{dir}})
	w.wait("a")

	write(t, path("a.yaml"), service("a1")) // truncated and written in place
	w.wait("a1")
	f, err := os.OpenFile(path("a.yaml"), os.O_APPEND|os.O_WRONLY, 0)
	must(t, err)
	_, err = f.WriteString(service("a2"))
	must(t, err)
	must(t, f.Close())
	w.wait("a1 a2")
	write(t, path(".a.yaml.swp"), service("tmp")) // an editor: written beside and renamed over
	must(t, os.Rename(path(".a.yaml.swp"), path("a.yaml")))
	w.wait("tmp")
	write(t, path("b.yaml"), service("b"))
	w.wait("tmp b")
	must(t, os.Remove(path("a.yaml")))
	w.wait("b")
	must(t, os.Rename(path("b.yaml"), path("b.txt")))
	w.wait("")
	must(t, os.Rename(path("b.txt"), path("b.yaml")))
	w.wait("b")
	write(t, path("new/deep/c.yaml"), service("c")) // directories that come with their files
	w.wait("b c")
	write(t, path("new/deep/c.yaml"), service("c2"))
	w.wait("b c2")
	must(t, os.Rename(path("new"), path("moved")))
	w.wait("b c2")
	write(t, path("moved/deep/d.yaml"), service("d"))
	w.wait("b c2 d")
	must(t, os.RemoveAll(path("moved")))
	w.wait("b")
	write(t, path("moved/deep/e.yaml"), service("e")) // the same names again
	w.wait("b e")
	write(t, path("moved/deep/e.yaml"), service("e2"))
	w.wait("b e2")
	write(t, path("b.yaml"), "a: [")
	w.wait("!b.yaml e2")
	must(t, os.RemoveAll(dir)) // all of it, and again
	w.wait("")
	write(t, path("z.yaml"), service("z"))
	w.wait("z")
	write(t, path("z.yaml"), service("z2"))
	w.wait("z2")
}

// TestWatchConfigMap: the kubelet writes a new directory and swaps one link.
func TestWatchConfigMap(t *testing.T) {
	for _, tt := range []struct {
		name string
		path func(dir string) string
	}{
		{"directory", func(dir string) string { return dir }},
		{"file", func(dir string) string { return filepath.Join(dir, "a.yaml") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := tree(t, map[string]string{"..2026_1/a.yaml": service("a1")})
			must(t, os.Symlink("..2026_1", filepath.Join(dir, "..data")))
			must(t, os.Symlink("..data/a.yaml", filepath.Join(dir, "a.yaml")))
			w := start(t, Options{Paths: []string{tt.path(dir)}})
			w.wait("a1")
			for i := 2; i < 5; i++ {
				version := fmt.Sprintf("..2026_%d", i)
				write(t, filepath.Join(dir, version, "a.yaml"), service(fmt.Sprintf("a%d", i)))
				must(t, os.Symlink(version, filepath.Join(dir, "..data_tmp")))
				must(t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
				must(t, os.RemoveAll(filepath.Join(dir, fmt.Sprintf("..2026_%d", i-1))))
				w.wait(fmt.Sprintf("a%d", i))
			}
			w.silent()
		})
	}
}

// TestWatchLinkedDirectory: a release is switched by a link.
func TestWatchLinkedDirectory(t *testing.T) {
	dir := tree(t, map[string]string{"v1/a.yaml": service("a1"), "v2/a.yaml": service("a2")})
	current := filepath.Join(dir, "current")
	must(t, os.Symlink("v1", current))
	w := start(t, Options{Paths: []string{current}})
	w.wait("a1")
	must(t, os.Symlink("v2", current+".new"))
	must(t, os.Rename(current+".new", current))
	w.wait("a2")
	write(t, filepath.Join(dir, "v2/a.yaml"), service("a3"))
	w.wait("a3")
	write(t, filepath.Join(dir, "v1/a.yaml"), service("old"))
	w.silent()
}

// TestWatchFile: a named file may come later, with its directories, and go.
func TestWatchFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "x/y/a.conf")
	w := start(t, Options{Paths: []string{file}})
	if u := w.wait(""); len(u.Diags) != 1 || u.Diags[0].Code != CodeUnreadable {
		t.Errorf("%v", u.Diags)
	}
	write(t, file, service("a"))
	if u := w.wait("a"); len(u.Diags) > 0 {
		t.Errorf("%v", u.Diags)
	}
	write(t, filepath.Join(dir, "x/y/other.yaml"), service("other"))
	w.silent()
	must(t, os.Rename(file, file+"~"))
	write(t, file, service("b"))
	w.wait("b")
	must(t, os.RemoveAll(filepath.Join(dir, "x")))
	w.wait("")
	write(t, file, service("c"))
	w.wait("c")
}

// TestNothingChanged: touching, rewriting and reading say nothing new.
func TestNothingChanged(t *testing.T) {
	dir := tree(t, map[string]string{"a.yaml": service("a")})
	w := start(t, Options{Paths: []string{dir}, Poll: 30 * time.Millisecond})
	w.wait("a")
	write(t, filepath.Join(dir, "a.yaml"), service("a"))
	must(t, os.Chtimes(filepath.Join(dir, "a.yaml"), time.Now(), time.Now()))
	write(t, filepath.Join(dir, "note.txt"), "x")
	w.silent()
}

// TestPollFindsWhatIsNotWatched: a link to a link that changes elsewhere.
func TestPollFindsWhatIsNotWatched(t *testing.T) {
	dir := tree(t, map[string]string{"in/x": "", "far/v1/a.yaml": service("a1"), "far/v2/a.yaml": service("a2")})
	must(t, os.Symlink("v1", filepath.Join(dir, "far/current")))
	must(t, os.Symlink(filepath.Join(dir, "far/current/a.yaml"), filepath.Join(dir, "in/a.yaml")))
	w := start(t, Options{Paths: []string{filepath.Join(dir, "in")}, Poll: 50 * time.Millisecond})
	w.wait("a1")
	must(t, os.Symlink("v2", filepath.Join(dir, "far/next")))
	must(t, os.Rename(filepath.Join(dir, "far/next"), filepath.Join(dir, "far/current")))
	w.wait("a2")
}

func TestWatchStdin(t *testing.T) {
	dir := tree(t, map[string]string{"a.yaml": service("a")})
	w := start(t, Options{Paths: []string{"-", dir}, Stdin: strings.NewReader(service("in")), Parse: resource.ParseOptions{}})
	w.wait("in a")
	write(t, filepath.Join(dir, "a.yaml"), service("b"))
	w.wait("in b") // stdin was read once and stays
}

func TestDebouncer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDebouncer(100*time.Millisecond, time.Second)
		defer d.stop()
		begin := time.Now()
		fired := func() time.Duration {
			<-d.C()
			d.done()
			return time.Since(begin)
		}
		d.event()
		if got := fired(); got != 100*time.Millisecond {
			t.Errorf("one event: after %s", got)
		}
		begin = time.Now()
		for range 3 { // three events make one
			d.event()
			time.Sleep(50 * time.Millisecond)
		}
		if got := fired(); got != 200*time.Millisecond {
			t.Errorf("three events: after %s", got)
		}
		// Events without an end do not put it off for ever.
		begin = time.Now()
		ticks := time.NewTicker(30 * time.Millisecond)
		defer ticks.Stop()
		d.event()
		for {
			select {
			case <-ticks.C:
				d.event()
				continue
			case <-d.C():
			}
			break
		}
		if got := time.Since(begin); got < time.Second || got > time.Second+30*time.Millisecond {
			t.Errorf("events without an end: after %s", got)
		}
	})
}
