//go:build unix

package engine

import (
	"io"
	"net"
	"syscall"
)

// waiter waits for the next bytes of a client without holding a buffer: the
// buffer is taken when the kernel says that there is something to read. Each
// wait begins with a read, so nothing that came before it is missed.
type waiter struct {
	raw   syscall.RawConn
	c     *conn
	n     int
	err   error
	read1 func(fd uintptr) bool
}

// newWaiter returns a waiter for the socket; without one (TLS, or a connection
// that is no socket) it reads in the ordinary way.
func (w *waiter) init(c *conn, sock net.Conn) {
	sc, ok := sock.(syscall.Conn)
	if !ok || c.tls != nil {
		return
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return
	}
	w.raw, w.c, w.read1 = raw, c, w.readable
}

// readable is called by the poller; false means wait.
func (w *waiter) readable(fd uintptr) bool {
	buf := w.c.engine.buffers.get()
	for {
		w.n, w.err = syscall.Read(int(fd), buf)
		if w.err != syscall.EINTR {
			break
		}
	}
	if w.err == syscall.EAGAIN {
		w.c.engine.buffers.put(buf)
		return false
	}
	w.c.in = buf
	return true
}

func (w *waiter) read(c *conn) (int, error) {
	if w.raw == nil {
		return c.readOnce()
	}
	if err := w.raw.Read(w.read1); err != nil {
		return 0, err
	}
	if w.n <= 0 {
		if w.err == nil {
			w.err = io.EOF
		}
		return 0, w.err
	}
	return w.n, nil
}
