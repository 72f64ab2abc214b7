package analyze

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/crossgate/crossgate/test/envoy"
)

var skipped atomic.Int64

func TestMain(m *testing.M) {
	code := m.Run()
	if n := skipped.Load(); n > 0 {
		fmt.Printf("SKIPPED: %d tests were not compared with a real istioctl (scripts/install-tools.sh istioctl installs it)\n", n)
	}
	os.Exit(code)
}

// istioctl returns the path of the real istioctl: $CROSSGATE_ISTIOCTL, or the one
// that scripts/install-tools.sh installs. Without one the test is skipped, and
// fails where CI=true.
func istioctl(t *testing.T) string {
	t.Helper()
	p, err := findIstioctl()
	if err == nil {
		return p
	}
	if os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	skipped.Add(1)
	t.Skip(err)
	return ""
}

func findIstioctl() (string, error) {
	if p := os.Getenv("CROSSGATE_ISTIOCTL"); p != "" {
		if _, err := os.Stat(p); err != nil {
			return "", fmt.Errorf("CROSSGATE_ISTIOCTL: %w", err)
		}
		return p, nil
	}
	p := filepath.Join(envoy.Root(), ".tools", "istioctl", "istioctl")
	if _, err := os.Stat(p); err != nil {
		return "", errors.New("no istioctl: run scripts/install-tools.sh istioctl, or set CROSSGATE_ISTIOCTL")
	}
	return p, nil
}

// message is one of istioctl's findings in its JSON output.
type message struct {
	Code    string `json:"code"`
	Level   string `json:"level"`
	Origin  string `json:"origin"` // "VirtualService production/api"
	Message string `json:"message"`
}

// runIstioctl returns what istioctl finds in files, without a cluster.
func runIstioctl(t *testing.T, bin string, files ...string) []message {
	t.Helper()
	cmd := exec.Command(bin, append([]string{"analyze", "--use-kube=false", "-A", "-o", "json"}, files...)...)
	cmd.Env = append(os.Environ(), "KUBECONFIG=/nonexistent")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, stderr.String())
	}
	var ms []message
	if err := json.Unmarshal(out, &ms); err != nil {
		t.Fatalf("%v: %v\n%s%s", cmd.Args, err, out, stderr.String())
	}
	for i := range ms {
		// What has no namespace is in the one of the command line.
		if kind, name, ok := strings.Cut(ms[i].Origin, " "); ok && !strings.Contains(name, "/") && kind != "Namespace" && kind != "Node" {
			ms[i].Origin = kind + " default/" + name
		}
	}
	return ms
}
