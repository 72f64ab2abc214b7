//go:build unix

package engine

import (
	"syscall"
	"time"
)

// processCPU is the time that the process has spent on CPUs, that of collecting garbage
// included.
func processCPU() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
