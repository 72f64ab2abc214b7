package examples

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/crossgate/crossgate/test/authority"
)

// serveTLS serves what the handshake has shown; it asks for a client certificate of
// the authority and, if it is told so, requires one.
func serveTLS(t *testing.T, ca *authority.Authority, template *x509.Certificate, requires bool) string {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AddCert(ca.Cert)
	cfg := &tls.Config{Certificates: []tls.Certificate{ca.Issue(template)}, ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: pool, NextProtos: []string{"h2", "http/1.1"}}
	if requires {
		cfg.ClientAuth, cfg.MaxVersion = tls.RequireAndVerifyClientCert, tls.VersionTLS12
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{TLSConfig: cfg, ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0), Handler: http.HandlerFunc(saw)}
	go srv.ServeTLS(ln, "", "") //nolint:errcheck // it ends with the test
	t.Cleanup(func() { srv.Close() })
	return ln.Addr().String()
}

func saw(w http.ResponseWriter, r *http.Request) {
	client := "none"
	if c := r.TLS.PeerCertificates; len(c) > 0 {
		client = c[0].Subject.CommonName
	}
	fmt.Fprintf(w, "%s, server name %q, client certificate %s", r.Proto, r.TLS.ServerName, client)
}

func indent(b []byte) string {
	return "    " + strings.ReplaceAll(strings.TrimSpace(string(b)), "\n", "\n    ")
}

func write(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// secretYAML is a Secret of the gateway's namespace.
func secretYAML(name string, values ...any) string {
	text := "---\napiVersion: v1\nkind: Secret\nmetadata: {name: " + name + ", namespace: istio-system}\nstringData:\n"
	for i := 0; i < len(values); i += 2 {
		text += fmt.Sprintf("  %s: |\n%s\n", values[i], indent(values[i+1].([]byte)))
	}
	return text
}

// tlsCase is a service behind a DestinationRule.
type tlsCase struct {
	name, port, address, tls, rewrite string
	want                              string // of the body; empty: 503
}

// apiRoutes begins a configuration: a gateway, and the VirtualService whose routes follow.
const apiRoutes = `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: api-gateway, namespace: production}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: [api.example.com]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: api, namespace: production}
spec:
  hosts: [api.example.com]
  gateways: [api-gateway]
  http:
`

func tlsConfig(cases []tlsCase) string {
	text := apiRoutes
	for _, c := range cases {
		rewrite := ""
		if c.rewrite != "" {
			rewrite = "rewrite: {authority: " + c.rewrite + "}, "
		}
		text += fmt.Sprintf("  - {match: [{uri: {exact: /%s}}], retries: {attempts: 0}, %sroute: [{destination: {host: %s.production.svc.cluster.local}}]}\n", c.name, rewrite, c.name)
	}
	for _, c := range cases {
		_, port, _ := net.SplitHostPort(c.address)
		text += fmt.Sprintf(`---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: %[1]s, namespace: production}
spec:
  hosts: [%[1]s.production.svc.cluster.local]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{number: 443, name: %[2]s, protocol: %[3]s}]
  endpoints: [{address: 127.0.0.1, ports: {%[2]s: %[4]s}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: %[1]s, namespace: production}
spec:
  host: %[1]s.production.svc.cluster.local
  trafficPolicy: {%[5]s}
`, c.name, c.port, strings.ToUpper(c.port), port, c.tls)
	}
	return text
}

// TestTLSToServices: what DestinationRules ask of connections to services, by the
// engine and by an Envoy with the same configuration.
func TestTLSToServices(t *testing.T) {
	ca, other := authority.New(t, "test authority"), authority.New(t, "test authority")
	names := &x509.Certificate{Subject: pkix.Name{CommonName: "service"}, DNSNames: []string{"service.test"}}
	service, required := serveTLS(t, ca, names, false), serveTLS(t, ca, names, true)
	dir := t.TempDir()
	file := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		write(t, path, data)
		return path
	}
	cert, key := authority.PEM(t, ca.Issue(&x509.Certificate{Subject: pkix.Name{CommonName: "gateway"}}))
	trusted, foreign := file("ca.pem", ca.PEM()), file("other.pem", other.PEM())
	certFile, keyFile := file("cert.pem", cert), file("key.pem", key)
	const plain, shown = `, server name "service.test", client certificate none`, `, server name "service.test", client certificate gateway`

	cases := []tlsCase{
		{"files", "http", service, "tls: {mode: SIMPLE, sni: service.test, caCertificates: " + trusted + "}", "", "HTTP/1.1" + plain},
		{"foreign", "http", service, "tls: {mode: SIMPLE, sni: service.test, caCertificates: " + foreign + "}", "", ""},
		{"name", "http", service, "tls: {mode: SIMPLE, sni: service.test, subjectAltNames: [service.test], caCertificates: " + trusted + "}", "", "HTTP/1.1" + plain},
		{"wrong-name", "http", service, "tls: {mode: SIMPLE, sni: service.test, subjectAltNames: [x.test], caCertificates: " + trusted + "}", "", ""},
		{"by-request", "http", service, "tls: {mode: SIMPLE, caCertificates: " + trusted + "}", "service.test", "HTTP/1.1" + plain},
		{"by-wrong-request", "http", service, "tls: {mode: SIMPLE, caCertificates: " + trusted + "}", "", ""},
		{"system", "http", service, "tls: {mode: SIMPLE, sni: service.test}", "", ""},
		{"unverified", "http", service, "tls: {mode: SIMPLE, sni: service.test, insecureSkipVerify: true}", "", "HTTP/1.1" + plain},
		{"h2", "http2", service, "tls: {mode: SIMPLE, sni: service.test, caCertificates: " + trusted + "}", "", "HTTP/2.0" + plain},
		{"port", "http", service, "portLevelSettings: [{port: {number: 443}, tls: {mode: SIMPLE, sni: service.test, caCertificates: " + trusted + "}}]", "", "HTTP/1.1" + plain},
		{"credential", "http", service, "tls: {mode: SIMPLE, sni: service.test, credentialName: authority}", "", "HTTP/1.1" + plain},
		{"no-credential", "http", service, "tls: {mode: SIMPLE, sni: service.test, credentialName: missing}", "", ""},
		{"without", "http", required, "tls: {mode: SIMPLE, sni: service.test, caCertificates: " + trusted + "}", "", ""},
		{"mutual", "http", required, "tls: {mode: MUTUAL, sni: service.test, caCertificates: " + trusted + ", clientCertificate: " + certFile + ", privateKey: " + keyFile + "}", "", "HTTP/1.1" + shown},
		{"mutual-h2", "http2", required, "tls: {mode: MUTUAL, sni: service.test, caCertificates: " + trusted + ", clientCertificate: " + certFile + ", privateKey: " + keyFile + "}", "", "HTTP/2.0" + shown},
		{"mutual-credential", "http", required, "tls: {mode: MUTUAL, sni: service.test, credentialName: both}", "", "HTTP/1.1" + shown},
		{"mesh", "http", service, "tls: {mode: ISTIO_MUTUAL}", "", ""},
		{"in-the-clear", "http", service, "tls: {mode: DISABLE}", "", "Client sent an HTTP request to an HTTPS server.\n"},
	}
	config := file("config.yaml", []byte(tlsConfig(cases)+secretYAML("authority", "ca.crt", ca.PEM())+secretYAML("both", "tls.crt", cert, "tls.key", key, "ca.crt", ca.PEM())))
	s := newSandbox(t)
	s.onBoth(t, []string{config}, func(t *testing.T) {
		for _, c := range cases {
			res, body, err := s.get("/" + c.name)
			switch {
			case err != nil:
				t.Errorf("%s: %v", c.name, err)
			case c.want == "" && res.StatusCode != 503, c.want != "" && body != c.want:
				t.Errorf("%s: %d %s, want %q", c.name, res.StatusCode, body, c.want)
			}
		}
	})
}

// TestTheAuthorityOfAServiceChanges: a Secret that is replaced takes effect in a
// running gateway, and one that is spoilt costs nothing.
func TestTheAuthorityOfAServiceChanges(t *testing.T) {
	ca, other := authority.New(t, "test authority"), authority.New(t, "test authority")
	service := serveTLS(t, ca, &x509.Certificate{DNSNames: []string{"service.test"}}, false)
	dir := t.TempDir()
	cases := []tlsCase{{name: "credential", port: "http", address: service, tls: "tls: {mode: SIMPLE, sni: service.test, credentialName: authority}"}}
	write(t, filepath.Join(dir, "config.yaml"), []byte(tlsConfig(cases)))
	secret := func(ca []byte) {
		t.Helper()
		// Renamed into place, as editors and kubelets do.
		tmp := filepath.Join(t.TempDir(), "secret.yaml")
		write(t, tmp, []byte(secretYAML("authority", "ca.crt", ca)))
		if err := os.Rename(tmp, filepath.Join(dir, "secret.yaml")); err != nil {
			t.Fatal(err)
		}
	}
	secret(other.PEM())
	s := newSandbox(t)
	s.serve(t, []string{dir})
	status := func() int {
		res, _, err := s.get("/credential")
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode
	}
	if got := status(); got != 503 {
		t.Fatalf("with a foreign authority: %d", got)
	}
	secret(bytes.Join([][]byte{other.PEM(), ca.PEM()}, nil))
	waitFor(t, "the right authority", func() bool { return status() == 200 })
	secret([]byte("nonsense"))
	for end := time.Now().Add(time.Second); time.Now().Before(end); {
		if got := status(); got != 200 {
			t.Fatalf("with a spoilt Secret: %d", got)
		}
	}
}
