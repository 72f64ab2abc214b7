package source

import (
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/resource"
)

// maxRead is one byte more than package resource accepts, so that it can say so.
const maxRead = 64<<20 + 1

// scanner reads the paths again and again and parses only what changed.
type scanner struct {
	paths []string
	stdin io.Reader
	parse resource.ParseOptions
	// cache holds the last state of each file by its path.
	cache map[string]cached
	// once holds inputs that can be read one time only: stdin, pipes.
	once map[string][]byte
}

type cached struct {
	sum  [sha256.Size]byte
	file *resource.File
}

func newScanner(paths []string, stdin io.Reader, o resource.ParseOptions) *scanner {
	return &scanner{paths: paths, stdin: stdin, parse: o, cache: make(map[string]cached), once: make(map[string][]byte)}
}

// scan is one pass over the paths.
type scan struct {
	*scanner
	update *Update
	// seen are the real paths of what was visited, so that a file is loaded
	// once and a link to a parent directory ends.
	seen map[string]bool
	next map[string]cached
	// watch are the directories whose changes matter, see watcher.
	watch watchList
}

// Load reads paths once: files, directories (recursively their .yaml, .yml and
// .json files, hidden ones left out) and "-" for stdin. What is wrong with the
// inputs is in the update.
func Load(paths []string, stdin io.Reader, o resource.ParseOptions) *Update {
	u, _ := newScanner(paths, stdin, o).scan()
	return u
}

func (s *scanner) scan() (*Update, watchList) {
	p := &scan{
		scanner: s,
		update:  &Update{},
		seen:    make(map[string]bool),
		next:    make(map[string]cached),
		watch:   make(watchList),
	}
	for _, path := range s.paths {
		p.path(path)
	}
	s.cache = p.next
	return p.update, p.watch
}

// path reads what the user named, whatever its name is.
func (p *scan) path(path string) {
	if path == "-" {
		p.stream("-", "<stdin>", func() (io.ReadCloser, error) { return io.NopCloser(p.stdin), nil })
		return
	}
	p.watch.addPath(path)
	info, err := os.Stat(path)
	switch {
	case err != nil:
		p.unreadable(path, err)
	case info.IsDir():
		p.dir(path)
	case info.Mode().IsRegular():
		p.file(path)
	default: // a pipe, as from <(command)
		p.stream(path, path, func() (io.ReadCloser, error) { return os.Open(path) })
	}
}

// dir reads a directory. Names that begin with a dot are left out: they are
// editors' files, version control, and the "..data" directories behind the files
// of a mounted ConfigMap.
func (p *scan) dir(path string) {
	if !p.visit(path) {
		return
	}
	entries, err := os.ReadDir(path)
	p.watch.addDir(path)
	if err != nil {
		p.unreadable(path, err)
		p.keepBroken(path)
		return
	}
	for _, e := range entries {
		name := filepath.Join(path, e.Name())
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		info, err := os.Stat(name) // follows links
		switch {
		case err != nil:
			// A file that has just gone is none; a link to nothing is a mistake.
			gone := errors.Is(err, fs.ErrNotExist) && e.Type()&fs.ModeSymlink == 0
			if hasExtension(name) && !gone {
				p.unreadable(name, err)
			}
		case info.IsDir():
			p.dir(name)
		case info.Mode().IsRegular() && hasExtension(name):
			p.file(name)
		}
	}
}

func hasExtension(name string) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".yaml", ".yml", ".json":
		return true
	}
	return false
}

// visit reports whether the real path was not visited before.
func (p *scan) visit(path string) bool {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		real = path
	}
	if abs, err := filepath.Abs(real); err == nil {
		real = abs
	}
	if p.seen[real] {
		return false
	}
	p.seen[real] = true
	return true
}

func (p *scan) file(path string) {
	if !p.visit(path) {
		return
	}
	p.watch.addTarget(path)
	data, err := readFile(path)
	if err != nil {
		p.broken(path, err)
		return
	}
	p.content(path, path, data)
}

// stream reads an input that cannot be read again, at the first pass.
func (p *scan) stream(key, name string, open func() (io.ReadCloser, error)) {
	if p.seen[key] {
		return
	}
	p.seen[key] = true
	data, ok := p.once[key]
	if !ok {
		r, err := open()
		if err == nil {
			data, err = io.ReadAll(io.LimitReader(r, maxRead))
			r.Close()
		}
		if err != nil {
			p.broken(name, err)
			return
		}
		p.once[key] = data
	}
	p.content(key, name, data)
}

func (p *scan) content(key, name string, data []byte) {
	sum := sha256.Sum256(data)
	c, ok := p.cache[key]
	if !ok || c.sum != sum {
		c = cached{sum: sum, file: resource.ParseFile(name, data, p.parse)}
	}
	p.add(key, c)
}

func (p *scan) add(key string, c cached) {
	p.next[key] = c
	p.update.Files = append(p.update.Files, c.file)
}

// broken adds a file that cannot be read: its objects are unknown, not gone.
func (p *scan) broken(path string, err error) {
	f := &resource.File{Path: path, Broken: true, Diags: diag.List{unreadable(path, err)}}
	if c, ok := p.cache[path]; ok && c.file.Broken && slices.EqualFunc(c.file.Diags, f.Diags, sameDiag) {
		f = c.file
	}
	p.add(path, cached{file: f})
}

// keepBroken says of all files of a directory that cannot be read any more that
// their objects are unknown.
func (p *scan) keepBroken(dir string) {
	prefix := dir + string(filepath.Separator)
	var paths []string
	for path := range p.cache {
		if strings.HasPrefix(path, prefix) {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	for _, path := range paths {
		c := p.cache[path]
		if !c.file.Broken || len(c.file.Resources) > 0 {
			c = cached{file: &resource.File{Path: path, Broken: true}}
		}
		p.add(path, c)
	}
}

func (p *scan) unreadable(path string, err error) {
	p.update.Diags = append(p.update.Diags, unreadable(path, err))
}

func unreadable(path string, err error) diag.Diagnostic {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return diag.Diagnostic{
		Pos:      diag.Pos{File: path},
		Severity: diag.Error,
		Code:     CodeUnreadable,
		Message:  "cannot be read: " + err.Error(),
	}
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxRead))
}

// same reports whether two updates say the same, which is cheap because
// unchanged files are the same pointers.
func same(a, b *Update) bool {
	return slices.Equal(a.Files, b.Files) && slices.EqualFunc(a.Diags, b.Diags, sameDiag)
}

func sameDiag(a, b diag.Diagnostic) bool {
	return a.Pos == b.Pos && a.Code == b.Code && a.Message == b.Message
}
