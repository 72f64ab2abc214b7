package engine

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/crossgate/crossgate/internal/header"
	"github.com/crossgate/crossgate/internal/http2"
	"github.com/crossgate/crossgate/internal/upstream"
)

// Bounds of copies of requests, which nobody waits for.
const (
	// maxShadowBody is how much of a body may wait for a mirror, in bytes:
	// per_connection_buffer_limit_bytes of Envoy.
	maxShadowBody = 1 << 20
	// maxShadowBodies is the same for all mirrors together.
	maxShadowBodies = 64 << 20
	// shadowPiece is how much of a body is taken at a time: what is on its way to a
	// mirror does not wait, and is not counted.
	shadowPiece = 64 << 10
	// maxShadows is how many copies are under way at most; each has its
	// goroutine. A cluster's max_requests may be a closer bound.
	maxShadows = 4096
)

// shadows are the copies that are under way.
type shadows struct {
	engine *Engine
	mu     sync.Mutex
	set    map[*shadow]struct{}
	bytes  int // of bodies that wait
	closed bool
	tasks  sync.WaitGroup
}

// begin returns a place for a copy, or nil when there is none. ended says that the
// request has no body.
func (p *shadows) begin(ended bool) *shadow {
	sh := &shadow{all: p, closed: ended}
	sh.more.L = &sh.mu
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.set) >= maxShadows {
		return nil
	}
	if p.set == nil {
		p.set = map[*shadow]struct{}{}
	}
	p.set[sh] = struct{}{}
	p.tasks.Add(1)
	return sh
}

// run sends the copy on a goroutine of its own.
func (p *shadows) run(sh *shadow, s *stream) {
	go func() {
		defer p.end(sh)
		defer func() {
			// A copy's fault must not take anything down.
			if v := recover(); v != nil {
				p.engine.log.Error("mirrored request failed", "panic", v, "stack", stack())
			}
		}()
		prog, cluster := s.prog, s.target.name
		s.proxy()
		p.engine.streams.put(s)
		if sh.isSlow() {
			prog.lostCopy(p.engine.log, cluster, "it does not take their bodies fast enough")
		}
	}()
}

func (p *shadows) end(sh *shadow) {
	sh.cut()
	p.mu.Lock()
	delete(p.set, sh)
	p.mu.Unlock()
	p.tasks.Done()
}

// reserve counts n bytes that wait, fewer if it is negative; it reports whether
// there was room.
func (p *shadows) reserve(n int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n > 0 && p.bytes+n > maxShadowBodies {
		return false
	}
	p.bytes += n
	return true
}

// close ends all copies and waits for them.
func (p *shadows) close() {
	p.mu.Lock()
	p.closed = true
	all := make([]*shadow, 0, len(p.set))
	for sh := range p.set {
		all = append(all, sh)
	}
	p.mu.Unlock()
	for _, sh := range all {
		sh.cut()
	}
	p.tasks.Wait()
}

// shadow is the client of a copy: it hands on what the request's own client has
// sent, and takes an answer for nobody.
type shadow struct {
	all *shadows

	mu          sync.Mutex
	more        sync.Cond
	waiting     []byte // what nobody has taken
	taken       []byte // what was taken last
	closed      bool   // all of the body has come
	fields      *header.List
	gone        bool // the copy is given up
	slow        bool // for this reason
	interrupted bool
	up          *upstream.Conn
	upst        *http2.Stream
}

var errShadowGone = errors.New("the mirrored request is given up")

// write adds to the body. A mirror that is too slow for it loses its copy.
func (sh *shadow) write(data []byte) {
	if len(data) == 0 {
		return
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.gone {
		return
	}
	if len(sh.waiting)+len(data) > maxShadowBody || !sh.all.reserve(len(data)) {
		sh.slow = true
		sh.cutLocked()
		return
	}
	sh.waiting = append(sh.waiting, data...)
	sh.more.Broadcast()
}

func (sh *shadow) isSlow() bool {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.slow
}

// finish says that the body has ended.
func (sh *shadow) finish(trailers *header.List) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if !sh.closed {
		sh.closed, sh.fields = true, cloneTrailers(trailers)
		sh.more.Broadcast()
	}
}

// abandon gives a copy up whose request has ended early.
func (sh *shadow) abandon() {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if !sh.closed {
		sh.cutLocked()
	}
}

// cut ends the copy wherever it is.
func (sh *shadow) cut() {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.cutLocked()
}

func (sh *shadow) cutLocked() {
	sh.gone = true
	sh.all.reserve(-len(sh.waiting))
	sh.waiting = nil
	if sh.up != nil {
		sh.up.Interrupt()
	}
	if sh.upst != nil {
		h2uplink{sh.upst}.Interrupt()
	}
	sh.more.Broadcast()
}

// ended implements client.
func (sh *shadow) ended() bool {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.closed && len(sh.waiting) == 0
}

// buffered implements client.
func (sh *shadow) buffered() ([]byte, error) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	switch {
	case sh.gone:
		return nil, errShadowGone
	case len(sh.waiting) == 0:
		return nil, nil
	}
	piece, rest := sh.waiting, sh.waiting[:0]
	if len(piece) > shadowPiece {
		piece, rest = piece[:shadowPiece], piece[shadowPiece:]
	}
	sh.all.reserve(-len(piece))
	sh.taken = append(sh.taken[:0], piece...)
	if cap(rest) > shadowPiece {
		rest = bytes.Clone(rest) // so that the room of what was taken is given back
	}
	sh.waiting = rest
	return sh.taken, nil
}

// fill implements client.
func (sh *shadow) fill() error {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for len(sh.waiting) == 0 && !sh.closed && !sh.gone && !sh.interrupted {
		sh.more.Wait()
	}
	if sh.gone || sh.interrupted {
		return errShadowGone
	}
	return nil
}

// skipBuffered implements client.
func (sh *shadow) skipBuffered() {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.all.reserve(-len(sh.waiting))
	sh.waiting = sh.waiting[:0]
}

// trailers implements client.
func (sh *shadow) trailers() *header.List {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.fields
}

// unlimit implements client: there are no limits.
func (sh *shadow) unlimit() {}

// interrupt and resume implement client.
func (sh *shadow) interrupt() { sh.setInterrupted(true) }
func (sh *shadow) resume()    { sh.setInterrupted(false) }

func (sh *shadow) setInterrupted(to bool) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.interrupted = to
	sh.more.Broadcast()
}

// hold implements client.
func (sh *shadow) hold(up *upstream.Conn, st *http2.Stream) bool {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.up, sh.upst = up, st
	return sh.gone
}

// awaits and pending implement client: nobody leaves, and who abandons a mirrored
// request lets its wait for a connection end by itself.
func (sh *shadow) awaits()                         {}
func (sh *shadow) pending(context.CancelFunc) bool { return false }

// left implements client.
func (sh *shadow) left() bool {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.gone
}

// wasReset implements client.
func (sh *shadow) wasReset() bool { return false }

// pause implements client; copies have no filters that would ask for it.
func (sh *shadow) pause(time.Duration, time.Duration) pauseEnd { return pauseOver }

// wire implements client: nothing goes over a connection.
func (sh *shadow) wire() (received, sent int64) { return 0, 0 }

// heads implements client.
func (sh *shadow) heads(*stream) http2.HeadSizes { return http2.HeadSizes{} }

// sendContinue, reply and relay implement client: nobody is told anything.
func (sh *shadow) sendContinue() error   { return nil }
func (sh *shadow) reply(*stream) error   { return nil }
func (sh *shadow) relay(s *stream) error { return s.up.discard() }

var (
	_ client = (*shadow)(nil)
	_ client = (*teeClient)(nil)
)
