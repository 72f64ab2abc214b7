package endurance

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/crossgate/crossgate/test/gate"
	"github.com/crossgate/crossgate/test/rawhttp"
)

func TestMain(m *testing.M) {
	code := m.Run()
	gate.Cleanup()
	os.Exit(code)
}

// full reports whether the promised sizes are asked for.
func full() bool { return os.Getenv("ENDURANCE") == "full" }

const (
	host   = "api.example.com"
	origin = "https://app.example.com"
)

// services is a Gateway and a service on the loopback.
const services = `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gateway, namespace: shop}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 80, name: http, protocol: HTTP}
    hosts: ["*"]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: api, namespace: shop}
spec:
  hosts: [api.shop.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 8080, name: http, protocol: HTTP}]
  endpoints: [{address: 127.0.0.1, ports: {http: %d}}]
`

// policy is a VirtualService that carries the version n in a header of its CORS
// policy, in one of its response headers and in one of its request headers.
const policy = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: api, namespace: shop}
spec:
  hosts: [api.example.com]
  gateways: [gateway]
  http:
  - corsPolicy:
      allowOrigins: [{exact: "https://app.example.com"}]
      allowMethods: [GET, PUT]
      exposeHeaders: [v%[1]d]
      maxAge: %[1]ds
    headers:
      request: {set: {x-version: v%[1]d}}
      response: {set: {x-version: v%[1]d}}
    route: [{destination: {host: api}}]
`

// folder returns a folder with the services of the upstream's port and the first
// version of the policy.
func folder(t *testing.T, port int) string {
	t.Helper()
	dir := t.TempDir()
	replace(t, dir, "services.yaml", fmt.Sprintf(services, port))
	replace(t, dir, "policy.yaml", fmt.Sprintf(policy, 1))
	return dir
}

// replace writes a file as editors and deployments do: beside it, then renamed.
func replace(t *testing.T, dir, name, text string) {
	t.Helper()
	tmp := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(tmp, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(tmp, filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

func upstream(t *testing.T, desk *rawhttp.Desk) *rawhttp.Upstream {
	t.Helper()
	u, err := rawhttp.Listen("", desk)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(u.Close)
	return u
}

// get asks the gateway for the policy's route, on a connection of its own, and
// returns what is wrong with the answer, or "".
func get(g *gate.Gate) string {
	c, err := rawhttp.Dial(g.Addr(80), 5*time.Second)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = c.Close() }()
	resp := c.Do([]byte("GET / HTTP/1.1\r\nHost: "+host+"\r\nOrigin: "+origin+"\r\n\r\n"), "GET")
	if allowed, _ := resp.Fields.Get("access-control-allow-origin"); resp.Status != 200 || resp.End != "" || allowed != origin {
		return fmt.Sprintf("%d %s %v", resp.Status, resp.End, resp.Fields)
	}
	return ""
}

// eventually waits until ok says "" and fails with what it said last.
func eventually(t *testing.T, limit time.Duration, what string, ok func() string) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for {
		said := ok()
		if said == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v: %s", what, limit, strings.TrimSpace(said))
		}
		time.Sleep(20 * time.Millisecond)
	}
}
