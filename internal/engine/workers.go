package engine

import (
	"sync"
	"time"
)

// workers are goroutines that serve the requests of HTTP/2 connections, one at a time
// each. They stay for the next one: a new goroutine would first have to grow its stack.
type workers struct {
	work func(*stream)

	mu     sync.Mutex
	idle   []*worker
	spare  int // how many have been idle since the last trim
	timer  *time.Timer
	timed  bool // it will fire
	closed bool

	tasks sync.WaitGroup
}

type worker struct{ next chan *stream }

// trimInterval is how long workers stay that nobody needs.
const trimInterval = 10 * time.Second

// serve has the stream served by a worker.
func (p *workers) serve(s *stream) {
	p.mu.Lock()
	if n := len(p.idle) - 1; n >= 0 {
		w := p.idle[n]
		p.idle[n] = nil
		p.idle = p.idle[:n]
		p.spare = min(p.spare, n)
		p.mu.Unlock()
		w.next <- s
		return
	}
	p.mu.Unlock()
	w := &worker{next: make(chan *stream, 1)}
	p.tasks.Go(func() {
		for s := s; s != nil; s = <-w.next {
			p.work(s)
			if !p.wait(w) {
				return
			}
		}
	})
}

// wait notes a worker that has nothing to do.
func (p *workers) wait(w *worker) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.idle = append(p.idle, w)
	switch {
	case p.timed:
		return true
	case p.timer == nil:
		p.timer = time.AfterFunc(trimInterval, p.trim)
	default:
		p.timer.Reset(trimInterval)
	}
	p.timed, p.spare = true, 0
	return true
}

// trim ends the workers that were not needed since the last trim.
func (p *workers) trim() {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := min(p.spare, len(p.idle))
	for _, w := range p.idle[:n] {
		close(w.next)
	}
	rest := copy(p.idle, p.idle[n:])
	clear(p.idle[rest:])
	p.idle, p.spare = p.idle[:rest], rest
	if p.timed = rest > 0 && !p.closed; p.timed {
		p.timer.Reset(trimInterval)
	}
}

// close ends all workers; there are no more requests.
func (p *workers) close() {
	p.mu.Lock()
	p.closed = true
	if p.timer != nil {
		p.timer.Stop()
	}
	for _, w := range p.idle {
		close(w.next)
	}
	p.idle = nil
	p.mu.Unlock()
	p.tasks.Wait()
}
