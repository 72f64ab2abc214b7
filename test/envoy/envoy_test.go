package envoy

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	code := m.Run()
	ReportSkipped()
	os.Exit(code)
}

func TestStart(t *testing.T) {
	bin := Require(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	_, port, _ := net.SplitHostPort(addr)
	file := filepath.Join(t.TempDir(), "bootstrap.yaml")
	text := fmt.Sprintf("admin: {address: {socket_address: {address: 127.0.0.1, port_value: %s}}}\n", port)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := Start(bin, file)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.WaitFor(20*time.Second, func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	}); err != nil {
		t.Error(err)
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
}

// A process that ends must not be waited for, and its words must reach the test.
func TestEarlyEnd(t *testing.T) {
	p, err := Run(exec.Command("sh", "-c", "echo bad configuration >&2; exit 3"))
	if err != nil {
		t.Fatal(err)
	}
	err = p.WaitFor(10*time.Second, func() bool { return false })
	if err == nil || !strings.Contains(err.Error(), "bad configuration") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("WaitFor = %v, want the output and the exit status", err)
	}
}
