//go:build unix

package upstream

import (
	"net"
	"syscall"
)

// probe tells whether an idle connection is still good.
type probe struct {
	raw syscall.RawConn
}

func newProbe(c net.Conn) probe {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return probe{}
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return probe{}
	}
	return probe{raw}
}

// reset reports whether the other side has reset the connection, after an end of
// file too.
func (p probe) reset() bool {
	if p.raw == nil {
		return false
	}
	errno := 0
	err := p.raw.Control(func(fd uintptr) {
		errno, _ = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_ERROR)
	})
	return err == nil && errno != 0
}

// quiet reports whether the connection is open and holds no byte that nobody
// asked for: an idle connection with data or an end-of-file cannot be used.
func (p probe) quiet() bool {
	if p.raw == nil {
		return true
	}
	ok := false
	err := p.raw.Control(func(fd uintptr) {
		var b [1]byte
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		ok = err == syscall.EAGAIN || err == syscall.EWOULDBLOCK
	})
	return err == nil && ok
}
