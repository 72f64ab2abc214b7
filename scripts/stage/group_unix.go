//go:build unix

package main

import (
	"os/exec"
	"syscall"
	"time"
)

// endTogether puts the command into a process group of its own and makes its
// end the end of the whole group: a test that is killed leaves no proxy behind.
func endTogether(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
}
