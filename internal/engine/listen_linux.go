package engine

import (
	"net"
	"syscall"
	"time"
)

// deferSeconds is how long the kernel keeps a connection to itself on which nothing has
// come. In all protocols of a listener the client speaks first.
const deferSeconds = 1

// deferAccept is TCP_DEFER_ACCEPT: the first read finds something.
func deferAccept(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) {
		// Where it fails, connections are accepted at once.
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_DEFER_ACCEPT, deferSeconds)
	})
}

// heldFor is how long the kernel has kept a connection of the socket that is accepted
// without anything to read.
func heldFor(l net.Listener) time.Duration {
	sc, ok := l.(syscall.Conn)
	if !ok {
		return 0
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return 0
	}
	seconds := 0
	_ = raw.Control(func(fd uintptr) {
		seconds, _ = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_DEFER_ACCEPT)
	})
	return time.Duration(seconds) * time.Second
}
