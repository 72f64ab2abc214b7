package examples

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/crossgate/crossgate/test/authority"
)

// clientOf returns a certificate for clients.
func clientOf(ca *authority.Authority, name string) *tls.Certificate {
	c := ca.Issue(&x509.Certificate{
		Subject: pkix.Name{CommonName: name}, DNSNames: []string{name + ".clients.example"},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	return &c
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
	ca, other := authority.New(t, "clients"), authority.New(t, "others")
	server := authority.New(t, "servers").Issue(&x509.Certificate{Subject: pkix.Name{CommonName: "shop"}, DNSNames: []string{"shop.example.com"}})
	cert, key := authority.PEM(t, server)
	roots := ca.PEM()
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
	clients := map[string]*tls.Certificate{"with": clientOf(ca, "ann"), "without": nil, "another authority": clientOf(other, "eve")}

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
