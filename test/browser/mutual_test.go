package browser

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/crossgate/crossgate/test/authority"
	"github.com/crossgate/crossgate/test/envoy"
	"github.com/crossgate/crossgate/test/gate"
)

// TestMutual shows what this Chromium does behind a Gateway of mode MUTUAL, written
// as people write it, with the authority of the clients in a Secret NAME-cacert: it
// sends a certificate with preflights too, although the Fetch standard says that a
// preflight has no credentials; Firefox does as the standard says, and there such a
// page cannot send anything that needs a preflight.
func TestMutual(t *testing.T) {
	s := play(t, guideDocument(t, "08-api-cors-credentials"))
	client := newClient(t)
	config, key := mutualConfig(t, client.roots)
	keys := append([]string{key}, s.keys...)
	t.Run("crossgate", func(t *testing.T) {
		g := gate.ServeOn(t, 443, config, "--upstream", s.upstream)
		testMutual(t, s, client, keys, g.Addr(443), "/api/crossgate")
	})
	t.Run("envoy", func(t *testing.T) {
		testMutual(t, s, client, keys, mutualEnvoy(t, s, config), "/api/envoy")
	})
}

// testMutual sends PUTs to a path of the gateway, from browsers that have nothing
// in their caches: the preflight is the first that they send.
func testMutual(t *testing.T, s *stage, client *client, keys []string, addr, path string) {
	t.Helper()
	hosts := append([]string{"MAP api.example.com:443 " + addr}, s.hosts[1:]...)
	put := fields{"method": "PUT", "credentials": "include"}
	with := start(t, hosts, keys, client.install).open(appPage)
	if r := with.fetch(api+path, put); r.Status != 200 {
		t.Errorf("a PUT of a browser with a certificate: %+v", r)
	}
	if n := len(s.service.got(path)); n != 1 {
		t.Errorf("%d requests reached the service, want the PUT", n)
	}
	without := start(t, hosts, keys).open(appPage)
	if r := without.fetch(api+path, put); r.Error == "" || !strings.Contains(r.Failed, "net::ERR_") {
		t.Errorf("a PUT of a browser without a certificate: %+v", r)
	}
	if n := len(s.service.got(path)); n != 1 {
		t.Errorf("a request without a certificate reached the service")
	}
}

// mutualConfig writes the guide's document 08 with a Gateway that demands a
// certificate of the authority, and returns its file and the key of the server.
func mutualConfig(t *testing.T, roots []byte) (file, key string) {
	t.Helper()
	server := authority.None(t).Issue(&x509.Certificate{Subject: pkix.Name{CommonName: "api"}, DNSNames: []string{"api.example.com"}})
	cert, private := authority.PEM(t, server)
	encoded := base64.StdEncoding.EncodeToString
	text := strings.Replace(gateway, "mode: SIMPLE", "mode: MUTUAL", 1) + guideDocument(t, "08-api-cors-credentials") + fmt.Sprintf(`
---
apiVersion: v1
kind: Secret
metadata: {name: api-tls-secret, namespace: istio-system}
data: {tls.crt: %s, tls.key: %s}
---
apiVersion: v1
kind: Secret
metadata: {name: api-tls-secret-cacert, namespace: istio-system}
data: {ca.crt: %s}
`, encoded(cert), encoded(private), encoded(roots))
	file = filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file, keyOf(server.Leaf)
}

// mutualEnvoy starts a stock Envoy on the translation of a file, and returns its
// address.
func mutualEnvoy(t *testing.T, s *stage, config string) string {
	t.Helper()
	admin, offset := gate.FreePort(t), s.gate.Offset()+1000
	file := filepath.Join(t.TempDir(), "bootstrap.json")
	out, err := exec.Command(gate.Binary(t), "translate", config, "--as", "bootstrap", "-o", file,
		"--port-offset", strconv.Itoa(offset), "--admin-address", fmt.Sprintf("127.0.0.1:%d", admin-offset),
		"--upstream", s.upstream).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	p, err := envoy.Start(envoy.Require(t), file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	ready := func() bool {
		resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/ready", admin))
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}
	if err := p.WaitFor(30*time.Second, ready); err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(8443+offset))
}

// client is a certificate for a browser.
type client struct {
	t      *testing.T
	roots  []byte // its authority, PEM
	bundle string // a file of PKCS #12 without a password
}

func newClient(t *testing.T) *client {
	t.Helper()
	for _, needed := range certificateTools {
		needed.Require(t)
	}
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	ca := authority.New(t, "client authority")
	cert, key := authority.PEM(t, ca.Issue(&x509.Certificate{
		Subject: pkix.Name{CommonName: "ann"}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}))
	for name, data := range map[string][]byte{"ann.crt": cert, "ann.key": key} {
		if err := os.WriteFile(path(name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	runTool(t, "openssl", "pkcs12", "-export", "-in", path("ann.crt"), "-inkey", path("ann.key"), "-name", "ann", "-out", path("ann.p12"), "-passout", "pass:")
	return &client{t: t, roots: ca.PEM(), bundle: path("ann.p12")}
}

func runTool(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

// preferences let the browser choose a certificate without a person.
const preferences = `{"profile": {"content_settings": {"exceptions": {"auto_select_certificate": {
  "https://api.example.com:443,*": {"setting": {"filters": [{}]}}}}}}}`

// install puts the certificate into a browser's profile, which is also its home.
func (c *client) install(profile string) {
	c.t.Helper()
	db := filepath.Join(profile, ".pki", "nssdb")
	for _, dir := range []string{db, filepath.Join(profile, "Default")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			c.t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(profile, "Default", "Preferences"), []byte(preferences), 0o600); err != nil {
		c.t.Fatal(err)
	}
	runTool(c.t, "certutil", "-N", "-d", "sql:"+db, "--empty-password")
	runTool(c.t, "pk12util", "-i", c.bundle, "-d", "sql:"+db, "-W", "")
}
