package main

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// ownSession makes the command's process the first of a session, which the
// scheduler's autogroups treat as one group.
func ownSession(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
}

// raisePriority lets the process go before what else runs on the machine, as far
// as we may: it takes the rights of root.
func raisePriority(pid int) {
	syscall.Setpriority(syscall.PRIO_PROCESS, pid, -10)                    //nolint:errcheck // best effort
	os.WriteFile(fmt.Sprintf("/proc/%d/autogroup", pid), []byte("-15"), 0) //nolint:errcheck // best effort
}
