package cli

import (
	"io"
	"sync"

	"golang.org/x/term"
)

// serialWriter lets one goroutine at a time write: a gateway's access log, its
// log and its tables may share a stream.
type serialWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func serialized(w io.Writer) *serialWriter { return &serialWriter{w: w} }

func (s *serialWriter) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(p)
}

// isTerminal reports whether what is written is seen by a person.
func isTerminal(w io.Writer) bool {
	if s, ok := w.(*serialWriter); ok {
		w = s.w
	}
	f, ok := w.(interface{ Fd() uintptr })
	return ok && term.IsTerminal(int(f.Fd()))
}
