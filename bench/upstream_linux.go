package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"runtime"
	"runtime/debug"
	"strings"

	"golang.org/x/sys/unix"
)

// An upstream is a backend that costs next to nothing: one thread, one epoll
// loop, two prepared answers. It shares its core with the load generator, so what
// it saves, the proxy under test can get.
type upstream struct {
	epoll, listener int
	small, large    []byte           // the answers
	pending         map[int32][]byte // the rest of an answer that did not fit
	buf             [16 << 10]byte
}

// serveUpstream answers on addr until the process ends: paths with /64k get
// 64 KiB, all others 1 KiB.
func serveUpstream(addr string) error {
	runtime.LockOSThread()
	debug.SetGCPercent(-1)
	u := &upstream{small: answer(1 << 10), large: answer(64 << 10), pending: map[int32][]byte{}}
	if err := u.listen(addr); err != nil {
		return err
	}
	events := make([]unix.EpollEvent, 256)
	for {
		n, err := unix.EpollWait(u.epoll, events, -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		for _, ev := range events[:max(n, 0)] {
			switch {
			case ev.Fd == int32(u.listener):
				u.accept()
			case ev.Events&unix.EPOLLOUT != 0:
				u.write(ev.Fd, u.pending[ev.Fd])
			default:
				u.read(ev.Fd)
			}
		}
	}
}

func answer(size int) []byte {
	return fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\nServer: backend\r\n\r\n%s",
		size, strings.Repeat("x", size))
}

func (u *upstream) listen(addr string) error {
	a, err := net.ResolveTCPAddr("tcp4", addr)
	if err != nil {
		return err
	}
	if u.listener, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0); err != nil {
		return err
	}
	if u.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	sa := &unix.SockaddrInet4{Port: a.Port, Addr: [4]byte(a.IP.To4())}
	return errors.Join(
		unix.SetsockoptInt(u.listener, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1),
		unix.Bind(u.listener, sa),
		unix.Listen(u.listener, 4096),
		u.watch(unix.EPOLL_CTL_ADD, int32(u.listener), unix.EPOLLIN),
	)
}

func (u *upstream) watch(op int, fd int32, events uint32) error {
	return unix.EpollCtl(u.epoll, op, int(fd), &unix.EpollEvent{Events: events, Fd: fd})
}

func (u *upstream) accept() {
	for {
		fd, _, err := unix.Accept4(u.listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if err != nil {
			return
		}
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) //nolint:errcheck // slower without
		if u.watch(unix.EPOLL_CTL_ADD, int32(fd), unix.EPOLLIN) != nil {
			unix.Close(fd) //nolint:errcheck // nothing to do about it
		}
	}
}

// read takes one request. The load generator does not pipeline and a head fits
// into one packet; a piece of one is left for the next read to end.
func (u *upstream) read(fd int32) {
	n, err := unix.Read(int(fd), u.buf[:])
	switch {
	case err == unix.EAGAIN:
		return
	case err != nil || n == 0:
		u.drop(fd)
		return
	case !bytes.HasSuffix(u.buf[:n], []byte("\r\n\r\n")):
		return
	}
	out := u.small
	if line, _, _ := bytes.Cut(u.buf[:n], []byte("\r\n")); bytes.Contains(line, []byte("/64k")) {
		out = u.large
	}
	u.write(fd, out)
}

// write sends out and keeps the rest for when the socket takes more.
func (u *upstream) write(fd int32, out []byte) {
	waiting := len(u.pending[fd]) > 0
	n, err := unix.Write(int(fd), out)
	if err == unix.EAGAIN {
		n, err = 0, nil
	}
	if err != nil {
		u.drop(fd)
		return
	}
	switch rest := out[n:]; {
	case len(rest) > 0:
		u.pending[fd] = rest
		if !waiting {
			u.watch(unix.EPOLL_CTL_MOD, fd, unix.EPOLLOUT) //nolint:errcheck // fd is open
		}
	case waiting:
		delete(u.pending, fd)
		u.watch(unix.EPOLL_CTL_MOD, fd, unix.EPOLLIN) //nolint:errcheck // fd is open
	}
}

func (u *upstream) drop(fd int32) {
	delete(u.pending, fd)
	unix.Close(int(fd)) //nolint:errcheck // nothing to do about it
}
