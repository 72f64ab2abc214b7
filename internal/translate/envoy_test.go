package translate

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/crossgate/crossgate/internal/xds"
	"github.com/crossgate/crossgate/test/envoy"
)

// TestEnvoyAccepts has a real Envoy validate the bootstrap of every recorded
// input and every case.
func TestEnvoyAccepts(t *testing.T) {
	bin := envoy.Require(t)
	for _, dir := range recordings(t, func(name string) bool { return !strings.HasPrefix(name, "refused-") && !namesFiles(t, name) }) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			set := loadSet(t, inputs(dir)...)
			s, _ := Snapshot(set.With(testSecret(t, "istio-system", "api-tls-secret")), Options{Node: DefaultNode()})
			validateOnEnvoy(t, bin, s)
		})
	}
	cases, err := filepath.Glob("testdata/cases/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range cases {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			set, opts := caseInput(t, archive)
			s, _ := Snapshot(set, opts)
			validateOnEnvoy(t, bin, s)
		})
	}
}

func validateOnEnvoy(t *testing.T, bin string, s *xds.Snapshot) {
	t.Helper()
	dir := t.TempDir()
	text, err := s.WriteBootstrap(xds.BootstrapOptions{WriteFile: func(name string, pem []byte, _ bool) (string, error) {
		path := filepath.Join(dir, name)
		return path, os.WriteFile(path, pem, 0o600)
	}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "bootstrap.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), bin, "--mode", "validate", "-c", path, "-l", "error").CombinedOutput(); err != nil {
		t.Errorf("envoy refuses it: %v\n%s", err, out)
	}
	if _, diags := xds.LoadBootstrap(path, text); len(diags) > 0 {
		t.Errorf("LoadBootstrap refuses it: %v", diags)
	}
}

// namesFiles reports whether a recording has certificates in files, which are not
// on this machine, and without which Envoy does not begin.
func namesFiles(t *testing.T, name string) bool {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata/istiod", name, "document.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(data), `"/etc/`)
}
