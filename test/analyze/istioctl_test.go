package analyze

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/crossgate/crossgate/test/tool"
)

var istioctl = tool.Istioctl()

func TestMain(m *testing.M) {
	code := m.Run()
	istioctl.ReportSkipped()
	os.Exit(code)
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
