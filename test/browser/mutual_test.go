package browser

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/crossgate/crossgate/test/envoy"
	"github.com/crossgate/crossgate/test/gate"
)

// TestMutual shows what this Chromium does behind a gateway that demands client
// certificates: it sends one with preflights too, although the Fetch standard
// says that a preflight has no credentials; Firefox does as the standard says, and
// there such a page cannot send anything that needs a preflight.
func TestMutual(t *testing.T) {
	s := play(t, guideDocument(t, "08-api-cors-credentials"))
	client := newClient(t)
	for name, start := range map[string]func(t *testing.T, bootstrap string) (*envoy.Process, error){
		"crossgate": func(t *testing.T, bootstrap string) (*envoy.Process, error) {
			return envoy.Run(exec.Command(gate.Binary(t), "proxy", "-c", bootstrap))
		},
		"envoy": func(t *testing.T, bootstrap string) (*envoy.Process, error) {
			return envoy.Start(envoy.Require(t), bootstrap)
		},
	} {
		t.Run(name, func(t *testing.T) {
			testMutual(t, s, client, mutualGateway(t, s, client.authority, start), "/api/"+name)
		})
	}
}

// testMutual sends PUTs to a path of the gateway, from browsers that have nothing
// in their caches: the preflight is the first that they send.
func testMutual(t *testing.T, s *stage, client *client, addr, path string) {
	t.Helper()
	hosts := append([]string{"MAP api.example.com:443 " + addr}, s.hosts[1:]...)
	put := fields{"method": "PUT", "credentials": "include"}
	with := start(t, hosts, s.keys, client.install).open(appPage)
	if r := with.fetch(api+path, put); r.Status != 200 {
		t.Errorf("a PUT of a browser with a certificate: %+v", r)
	}
	if n := len(s.service.got(path)); n != 1 {
		t.Errorf("%d requests reached the service, want the PUT", n)
	}
	without := start(t, hosts, s.keys).open(appPage)
	if r := without.fetch(api+path, put); r.Error == "" || !strings.Contains(r.Failed, "net::ERR_") {
		t.Errorf("a PUT of a browser without a certificate: %+v", r)
	}
	if n := len(s.service.got(path)); n != 1 {
		t.Errorf("a request without a certificate reached the service")
	}
}

// mutualGateway starts a gateway on the stage's configuration that demands a
// certificate of the authority, and returns its address.
func mutualGateway(t *testing.T, s *stage, authority string, start func(*testing.T, string) (*envoy.Process, error)) string {
	t.Helper()
	admin, offset := freePort(t), s.gate.Offset()+1000
	file := filepath.Join(t.TempDir(), "bootstrap.json")
	out, err := exec.Command(gate.Binary(t), "translate", s.file, "--dev-certs", "--as", "bootstrap", "-o", file,
		"--port-offset", strconv.Itoa(offset), "--admin-address", fmt.Sprintf("127.0.0.1:%d", admin-offset),
		"--upstream", s.upstream).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	demandCertificates(t, file, authority)
	p, err := start(t, file)
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

// demandCertificates turns the TLS of a bootstrap into that of mode MUTUAL.
func demandCertificates(t *testing.T, file, authority string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var doc any
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	found := 0
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			if kind, _ := v["@type"].(string); strings.HasSuffix(kind, ".DownstreamTlsContext") {
				found++
				v["require_client_certificate"] = true
				v["common_tls_context"].(map[string]any)["validation_context"] = map[string]any{"trusted_ca": map[string]any{"filename": authority}}
			}
			for _, e := range v {
				walk(e)
			}
		}
	}
	walk(doc)
	if found != 1 {
		t.Fatalf("%d TLS contexts in the bootstrap, want 1", found)
	}
	if data, err = json.Marshal(doc); err == nil {
		err = os.WriteFile(file, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port
}

// client is a certificate for a browser, in files.
type client struct {
	t         *testing.T
	authority string // PEM
	bundle    string // PKCS #12 without a password
}

func newClient(t *testing.T) *client {
	t.Helper()
	for _, needed := range certificateTools {
		needed.Require(t)
	}
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "client authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "ann"}, NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	caKey, leafKey := newKey(t), newKey(t)
	writePEM(t, path("ca.crt"), "CERTIFICATE", sign(t, ca, ca, caKey, caKey))
	writePEM(t, path("ann.crt"), "CERTIFICATE", sign(t, leaf, ca, leafKey, caKey))
	der, err := x509.MarshalPKCS8PrivateKey(leafKey)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, path("ann.key"), "PRIVATE KEY", der)
	runTool(t, "openssl", "pkcs12", "-export", "-in", path("ann.crt"), "-inkey", path("ann.key"), "-name", "ann", "-out", path("ann.p12"), "-passout", "pass:")
	return &client{t: t, authority: path("ca.crt"), bundle: path("ann.p12")}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t *testing.T, c, parent *x509.Certificate, key, by *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), by)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func writePEM(t *testing.T, file, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
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
