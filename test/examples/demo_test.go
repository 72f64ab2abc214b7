package examples

import (
	"bytes"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestDemo runs the demo for a few seconds, and what it prints first.
func TestDemo(t *testing.T) {
	s := newSandbox(t)
	demo, err := build("demo", "./scripts/demo")
	if err != nil {
		t.Fatal(err)
	}
	cmd := s.command(demo, "-bin", s.bin, "-for", "3s", "-port-offset", strconv.Itoa(s.offset))
	out := &waiting{want: "answered as promised", found: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		t.Fatalf("the demo ended: %v\n%s", err, out.text())
	case <-out.found:
	}
	requireCurlRun(t, s, out.text())
	if err := <-ended; err != nil {
		t.Errorf("the demo ended with %v\n%s", err, out.text())
	}
	for _, port := range []int{8443, 15000} {
		if inUse(port + s.offset) {
			t.Errorf("something of the demo still listens on port %d", port+s.offset)
		}
	}
}

// requireCurlRun runs the first curl command of the text, a preflight.
func requireCurlRun(t *testing.T, s *sandbox, text string) {
	t.Helper()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Log("no curl: the printed command was not run")
		return
	}
	command := regexp.MustCompile(`(?m)^ *(curl .*OPTIONS.*)$`).FindStringSubmatch(text)
	if command == nil {
		t.Fatalf("no preflight in\n%s", text)
	}
	out, err := s.command("sh", "-c", command[1]).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", command[1], err, out)
	}
	for _, want := range []string{
		"access-control-allow-origin: https://www.shop.example\r\n",
		"access-control-allow-credentials: true\r\n",
		"access-control-allow-methods: GET,POST,PUT,DELETE\r\n",
		"access-control-allow-headers: content-type,authorization,x-request-id\r\n",
		"access-control-max-age: 7200\r\n",
	} {
		if !bytes.Contains(out, []byte(want)) {
			t.Errorf("no %q in the answer to the printed preflight\n%s", strings.TrimSpace(want), out)
		}
	}
}
