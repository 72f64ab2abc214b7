package envoy

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/crossgate/crossgate/test/tool"
)

var binary = tool.Tool{Name: "Envoy", Part: "envoy", Variable: "CROSSGATE_ENVOY", Places: []string{"envoy/envoy"}}

// Find returns the path of the Envoy binary: $CROSSGATE_ENVOY, or the one that
// scripts/install-tools.sh installs. It returns an error when there is none.
func Find() (string, error) { return binary.Find() }

// Require returns the path of the Envoy binary, or skips the test as
// tool.Tool.Require does.
func Require(t testing.TB) string {
	t.Helper()
	return binary.Require(t)
}

// ReportSkipped prints how many tests had no Envoy. A TestMain calls it last.
func ReportSkipped() { binary.ReportSkipped() }

// Root returns the top folder of the repository.
func Root() string { return tool.Root() }

// Start runs the Envoy binary with the bootstrap. It returns when the process
// runs, not when it serves: see Process.WaitFor.
func Start(bin, bootstrap string) (*Process, error) {
	return Run(exec.Command(bin, "-c", bootstrap, "--use-dynamic-base-id", "--concurrency", "1", "-l", "error"))
}

// Process is a running proxy, an Envoy or another.
type Process struct {
	cmd  *exec.Cmd
	out  buffer
	done chan struct{} // closed when the process has ended
}

// Run starts the command; its output is kept for Output.
func Run(cmd *exec.Cmd) (*Process, error) {
	p := &Process{cmd: cmd, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.out, &p.out
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	go func() {
		defer close(p.done)
		_ = cmd.Wait() // how it ended is read from ProcessState and the output
	}()
	return p, nil
}

// Pid returns the process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Output returns the end of what the process printed.
func (p *Process) Output() string { return p.out.String() }

// WaitFor polls until ready says true. It fails when the process ends first or
// the time is up.
func (p *Process) WaitFor(limit time.Duration, ready func() bool) error {
	deadline := time.Now().Add(limit)
	for !ready() {
		select {
		case <-p.done:
			return fmt.Errorf("%s ended (%v):\n%s", filepath.Base(p.cmd.Path), p.cmd.ProcessState, p.Output())
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s is not ready after %v:\n%s", filepath.Base(p.cmd.Path), limit, p.Output())
		}
	}
	return nil
}

// Stop ends the process: SIGTERM, and SIGKILL if it is still there after five
// seconds, which it reports.
func (p *Process) Stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
		return nil
	case <-time.After(5 * time.Second):
	}
	_ = p.cmd.Process.Kill()
	<-p.done
	return fmt.Errorf("%s did not end on SIGTERM:\n%s", filepath.Base(p.cmd.Path), p.Output())
}

// buffer keeps the last bytes written to it. It is safe for concurrent use.
type buffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// keep is how much of a process's output is worth reading.
const keep = 1 << 20

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.buf.Write(p)
	if over := b.buf.Len() - keep; over > 0 {
		b.buf.Next(over)
	}
	return len(p), nil
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
