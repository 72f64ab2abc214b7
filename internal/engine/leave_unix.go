//go:build unix && !linux

package engine

import "syscall"

// ended reports whether the other side has closed its half of the connection or
// reset it. Behind bytes that were not read it cannot be seen here.
func ended(fd uintptr) bool {
	var b [1]byte
	n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	return n == 0 && err == nil || err == syscall.ECONNRESET
}
