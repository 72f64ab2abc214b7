package engine

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/crossgate/crossgate/internal/format"
)

// accessLog is a compiled access logger of a manager.
type accessLog struct {
	filter logFilter // nil: every request
	format *format.Format
	out    *logFile
}

// log counts the request and writes its lines.
func (s *stream) log() {
	s.logEnd()
	s.logging = true
	s.observe()
	s.trace()
	s.leave()
	if s.route != nil && s.route.verdict != nil {
		s.judge(s.route.verdict)
	}
	for _, l := range s.manager.logs {
		if l.filter == nil || l.filter(s) {
			l.write(s)
		}
	}
}

func (l *accessLog) write(s *stream) {
	l.out.mu.Lock()
	defer l.out.mu.Unlock()
	l.out.line = l.format.Append(l.out.line[:0], s)
	if len(l.out.line) > l.out.w.Available() {
		_ = l.out.w.Flush() // so that a line is written as a whole; the error comes again below
	}
	if _, err := l.out.w.Write(l.out.line); err != nil {
		l.out.failed = true
	}
}

// logFile is a file that access logs share. Lines are buffered and written once a
// second, or when the buffer is full.
type logFile struct {
	mu     sync.Mutex
	w      *bufio.Writer
	line   []byte
	close  io.Closer
	failed bool
}

// logBuffer is the size of a log's buffer in bytes: Envoy's.
const (
	logBuffer   = 64 << 10
	logInterval = time.Second
)

// logFiles opens each path once.
type logFiles struct {
	stdout io.Writer
	stop   chan struct{}
	tasks  sync.WaitGroup

	mu    sync.Mutex
	files map[string]*logFile
}

func newLogFiles(stdout io.Writer) *logFiles {
	if stdout == nil {
		stdout = os.Stdout
	}
	f := &logFiles{stdout: stdout, stop: make(chan struct{}), files: map[string]*logFile{}}
	f.tasks.Go(f.flushEach)
	return f
}

// open returns the file of a path, or the writer that key stands for.
func (f *logFiles) open(path string, w io.Writer) (*logFile, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if l := f.files[path]; l != nil {
		return l, nil
	}
	l := &logFile{}
	switch {
	case w != nil:
	case path == "/dev/stdout":
		w = f.stdout
	case path == "/dev/stderr":
		w = os.Stderr
	default:
		file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			return nil, fmt.Errorf("access log: %w", err)
		}
		w, l.close = file, file
	}
	l.w = bufio.NewWriterSize(w, logBuffer)
	f.files[path] = l
	return l, nil
}

func (f *logFiles) flushEach() {
	tick := time.NewTicker(logInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			_ = f.flush()
		case <-f.stop:
			return
		}
	}
}

// flush writes what is buffered. A log that cannot be written must not stop the
// requests: bufio keeps the first error, and the lines are lost.
func (f *logFiles) flush() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var errs []error
	for _, l := range f.files {
		l.mu.Lock()
		errs = append(errs, l.w.Flush())
		l.mu.Unlock()
	}
	return errors.Join(errs...)
}

func (f *logFiles) close() error {
	close(f.stop)
	f.tasks.Wait()
	err := f.flush()
	for _, l := range f.files {
		if l.close != nil {
			err = errors.Join(err, l.close.Close())
		}
	}
	return err
}
