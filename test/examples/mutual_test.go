package examples

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// authority signs certificates for a test.
type authority struct {
	t    *testing.T
	leaf *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{t: t}
	pair := a.sign(&x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	a.leaf, a.key = pair.Leaf, pair.PrivateKey.(*ecdsa.PrivateKey)
	return a
}

func (a *authority) sign(template *x509.Certificate) *tls.Certificate {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, by := a.leaf, a.key
	if parent == nil {
		parent, by = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), by)
	if err != nil {
		a.t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// client returns a certificate for clients.
func (a *authority) client(name string) *tls.Certificate {
	return a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: name}, DNSNames: []string{name + ".clients.example"},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
}

func certificatePEM(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

func keyPEM(t *testing.T, c *tls.Certificate) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// secret writes a Secret of the gateway's namespace.
func secret(name string, data map[string][]byte) string {
	var b strings.Builder
	fmt.Fprintf(&b, "---\napiVersion: v1\nkind: Secret\nmetadata: {name: %s, namespace: istio-system}\ndata:\n", name)
	for key, value := range data {
		fmt.Fprintf(&b, "  %s: %s\n", key, base64.StdEncoding.EncodeToString(value))
	}
	return b.String()
}

// mutualGateway is a Gateway that asks clients for certificates, as people write
// it; %s is its tls.
const mutualGateway = `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: shop}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 443, name: https, protocol: HTTPS}
    hosts: [shop.example.com]
    tls: %s
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop, namespace: shop}
spec:
  hosts: [shop.example.com]
  gateways: [edge]
  http:
  - corsPolicy:
      allowOrigins: [{exact: "https://app.example.com"}]
      allowMethods: [GET, PUT]
      allowCredentials: true
    route: [{destination: {host: backend, port: {number: 80}}}]
`

// TestMutualGateway serves Gateways of mode MUTUAL and OPTIONAL_MUTUAL from plain
// YAML, the authority in the Secret, in a Secret NAME-cacert, and in files: which
// clients are let in, what the service is told of them, and that preflights need
// a certificate like everything else. A stock Envoy runs the same bootstrap.
func TestMutualGateway(t *testing.T) {
	ca, other := newAuthority(t, "clients"), newAuthority(t, "others")
	server := newAuthority(t, "servers").sign(&x509.Certificate{Subject: pkix.Name{CommonName: "shop"}, DNSNames: []string{"shop.example.com"}})
	cert, key, roots := certificatePEM(server.Leaf), keyPEM(t, server), certificatePEM(ca.leaf)
	dir := t.TempDir()
	inFile := func(name string, data []byte) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	files := fmt.Sprintf("{mode: MUTUAL, serverCertificate: %s, privateKey: %s, caCertificates: %s}",
		inFile("tls.crt", cert), inFile("tls.key", key), inFile("ca.crt", roots))
	whole := secret("edge", map[string][]byte{"tls.crt": cert, "tls.key": key, "ca.crt": roots})
	clients := map[string]*tls.Certificate{"with": ca.client("ann"), "without": nil, "another authority": other.client("eve")}

	for name, c := range map[string]struct {
		tls, secrets string
		optional     bool
	}{
		"ca.crt in the Secret": {tls: "{mode: MUTUAL, credentialName: edge}", secrets: whole},
		"a Secret NAME-cacert": {
			tls:     "{mode: MUTUAL, credentialName: edge}",
			secrets: secret("edge", map[string][]byte{"tls.crt": cert, "tls.key": key}) + secret("edge-cacert", map[string][]byte{"ca.crt": roots}),
		},
		"files":    {tls: files},
		"optional": {tls: "{mode: OPTIONAL_MUTUAL, credentialName: edge}", secrets: whole, optional: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSandbox(t)
			config := filepath.Join(t.TempDir(), "config.yaml")
			if err := os.WriteFile(config, []byte(fmt.Sprintf(mutualGateway, c.tls)+c.secrets), 0o600); err != nil {
				t.Fatal(err)
			}
			s.onBoth(t, []string{config, "--upstream", "backend.shop=" + s.backend}, func(t *testing.T) {
				for name, client := range clients {
					letIn := name == "with" || name == "without" && c.optional
					for _, preflight := range []bool{false, true} {
						s.mutualRequest(t, name, client, preflight, letIn)
					}
				}
			})
		})
	}
}

// mutualRequest sends a request with a client's certificate on a connection of its
// own and checks whether it is answered.
func (s *sandbox) mutualRequest(t *testing.T, name string, client *tls.Certificate, preflight, letIn bool) {
	t.Helper()
	config := &tls.Config{ServerName: "shop.example.com", InsecureSkipVerify: true} // the server is not what is tested
	if client != nil {
		// Whatever authorities the server names.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return client, nil }
	}
	transport := &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	method := http.MethodGet
	if preflight {
		method = http.MethodOptions
	}
	req, err := http.NewRequest(method, "https://"+net.JoinHostPort("127.0.0.1", fmt.Sprint(8443+s.offset))+"/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "shop.example.com"
	req.Header.Set("Origin", "https://app.example.com")
	// Only the gateway may say who the client is.
	req.Header.Set("X-Forwarded-Client-Cert", "Hash=0000;Subject=\"CN=root\"")
	if preflight {
		req.Header.Set("Access-Control-Request-Method", "PUT")
	}
	resp, err := (&http.Client{Transport: transport, Timeout: 10 * time.Second}).Do(req)
	if err != nil {
		// In TLS 1.3 a client may write its request before it reads that it is refused.
		refused := strings.Contains(err.Error(), "tls: ") || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)
		if letIn || !refused {
			t.Errorf("%s, preflight %v: %v", name, preflight, err)
		}
		return
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	switch {
	case !letIn || resp.StatusCode != http.StatusOK:
		t.Errorf("%s, preflight %v: status %d", name, preflight, resp.StatusCode)
	case resp.Header.Get("Access-Control-Allow-Origin") != "https://app.example.com":
		t.Errorf("%s, preflight %v: no access-control-allow-origin in %v", name, preflight, resp.Header)
	case preflight:
	case bytes.Contains(body, []byte("CN=root")):
		t.Errorf("%s: the service believes the client: %s", name, body)
	case client != nil:
		sum := sha256.Sum256(client.Certificate[0])
		if !bytes.Contains(body, []byte("Hash="+hex.EncodeToString(sum[:]))) {
			t.Errorf("%s: the service is not told of the certificate: %s", name, body)
		}
	}
}
