package source

import (
	"context"
	"io"
	"time"

	"github.com/crossgate/crossgate/internal/resource"
)

// Options configure a Files source.
type Options struct {
	// Paths as Load takes them.
	Paths []string
	Stdin io.Reader
	Parse resource.ParseOptions
	// Quiet is how long the paths must be unchanged before they are read again;
	// 100 ms when zero.
	Quiet time.Duration
	// Poll is the interval at which the paths are read without any sign of a
	// change, for file systems that give none; 30 s when zero.
	Poll time.Duration
}

const (
	defaultQuiet = 100 * time.Millisecond
	defaultPoll  = 30 * time.Second
	// maxQuietFactor bounds the wait for quiet: paths that change all the time
	// are read every so many quiet times.
	maxQuietFactor = 10
)

// Files is a Source of files, directories and stdin that watches them.
type Files struct{ o Options }

// NewFiles returns a source of o.Paths.
func NewFiles(o Options) *Files {
	if o.Quiet <= 0 {
		o.Quiet = defaultQuiet
	}
	if o.Poll <= 0 {
		o.Poll = defaultPoll
	}
	return &Files{o: o}
}

// Run implements Source. Where the system refuses to watch, changes are found by
// polling, and a warning says so.
func (f *Files) Run(ctx context.Context, emit func(*Update)) error {
	r := &run{scanner: newScanner(f.o.Paths, f.o.Stdin, f.o.Parse), watcher: newWatcher(), emit: emit}
	defer r.watcher.close()
	r.refresh()
	poll := time.NewTicker(f.o.Poll)
	defer poll.Stop()
	quiet := newDebouncer(f.o.Quiet, maxQuietFactor*f.o.Quiet)
	defer quiet.stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case e, ok := <-r.watcher.events():
			if ok && r.watcher.relevant(e) {
				quiet.event()
			}
		case <-r.watcher.errors(): // events were lost
			quiet.event()
		case <-quiet.C():
			quiet.done()
			r.refresh()
		case <-poll.C:
			r.refresh()
		}
	}
}

// run is the state of one Run.
type run struct {
	scanner *scanner
	watcher *watcher
	emit    func(*Update)
	last    *Update
}

// refresh reads the paths and emits what is new. After a directory came under
// watch the paths are read again, since what changed in it before was not seen.
func (r *run) refresh() {
	const most = 4
	var u *Update
	for range most {
		var list watchList
		u, list = r.scanner.scan()
		added, diags := r.watcher.watch(list)
		u.Diags = append(u.Diags, diags...)
		if !added {
			break
		}
	}
	if r.last != nil && same(r.last, u) {
		return
	}
	r.last = u
	r.emit(u)
}
