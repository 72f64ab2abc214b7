package istioctl

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/crossgate/crossgate/test/envoy"
	"github.com/crossgate/crossgate/test/gate"
)

func TestMain(m *testing.M) {
	code := m.Run()
	gate.Cleanup()
	envoy.ReportSkipped()
	real.ReportSkipped()
	jq.ReportSkipped()
	os.Exit(code)
}

// shop is a configuration with something of everything that is shown: two
// gateways with HTTP and HTTPS, subsets, weights, names that sort, CORS, an
// HTTPS redirect and services with and without endpoints.
const shop = `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: shop, namespace: web}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 443, name: https, protocol: HTTPS}
    tls: {mode: SIMPLE, credentialName: shop-tls}
    hosts: [shop.example.com, "*.shop.example.com"]
  - port: {number: 80, name: http, protocol: HTTP}
    tls: {httpsRedirect: true}
    hosts: [shop.example.com]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: partners, namespace: web}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 8443, name: https-partners, protocol: HTTPS}
    tls: {mode: SIMPLE, credentialName: partners-tls}
    hosts: [partners.example.com]
  - port: {number: 9000, name: http-open, protocol: HTTP}
    hosts: ["*"]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop, namespace: web}
spec:
  hosts: [shop.example.com, partners.example.com]
  gateways: [shop, partners]
  http:
  - name: api
    match: [{uri: {prefix: /api}}, {uri: {exact: /v2}}, {uri: {regex: "/v[0-9]+/<x>&\"y\""}}]
    route:
    - {destination: {host: api, subset: v1, port: {number: 8080}}, weight: 90}
    - {destination: {host: api, subset: v2, port: {number: 8080}}, weight: 10}
    corsPolicy:
      allowOrigins: [{exact: "https://www.example.com"}, {regex: "https://[a-z]+\\.example\\.com"}]
      allowMethods: [GET, PUT]
      allowHeaders: [content-type]
      maxAge: 1h
      allowCredentials: true
    retries: {attempts: 3, perTryTimeout: 250ms, retryOn: "5xx,reset"}
    timeout: 1500ms
  - match: [{uri: {prefix: /old}}]
    redirect: {uri: /api}
  - route: [{destination: {host: web, port: {number: 80}}}]
---
apiVersion: v1
kind: Service
metadata: {name: api, namespace: web}
spec:
  ports: [{name: http, port: 8080}, {name: http-admin, port: 9090}]
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: web}
spec:
  ports: [{name: http, port: 80}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: api-1, namespace: web, labels: {kubernetes.io/service-name: api}}
addressType: IPv4
ports: [{name: http, port: 3000}, {name: http-admin, port: 3001}]
endpoints: [{addresses: [127.0.0.1]}, {addresses: [127.0.0.2]}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: api, namespace: web}
spec:
  host: api
  trafficPolicy: {loadBalancer: {simple: LEAST_REQUEST}}
  subsets: [{name: v1}, {name: v2}]
`

// words are what the views are asked for on shop.
func words(port int, address string) map[string]string {
	return map[string]string{
		"PORT": strconv.Itoa(port), "ADDRESS": address, "ROUTE": "https.443.https.shop.web",
		"CLUSTER": "outbound|8080||api.web.svc.cluster.local",
	}
}

// config writes shop to a folder and gives the test a home of its own, for the
// certificates.
func config(t *testing.T) string {
	t.Helper()
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_CONFIG_HOME", home)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "shop.yaml"), []byte(shop), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func translate(t *testing.T, dir string, args ...string) []byte {
	t.Helper()
	p := ours(t, nil, append([]string{"translate", dir, "--dev-certs"}, args...)...)
	if p.code != 0 {
		t.Fatal(p)
	}
	return []byte(p.stdout)
}

// TestOurDump compares the views on the dump that we make.
func TestOurDump(t *testing.T) {
	bin := real.Require(t)
	compare(t, bin, translate(t, config(t), "--as", "config_dump"), views, words(443, "0.0.0.0"))
}

// TestInstance compares the views on what a running crossgate serves, with
// istioctl on the same answers: istioctl reads our admin interface.
func TestInstance(t *testing.T) {
	bin := real.Require(t)
	dir := config(t)
	g := gate.Serve(t, dir, "--dev-certs")
	admin := 15000 + g.Offset()
	dump := fetch(t, admin, "/config_dump?include_eds")
	compare(t, bin, dump, views, words(443, "0.0.0.0"))
	status := fetch(t, admin, "/clusters?format=json")
	compare(t, bin, status, endpointViews, words(443, "0.0.0.0"))
	if p := istioctl(t, bin, status, "endpoints", "-f", "-"); p.code != 0 || !strings.Contains(p.stdout, "127.0.0.2:3000") {
		t.Errorf("istioctl endpoints: %s", p)
	}
	for _, view := range []string{"routes", "listeners", "clusters", "bootstrap", "secret", "all", "eds"} {
		for _, output := range []string{"short", "json", "yaml"} {
			if p := istioctl(t, bin, dump, view, "-f", "-", "-o", output); p.code != 0 || p.stdout == "" {
				t.Errorf("istioctl %s -o %s: %s", view, output, p)
			}
		}
	}
	// Asked itself, crossgate shows the same as of the dump.
	for _, view := range []string{"routes", "listeners", "clusters", "bootstrap", "secret", "all", "eds"} {
		direct := ours(t, nil, "proxy-config", view, "--port-offset", strconv.Itoa(g.Offset()))
		fromDump := ours(t, dump, "proxy-config", view, "-f", "-")
		if direct.code != 0 || direct.stdout != fromDump.stdout {
			t.Errorf("%s of the instance\n%s\nof its dump\n%s", view, direct, fromDump)
		}
	}
}

// TestEnvoyDump compares the views on what a real Envoy serves.
func TestEnvoyDump(t *testing.T) {
	bin, envoyBin := real.Require(t), envoy.Require(t)
	dir := config(t)
	admin, offset := gate.FreePort(t), 21000
	file := filepath.Join(t.TempDir(), "envoy.json")
	translate(t, dir, "--as", "bootstrap", "-o", file, "--port-offset", strconv.Itoa(offset), "--admin-address", fmt.Sprintf("127.0.0.1:%d", admin-offset))
	p, err := envoy.Start(envoyBin, file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := p.WaitFor(30*time.Second, func() bool { return ready(admin) }); err != nil {
		t.Fatal(err)
	}
	w := words(8443+offset, "127.0.0.1")
	compare(t, bin, fetch(t, admin, "/config_dump?include_eds"), views, w)
	compare(t, bin, fetch(t, admin, "/clusters?format=json"), endpointViews, w)
	// Envoy is an instance like ours.
	if p := ours(t, nil, "pc", "ep", "--proxy-admin-port", strconv.Itoa(admin), "--port", "3000"); p.code != 0 || len(p.stdout) < 100 {
		t.Errorf("endpoints of a running Envoy: %s", p)
	}
}

func ready(port int) bool {
	resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/ready", port))
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

func fetch(t *testing.T, port int, path string) []byte {
	t.Helper()
	resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d%s", port, path))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v", path, resp.Status, err)
	}
	return body
}
