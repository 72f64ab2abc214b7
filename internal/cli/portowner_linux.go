package cli

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// tcpListen is the state LISTEN in /proc/net/tcp.
const tcpListen = "0A"

func addressInUse(err error) bool { return errors.Is(err, syscall.EADDRINUSE) }

// portOwner names the process that listens on a TCP port, as "nginx (pid 42)",
// or returns "" where that cannot be seen: other users' processes are hidden
// from all but root.
func portOwner(port uint16) string {
	inodes := make(map[string]bool)
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		for _, inode := range listeners(file, port) {
			inodes["socket:["+inode+"]"] = true
		}
	}
	if len(inodes) == 0 {
		return ""
	}
	fds, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return ""
	}
	for _, fd := range fds {
		if target, err := os.Readlink(fd); err == nil && inodes[target] {
			pid := strings.Split(fd, "/")[2]
			name, err := os.ReadFile("/proc/" + pid + "/comm")
			if err != nil {
				return "pid " + pid
			}
			return fmt.Sprintf("%s (pid %s)", strings.TrimSpace(string(name)), pid)
		}
	}
	return ""
}

// listeners returns the inodes of the sockets that listen on port, from a table
// in the form of /proc/net/tcp: "sl local_address rem_address st … inode".
func listeners(file string, port uint16) []string {
	f, err := os.Open(file)
	if err != nil {
		return nil
	}
	defer f.Close()
	var inodes []string
	for sc := bufio.NewScanner(f); sc.Scan(); {
		fields := strings.Fields(sc.Text())
		if len(fields) < 10 || fields[3] != tcpListen {
			continue
		}
		_, hex, ok := strings.Cut(fields[1], ":")
		if n, err := strconv.ParseUint(hex, 16, 16); ok && err == nil && uint16(n) == port {
			inodes = append(inodes, fields[9])
		}
	}
	return inodes
}
