package browser

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/crossgate/crossgate/test/envoy"
	"github.com/crossgate/crossgate/test/gate"
)

// gateway is the guide's Gateway of document 14, and plain HTTP for the runner,
// which waits for that port.
const gateway = `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: api-gateway, namespace: production}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 443, name: https, protocol: HTTPS}
    tls: {mode: SIMPLE, credentialName: api-tls-secret}
    hosts: [api.example.com]
  - port: {number: 80, name: http, protocol: HTTP}
    hosts: [api.example.com]
---
`

// api is where the pages find the API.
const api = "https://api.example.com"

// service is behind the gateway and remembers what reached it.
type service struct {
	mu       sync.Mutex
	requests []*http.Request
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests = append(s.requests, r.Clone(r.Context()))
	s.mu.Unlock()
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Request-Id", "the-id")
	h.Set("X-Secret", "hidden")
	h.Set("Set-Cookie", "session=s3cr3t; Path=/; Secure; HttpOnly")
	// Without it a page of another origin does not see which protocol was used.
	h.Set("Timing-Allow-Origin", "*")
	fmt.Fprintf(w, `{"user":"ann","cookie":%q}`, r.Header.Get("Cookie"))
}

// got returns the requests with a path, in their order.
func (s *service) got(path string) []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.requests), func(r *http.Request) bool { return r.URL.Path != path })
}

// stage is a gateway with a service behind it, and pages in a browser.
type stage struct {
	t       *testing.T
	gate    *gate.Gate
	service *service
	browser *chromium
	// hosts and keys are what the browser was started with, the API's first;
	// upstream is the gateway's flag.
	hosts, keys []string
	upstream    string
	file        string
	marks       int
}

// guideDocument returns a document of the guide as it is written.
func guideDocument(t *testing.T, name string) string {
	t.Helper()
	a, err := txtar.ParseFile(filepath.Join(envoy.Root(), "test", "scripts", "guide", name+".txtar"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range a.Files {
		if f.Name == "guide.yaml" {
			return string(f.Data)
		}
	}
	t.Fatalf("%s has no guide.yaml", name)
	return ""
}

// play starts everything: crossgate with the VirtualService, and a browser in
// which every host shows an empty page, but for the API's.
func play(t *testing.T, virtualService string) *stage {
	t.Helper()
	return playProfile(t, virtualService, "hardened")
}

// playProfile is play with a profile.
func playProfile(t *testing.T, virtualService, profile string) *stage {
	t.Helper()
	browserTool.Require(t)
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_CONFIG_HOME", home)
	s := &stage{t: t, service: new(service), file: filepath.Join(t.TempDir(), "config.yaml")}
	backend := httptest.NewServer(s.service)
	t.Cleanup(backend.Close)
	pages := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<!doctype html><link rel=icon href=data:,><title>a page</title>")
	}))
	t.Cleanup(pages.Close)
	s.write(t, virtualService)
	s.upstream = "api-service.production=" + address(t, backend.URL)
	s.gate = gate.Serve(t, s.file, "--dev-certs", "--access-log", "--upstream", s.upstream, "--profile", profile)
	// The port for HTTPS may come a moment after the one for HTTP.
	https := func() bool {
		c, err := net.DialTimeout("tcp", s.gate.Addr(443), time.Second)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	}
	if err := s.gate.WaitFor(20*time.Second, https); err != nil {
		t.Fatal(err)
	}
	s.hosts = []string{
		"MAP api.example.com:443 " + s.gate.Addr(443),
		"MAP *:443 " + address(t, pages.URL),
	}
	s.keys = []string{keyOf(certificate(t, s.gate.Addr(443))), keyOf(pages.Certificate())}
	s.browser = start(t, s.hosts, s.keys)
	return s
}

func (s *stage) write(t *testing.T, virtualService string) {
	t.Helper()
	// In one step: the gateway must not see half of it.
	next := s.file + ".next"
	if err := os.WriteFile(next, []byte(gateway+virtualService), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, s.file); err != nil {
		t.Fatal(err)
	}
}

// change replaces the VirtualService and waits until the gateway says so.
func (s *stage) change(t *testing.T, virtualService string) {
	t.Helper()
	const applied = "configuration applied"
	before := strings.Count(s.gate.Output(), applied)
	s.write(t, virtualService)
	if err := s.gate.WaitFor(10*time.Second, func() bool { return strings.Count(s.gate.Output(), applied) > before }); err != nil {
		t.Fatal(err)
	}
}

func address(t *testing.T, raw string) string {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

// certificate returns the one that a server shows for the API.
func certificate(t *testing.T, addr string) *x509.Certificate {
	t.Helper()
	conn, err := tls.Dial("tcp", addr, &tls.Config{ServerName: "api.example.com", InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0]
}

func keyOf(c *x509.Certificate) string {
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// logged returns how many requests with a method and path the gateway has
// answered, by its access log.
func (s *stage) logged(method, path string) int {
	s.t.Helper()
	s.settle()
	return strings.Count(s.gate.Output(), `"`+method+" "+path+" ")
}

// settle waits until everything that was sent before is in the log: it sends one
// more request and waits for that.
func (s *stage) settle() {
	s.t.Helper()
	s.marks++
	mark := fmt.Sprintf("/mark-%d-%d", os.Getpid(), s.marks)
	req, err := http.NewRequest(http.MethodGet, "http://"+s.gate.Addr(80)+mark, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Host = "api.example.com"
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	resp.Body.Close()
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(s.gate.Output(), mark+" "); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("the access log does not show a request:\n%s", s.gate.Output())
		}
	}
}
