package engine

import "syscall"

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
