package examples

import (
	"strings"
	"sync"
)

// waiting collects output and closes found when the wanted text is in it.
type waiting struct {
	want  string
	found chan struct{}

	mu   sync.Mutex
	buf  strings.Builder
	done bool
}

func (w *waiting) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buf.Write(p)
	if !w.done && strings.Contains(w.buf.String(), w.want) {
		w.done = true
		close(w.found)
	}
	return len(p), nil
}

func (w *waiting) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.String()
}
