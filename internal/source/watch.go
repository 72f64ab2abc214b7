package source

import (
	"os"
	"path/filepath"
	"slices"

	"github.com/fsnotify/fsnotify"

	"github.com/crossgate/crossgate/internal/diag"
)

// watchList names the directories to watch. Files are watched through their
// directory, since editors and ConfigMap mounts put another file in their place.
// The value holds the names that matter in it; nil for all.
type watchList map[string]map[string]bool

// all makes every name of a directory matter. The directory is watched by its
// real path: a link to it that changes must lead to another watch.
func (w watchList) all(dir string) {
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		w[absolute(real)] = nil
	}
}

func (w watchList) some(dir string, names ...string) {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return
	}
	real = absolute(real)
	known, ok := w[real]
	if ok && known == nil {
		return
	}
	if !ok {
		known = make(map[string]bool)
		w[real] = known
	}
	for _, name := range names {
		known[name] = true
	}
}

// addPath watches for a path that the user named to come, go and be replaced:
// its name in its directory or, where that does not exist, the name of the
// nearest missing parent.
func (w watchList) addPath(path string) {
	path = absolute(path)
	for dir := filepath.Dir(path); ; path, dir = dir, filepath.Dir(dir) {
		if _, err := os.Stat(dir); err == nil || dir == path {
			w.some(dir, filepath.Base(path), configMapLink)
			return
		}
	}
}

// configMapLink is what Kubernetes swaps to change all files of a mounted
// ConfigMap or Secret at once.
const configMapLink = "..data"

func (w watchList) addDir(dir string) { w.all(dir) }

// addTarget watches the file behind a link where it is.
func (w watchList) addTarget(path string) {
	real, err := filepath.EvalSymlinks(path)
	if err == nil && real != path {
		w.some(filepath.Dir(real), filepath.Base(real))
	}
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// watcher keeps fsnotify at the directories of the last list.
type watcher struct {
	fs   *fsnotify.Watcher // nil where the system gives none
	err  error
	list watchList
}

func newWatcher() *watcher {
	fs, err := fsnotify.NewWatcher()
	if err != nil {
		return &watcher{err: err}
	}
	return &watcher{fs: fs}
}

func (w *watcher) close() {
	if w.fs != nil {
		w.fs.Close()
	}
}

func (w *watcher) events() <-chan fsnotify.Event {
	if w.fs == nil {
		return nil
	}
	return w.fs.Events
}

func (w *watcher) errors() <-chan error {
	if w.fs == nil {
		return nil
	}
	return w.fs.Errors
}

// watch makes list the watched directories and tells whether one is new.
func (w *watcher) watch(list watchList) (added bool, diags diag.List) {
	if w.fs == nil {
		return false, diag.List{unwatched(".", w.err)}
	}
	w.list = list
	watched := w.fs.WatchList()
	for _, dir := range watched {
		if _, ok := list[dir]; !ok {
			_ = w.fs.Remove(dir) // it may be gone already
		}
	}
	for dir := range list {
		if slices.Contains(watched, dir) {
			continue
		}
		if err := w.fs.Add(dir); err != nil {
			if _, statErr := os.Stat(dir); statErr == nil {
				diags = append(diags, unwatched(dir, err))
			}
			continue
		}
		added = true
	}
	diags.Sort()
	return added, diags
}

// relevant reports whether an event may change what is read. A directory that was
// moved or removed is forgotten, for another may come in its place.
func (w *watcher) relevant(e fsnotify.Event) bool {
	if _, ok := w.list[e.Name]; ok {
		if e.Has(fsnotify.Remove) || e.Has(fsnotify.Rename) {
			_ = w.fs.Remove(e.Name)
		}
		return true
	}
	names, ok := w.list[filepath.Dir(e.Name)]
	return !ok || names == nil || names[filepath.Base(e.Name)]
}

func unwatched(dir string, err error) diag.Diagnostic {
	return diag.Diagnostic{
		Pos:      diag.Pos{File: dir},
		Severity: diag.Warning,
		Code:     CodeUnwatched,
		Message:  "changes are noticed by polling only: " + err.Error(),
	}
}
