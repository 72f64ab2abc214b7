package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A process is a program pinned to one core.
type process struct {
	cmd  *exec.Cmd
	log  string
	done chan error // gets the end of the process
}

// startProcess runs command on a core; what it writes to stderr goes to the log.
func startProcess(core int, log string, command []string) (*process, error) {
	f, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	cmd := exec.Command("taskset", append([]string{"-c", strconv.Itoa(core)}, command...)...)
	cmd.Stderr = f
	ownSession(cmd)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	raisePriority(cmd.Process.Pid)
	p := &process{cmd: cmd, log: log, done: make(chan error, 1)}
	go func() { p.done <- cmd.Wait() }()
	return p, nil
}

// waitFor returns when the process accepts connections on a port.
func (p *process) waitFor(ctx context.Context, port int) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		conn, err := net.DialTimeout("tcp", "127.0.0.1:"+strconv.Itoa(port), time.Second)
		if err == nil {
			return conn.Close()
		}
		select {
		case err := <-p.done:
			p.done <- err
			return fmt.Errorf("ended at the start (%v): %s", err, p.lastWords())
		case <-ctx.Done():
			return fmt.Errorf("does not listen on port %d: %s", port, p.lastWords())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (p *process) lastWords() string {
	data, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(data[max(0, len(data)-600):]))
}

// stop asks the process to end and insists after two seconds.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(2 * time.Second):
		return p.cmd.Process.Kill()
	}
}

// tree returns the process and its children, by the directories of their threads.
func (p *process) tree() (pids []int, tasks []string, err error) {
	pids = []int{p.cmd.Process.Pid}
	for i := 0; i < len(pids); i++ {
		own, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pids[i]))
		if err != nil || len(own) == 0 {
			return nil, nil, fmt.Errorf("no threads of process %d in /proc", pids[i])
		}
		tasks = append(tasks, own...)
		for _, task := range own {
			children, err := os.ReadFile(task + "/children")
			if err != nil {
				continue // the thread has ended
			}
			for field := range strings.FieldsSeq(string(children)) {
				if pid, err := strconv.Atoi(field); err == nil {
					pids = append(pids, pid)
				}
			}
		}
	}
	return pids, tasks, nil
}

// cpu returns the time that the process and its children have spent on a CPU:
// the first field of schedstat, in nanoseconds, for each thread.
func (p *process) cpu() (time.Duration, error) {
	_, tasks, err := p.tree()
	if err != nil {
		return 0, err
	}
	var sum time.Duration
	for _, task := range tasks {
		stat, err := os.ReadFile(task + "/schedstat")
		if err != nil {
			continue // the thread has ended
		}
		first, _, _ := strings.Cut(string(stat), " ")
		n, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s/schedstat: %w", task, err)
		}
		sum += time.Duration(n)
	}
	return sum, nil
}
