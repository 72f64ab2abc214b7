//go:build !linux

package engine

import (
	"net"
	"syscall"
	"time"
)

func deferAccept(string, string, syscall.RawConn) error { return nil }

func heldFor(net.Listener) time.Duration { return 0 }
