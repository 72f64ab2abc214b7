//go:build !unix

package main

import (
	"os/exec"
	"time"
)

// endTogether limits the wait for what the command started; there are no process
// groups here to end.
func endTogether(cmd *exec.Cmd) { cmd.WaitDelay = 5 * time.Second }
