package examples

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crossgate/crossgate/test/envoy"
)

// destinationRule is the complete example's, with the settings that a test is about,
// and a service of the endpoints at addresses.
func destinationRule(t *testing.T, settings string, addresses ...string) []string {
	t.Helper()
	var endpoints []string
	for _, a := range addresses {
		host, port, err := net.SplitHostPort(a)
		if err != nil {
			t.Fatal(err)
		}
		endpoints = append(endpoints, fmt.Sprintf("{address: %s, ports: {http: %s}}", host, port))
	}
	file := filepath.Join(t.TempDir(), "limits.yaml")
	text := fmt.Sprintf(`apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: api-gateway, namespace: production}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: [api.example.com]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: api-virtualservice, namespace: production}
spec:
  hosts: [api.example.com]
  gateways: [api-gateway]
  http: [{retries: {attempts: 0}, route: [{destination: {host: api-service.production.svc.cluster.local}}]}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: api-service, namespace: production}
spec:
  hosts: [api-service.production.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 8080, name: http, protocol: HTTP}]
  endpoints: [%s]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: api-destination, namespace: production}
spec:
  host: api-service
  trafficPolicy: %s
`, strings.Join(endpoints, ", "), settings)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{file}
}

// onBoth runs a test on the engine and then on Envoy.
func (s *sandbox) onBoth(t *testing.T, args []string, test func(t *testing.T)) {
	t.Helper()
	t.Run("engine", func(t *testing.T) {
		s.serve(t, args)
		test(t)
	})
	t.Run("envoy", func(t *testing.T) {
		s.serveEnvoy(t, envoy.Require(t), args)
		test(t)
	})
}

func (s *sandbox) get(path string) (*http.Response, string, error) {
	req, err := http.NewRequest(http.MethodGet, "http://127.0.0.1:"+strconv.Itoa(8080+s.offset)+path, nil)
	if err != nil {
		return nil, "", err
	}
	req.Host = "api.example.com"
	tr := &http.Transport{DisableKeepAlives: true}
	res, err := tr.RoundTrip(req)
	if err != nil {
		return nil, "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res, string(body), err
}

// holder is a service that keeps requests for /hold until it is told to go on.
type holder struct {
	addr    string
	release chan struct{}
	held    atomic.Int64
	quick   atomic.Int64
}

func newHolder(t *testing.T, h2c bool) *holder {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &holder{addr: l.Addr().String(), release: make(chan struct{})}
	var protocols http.Protocols
	protocols.SetHTTP1(!h2c)
	protocols.SetUnencryptedHTTP2(h2c)
	srv := &http.Server{Protocols: &protocols, ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/hold" {
			h.quick.Add(1)
			return
		}
		h.held.Add(1)
		defer h.held.Add(-1)
		select {
		case <-h.release:
		case <-r.Context().Done():
		}
	})}
	go srv.Serve(l) //nolint:errcheck // it ends with the test
	t.Cleanup(func() { srv.Close() })
	return h
}

// letGo ends what is held, and what comes in the next seconds.
func (h *holder) letGo() {
	end := time.After(2 * time.Second)
	go func() {
		for {
			select {
			case h.release <- struct{}{}:
			case <-end:
				return
			}
		}
	}()
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if done() {
			return
		}
	}
	t.Fatal("never happened: " + what)
}

// TestRequestLimits: what is more than connections, requests that wait and requests of
// HTTP/2 is answered 503 at once, and says that it is the load.
func TestRequestLimits(t *testing.T) {
	for _, c := range []struct {
		name, settings string
		h2c            bool
		waiting        int // how many may wait for a connection
	}{
		{"connections", "{connectionPool: {tcp: {maxConnections: 1}, http: {http1MaxPendingRequests: 1}}}", false, 1},
		{"http2", "{connectionPool: {http: {h2UpgradePolicy: UPGRADE, http2MaxRequests: 1}}}", true, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSandbox(t)
			h := newHolder(t, c.h2c)
			s.onBoth(t, destinationRule(t, c.settings, h.addr), func(t *testing.T) {
				const n = 6
				results := make(chan answer, n)
				ask := func() {
					res, body, err := s.get("/hold")
					results <- answer{res, body, err}
				}
				// A request whose connection is being made waits, too: the first one
				// must have it before the others come.
				go ask()
				waitFor(t, "a request at the service", func() bool { return h.held.Load() == 1 })
				for range n - 1 {
					go ask()
				}
				for range n - 1 - c.waiting {
					r := next(t, results)
					if r.res.StatusCode != http.StatusServiceUnavailable || r.res.Header.Get("x-envoy-overloaded") != "true" ||
						r.body != "upstream connect error or disconnect/reset before headers. reset reason: overflow" {
						t.Errorf("%s %v %q", r.res.Status, r.res.Header, r.body)
					}
				}
				for range 1 + c.waiting {
					select {
					case h.release <- struct{}{}:
					case <-time.After(10 * time.Second):
						t.Fatal("no request is held")
					}
					if r := next(t, results); r.res.StatusCode != http.StatusOK {
						t.Errorf("a request within the limits: %s", r.res.Status)
					}
				}
			})
		})
	}
}

type answer struct {
	res  *http.Response
	body string
	err  error
}

func next(t *testing.T, results <-chan answer) answer {
	t.Helper()
	select {
	case r := <-results:
		if r.err != nil {
			t.Fatal(r.err)
		}
		return r
	case <-time.After(10 * time.Second):
		t.Fatal("no answer")
	}
	return answer{}
}

// TestLeastRequest: of two endpoints the one with fewer requests under way gets more.
// Both of two random choices fall on the busy one in a quarter of all cases; by turns it
// would be half.
func TestLeastRequest(t *testing.T) {
	s := newSandbox(t)
	busy, idle := newHolder(t, false), newHolder(t, false)
	close(idle.release) // It holds nothing.
	s.onBoth(t, destinationRule(t, "{loadBalancer: {simple: LEAST_REQUEST}}", busy.addr, idle.addr), func(t *testing.T) {
		var asked sync.WaitGroup
		defer asked.Wait()
		defer busy.letGo()
		waitFor(t, "requests at the busy endpoint", func() bool {
			asked.Go(func() { s.get("/hold") }) //nolint:errcheck // it is there to be under way
			return busy.held.Load() >= 5
		})
		before := busy.quick.Load()
		const n = 400
		for range n {
			if res, _, err := s.get("/quick"); err != nil || res.StatusCode != http.StatusOK {
				t.Fatal(res, err)
			}
		}
		// Five standard deviations around a quarter.
		if got := float64(busy.quick.Load()-before) / n; got < 0.14 || got > 0.36 {
			t.Errorf("the busy endpoint got %.2f of the requests, want about a quarter", got)
		}
	})
}
