package engine

import (
	"context"
	"sync"
	"syscall"
	"time"

	"github.com/crossgate/crossgate/internal/upstream"
)

// A client of HTTP/1.1 may go away while its request waits for the service, and
// nobody reads from it then. Most waits are short, so they are only marked; a look
// at all connections, now and then, has those watched that are not.

// sweepInterval is how often waiting clients are looked for: a wait that is seen
// twice is watched.
const sweepInterval = 100 * time.Millisecond

// watched marks a wait, in conn.waiting, that has a watch.
const watched = 1 << 31

// watch is a goroutine that waits for a client to go away.
type watch struct {
	done chan struct{}

	mu      sync.Mutex
	stopped bool
}

// awaits implements client: until hold is told that there is nothing to wait for any
// more, nobody reads from the client.
func (c *conn) awaits() {
	c.waits = (c.waits + 1) &^ watched
	c.waiting.Store(max(c.waits, 1))
}

// pending implements client. A client whose body is still to come is not watched: the
// service is sent what there is of it, and reading the rest tells.
func (c *conn) pending(cancel context.CancelFunc) bool {
	if cancel == nil {
		c.connect.Store(nil)
		c.unwatch()
		return c.gone.Load()
	}
	c.connect.Store(&cancel)
	if c.body.ended() {
		c.awaits()
	}
	return c.gone.Load()
}

// unwatch ends the wait, and the watch if there is one.
func (c *conn) unwatch() {
	if c.waiting.Load() == 0 || c.waiting.Swap(0)&watched == 0 {
		return
	}
	w := c.watch
	w.mu.Lock()
	w.stopped = true
	_ = c.sock.SetReadDeadline(pastTime) // fails only when closed, which ends the watch too
	w.mu.Unlock()
	<-w.done
	c.readAt = time.Time{}
	_ = c.sock.SetReadDeadline(c.readAt)
}

// sweep has the connections watched that have waited since the last one.
func (l *listener) sweep() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		c.lookAfter()
	}
	if l.sweeping = len(l.conns) > 0; l.sweeping {
		l.sweeper.Reset(sweepInterval)
	}
}

// startSweep is called with l.mu held when there is a connection.
func (l *listener) startSweep() {
	switch {
	case l.sweeping:
		return
	case l.sweeper == nil:
		l.sweeper = time.AfterFunc(sweepInterval, l.sweep)
	default:
		l.sweeper.Reset(sweepInterval)
	}
	l.sweeping = true
}

func (c *conn) lookAfter() {
	now := c.waiting.Load()
	if now == 0 || now&watched != 0 {
		return
	}
	if now != c.seen {
		c.seen = now
		return
	}
	sc, ok := c.sock.(syscall.Conn)
	if !ok {
		return // no socket: a write will tell
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return
	}
	w := &watch{done: make(chan struct{})}
	c.watch = w // read by unwatch only when it finds the mark
	if c.waiting.CompareAndSwap(now, now|watched) {
		c.lis.tasks.Go(func() { w.run(c, raw) })
	}
}

// run waits until the client has sent an end of file, whatever it has sent before
// (as Envoy 1.40, which reads no further request meanwhile, and takes a client that
// only closes its half for gone), or until the watch is stopped.
func (w *watch) run(c *conn, raw syscall.RawConn) {
	defer close(w.done)
	for {
		w.mu.Lock()
		if w.stopped {
			w.mu.Unlock()
			return
		}
		_ = c.sock.SetReadDeadline(time.Time{}) // the limit of an idle client, or of an interrupted read
		w.mu.Unlock()
		gone := false
		err := raw.Read(func(fd uintptr) bool {
			gone = ended(fd)
			return gone
		})
		if gone {
			c.leave()
			return
		}
		if err != nil && !upstream.TimedOut(err) {
			return // closed
		}
	}
}

// leave interrupts what the request of a client that has gone waits for.
func (c *conn) leave() {
	c.gone.Store(true)
	if cancel := c.connect.Load(); cancel != nil {
		(*cancel)()
	}
	if up := c.upstream.Load(); up != nil {
		up.Interrupt()
	}
	if st := c.upstreamStream.Load(); st != nil {
		h2uplink{st}.Interrupt()
	}
}
