package square

import (
	"crypto/x509"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/crossgate/crossgate/test/authority"
	"github.com/crossgate/crossgate/test/envoy"
)

// TestFieldSample: a real Envoy accepts the bootstrap whose fields the engine's
// TestEachFieldOfASample goes through.
func TestFieldSample(t *testing.T) {
	bin := envoy.Require(t)
	text, err := os.ReadFile(filepath.Join(envoy.Root(), "internal", "engine", "testdata", "fields.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	cert, key := authority.PEM(t, authority.None(t).Issue(&x509.Certificate{DNSNames: []string{"a.test"}}))
	pem := strings.NewReplacer("$CERT", fmt.Sprintf("%q", cert), "$KEY", fmt.Sprintf("%q", key))
	file := filepath.Join(t.TempDir(), "fields.yaml")
	if err := os.WriteFile(file, []byte(pem.Replace(string(text))), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(bin, "--mode", "validate", "-l", "error", "-c", file).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
