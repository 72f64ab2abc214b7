//go:build !linux

package cli

import (
	"errors"
	"syscall"
)

// wsaeaddrinuse is what Windows says; Go does not map it to EADDRINUSE.
const wsaeaddrinuse = syscall.Errno(10048)

func addressInUse(err error) bool {
	return errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, wsaeaddrinuse)
}

// portOwner needs /proc.
func portOwner(uint16) string { return "" }
