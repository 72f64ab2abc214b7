package prometheus

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crossgate/crossgate/test/gate"
)

// service is the api-service of the guide: it refuses preflights of one origin,
// and takes its time for that, and answers those of another.
type service struct{ refusal time.Duration }

func (s service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodOptions && r.Header.Get("Origin") == "https://refused.example":
		time.Sleep(s.refusal)
		w.WriteHeader(http.StatusForbidden)
	case r.Method == http.MethodOptions:
		w.WriteHeader(http.StatusNoContent)
	case r.URL.Path == "/api/missing":
		w.WriteHeader(http.StatusNotFound)
	case r.URL.Path == "/api/broken":
		w.WriteHeader(http.StatusNotImplemented)
	default:
		io.Copy(w, r.Body)                         //nolint:errcheck // the gateway went away
		io.WriteString(w, strings.Repeat("x", 64)) //nolint:errcheck // the same
	}
}

// startService starts a service of HTTP/2 with prior knowledge, which the guide's
// h2UpgradePolicy wants, and returns its address.
func startService(t *testing.T, h http.Handler) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	srv := &http.Server{Handler: h, Protocols: &protocols, ReadHeaderTimeout: 10 * time.Second}
	go srv.Serve(l) //nolint:errcheck // it ends with the test
	t.Cleanup(func() { srv.Close() })
	return l.Addr().String()
}

// A kind is one sort of request, and what it is counted as.
type kind struct {
	method, path, origin string
	status               int
	// unrouted requests reach no service.
	unrouted bool
}

// The requests of the guide's users.
var (
	allowed  = kind{method: "OPTIONS", path: "/api/orders", origin: "https://app.example.com", status: 200}
	admin    = kind{method: "OPTIONS", path: "/api/users", origin: "https://admin.example.com", status: 200}
	refused  = kind{method: "OPTIONS", path: "/api/orders", origin: "https://refused.example", status: 403}
	answered = kind{method: "OPTIONS", path: "/api/orders", origin: "https://partner.example", status: 204}
	read     = kind{method: "GET", path: "/api/orders", origin: "https://app.example.com", status: 200}
	foreign  = kind{method: "GET", path: "/api/orders", origin: "https://refused.example", status: 200}
	write    = kind{method: "POST", path: "/api/orders", origin: "https://app.example.com", status: 200}
	odd      = kind{method: "PURGE", path: "/api/orders", status: 200}
	missing  = kind{method: "GET", path: "/api/missing", origin: "https://app.example.com", status: 404}
	broken   = kind{method: "PUT", path: "/api/broken", status: 501}
	alive    = kind{method: "GET", path: "/health", status: 200}
	nowhere  = kind{method: "GET", path: "/nowhere", status: 404, unrouted: true}
)

// client sends requests to a gateway's port 443 as a browser would.
type client struct {
	http.Client
	mu   sync.Mutex
	sent map[kind]int // answered as expected
}

func newClient(t *testing.T, g *gate.Gate) *client {
	t.Helper()
	var protocols http.Protocols
	protocols.SetHTTP2(true)
	tr := &http.Transport{
		Protocols: &protocols,
		// The certificate is made by --dev-certs, whose authority is this user's.
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // see above
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, g.Addr(443))
		},
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &client{Client: http.Client{Transport: tr}, sent: map[kind]int{}}
}

// send sends one request and counts it if the answer is the expected one.
func (c *client) send(t *testing.T, k kind) {
	t.Helper()
	var body io.Reader
	if k.method == http.MethodPost {
		body = strings.NewReader(`{"item": 7}`)
	}
	req, err := http.NewRequestWithContext(t.Context(), k.method, "https://api.example.com"+k.path, body)
	if err != nil {
		t.Error(err)
		return
	}
	if k.origin != "" {
		req.Header.Set("Origin", k.origin)
	}
	if k.method == http.MethodOptions {
		req.Header.Set("Access-Control-Request-Method", "PUT")
	}
	res, err := c.Do(req)
	if err != nil {
		t.Error(err)
		return
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != k.status {
		t.Errorf("%s %s of %q: status %d, %v; want %d", k.method, k.path, k.origin, res.StatusCode, err, k.status)
		return
	}
	c.mu.Lock()
	c.sent[k]++
	c.mu.Unlock()
}

// warmUp sends one request for each series.
func (c *client) warmUp(t *testing.T, kinds ...kind) {
	t.Helper()
	for _, k := range kinds {
		c.send(t, k)
	}
}

// rounds sends the kinds once a round, n times, evenly over d. Requests that take
// long do not hold the others up.
func (c *client) rounds(t *testing.T, n int, d time.Duration, kinds ...kind) {
	t.Helper()
	var wg sync.WaitGroup
	tick := time.NewTicker(d / time.Duration(n))
	defer tick.Stop()
	for range n {
		for _, k := range kinds {
			wg.Go(func() { c.send(t, k) })
		}
		<-tick.C
	}
	wg.Wait()
}
