package square

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crossgate/crossgate/test/rawhttp"
)

const connectionsBootstrap = mainListener + `          route_config:
            name: r
            virtual_hosts:
            - name: v
              domains: ["*"]
              response_headers_to_add: [{header: {key: x-details, value: "%%RESPONSE_CODE_DETAILS%% %%RESPONSE_FLAGS%%"}}]
              routes: [{match: {prefix: /}, route: {cluster: up, %s}}]
  clusters:
  - name: up
    type: STATIC
    connect_timeout: 1s
    %s
    load_assignment: {cluster_name: up, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: %d}}}}]}]}
`

// options are typed_extension_protocol_options of a cluster.
func options(common, protocol string) string {
	return `typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {"@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, ` +
		common + protocol + `}}`
}

const (
	http1Options  = `explicit_http_config: {http_protocol_options: {}}`
	http2Options  = `explicit_http_config: {http2_protocol_options: {}}`
	clientOptions = `use_downstream_protocol_config: {http_protocol_options: {}, http2_protocol_options: {}}`
)

// connections is a service of both protocols that knows its connections.
type connections struct {
	port int

	mu    sync.Mutex
	all   []*connection
	fails int // how many requests are answered with 503 before the others
	hold  chan struct{}
}

type connection struct {
	requests int
	closed   bool
	saw      []string
}

type connectionKey struct{}

func serveConnections(t *testing.T) *connections {
	t.Helper()
	c := &connections{}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c.port = ln.Addr().(*net.TCPAddr).Port
	var p http.Protocols
	p.SetHTTP1(true)
	p.SetUnencryptedHTTP2(true)
	byConn := map[net.Conn]*connection{}
	srv := &http.Server{
		Protocols: &p, ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(c.answer),
		ConnContext: func(ctx context.Context, nc net.Conn) context.Context {
			one := &connection{}
			c.mu.Lock()
			defer c.mu.Unlock()
			byConn[nc] = one
			c.all = append(c.all, one)
			return context.WithValue(ctx, connectionKey{}, one)
		},
		ConnState: func(nc net.Conn, s http.ConnState) {
			c.mu.Lock()
			defer c.mu.Unlock()
			if one := byConn[nc]; one != nil && s == http.StateClosed {
				one.closed = true
			}
		},
	}
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(func() { _ = srv.Close() })
	return c
}

func (c *connections) answer(w http.ResponseWriter, r *http.Request) {
	one := r.Context().Value(connectionKey{}).(*connection)
	c.mu.Lock()
	one.requests++
	one.saw = append(one.saw, fmt.Sprint(r.Proto, r.Header["Connection"], r.Close))
	fail := c.fails > 0
	if fail {
		c.fails--
	}
	hold := c.hold
	c.mu.Unlock()
	switch {
	case fail:
		w.WriteHeader(503)
	case r.URL.Path == "/slow":
		time.Sleep(700 * time.Millisecond)
	case hold != nil:
		<-hold
	}
}

// reset forgets the connections.
func (c *connections) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = nil
}

// tell describes the connections: how many requests each has carried, what these
// looked like, and whether it is closed.
func (c *connections) tell() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []string
	for _, one := range c.all {
		if one.requests == 0 {
			continue
		}
		end := "open"
		if one.closed {
			end = "closed"
		}
		out = append(out, fmt.Sprintf("%d requests %v %s", one.requests, slices.Compact(one.saw), end))
	}
	return strings.Join(out, "; ")
}

// TestConnectionsToServices compares how long connections to services live.
func TestConnectionsToServices(t *testing.T) {
	for _, tt := range []struct {
		name, common string
		targets      []string
		wait         time.Duration
	}{
		{"no limit", "", []string{"/", "/", "/"}, 0},
		{"requests", `common_http_protocol_options: {max_requests_per_connection: 3}, `, []string{"/", "/", "/", "/", "/", "/", "/"}, 100 * time.Millisecond},
		{"one request", `common_http_protocol_options: {max_requests_per_connection: 1}, `, []string{"/", "/"}, 100 * time.Millisecond},
		{"idle", `common_http_protocol_options: {idle_timeout: 0.6s}, `, []string{"/", "/slow"}, 1200 * time.Millisecond},
		{"never idle", `common_http_protocol_options: {idle_timeout: 0s}, `, []string{"/", "/"}, time.Second},
		{"duration, idle", `common_http_protocol_options: {max_connection_duration: 0.6s}, `, []string{"/", "/"}, time.Second},
		{"duration, busy", `common_http_protocol_options: {max_connection_duration: 0.3s}, `, []string{"/", "/slow", "/"}, 0},
	} {
		for protocol, option := range map[string]string{"HTTP1": http1Options, "HTTP2": http2Options} {
			t.Run(tt.name+" "+protocol, func(t *testing.T) {
				t.Parallel()
				b, service := newBench(t, planesOf(t)), serveConnections(t)
				var seen []string
				for _, c := range b.corners(fmt.Sprintf(connectionsBootstrap, "timeout: 5s", options(tt.common, option), service.port)) {
					service.reset()
					for _, target := range tt.targets {
						a, err := c.do(&Case{Request: Request{Method: "GET", Target: target, Fields: rawhttp.Fields{{Name: "Host", Value: "a.test"}}}})
						if err != nil || a.Response.Status != 200 {
							t.Fatalf("%s: %v %v", c.Name, a.Lines(), err)
						}
						time.Sleep(30 * time.Millisecond) // the connection is idle again
					}
					time.Sleep(tt.wait)
					seen = append(seen, service.tell())
				}
				same(t, seen)
			})
		}
	}
}

// same fails unless all corners have seen the same.
func same(t *testing.T, seen []string) {
	t.Helper()
	t.Log(seen[0])
	for _, s := range seen[1:] {
		if s != seen[0] {
			t.Errorf("the first corner: %s\nanother:          %s", seen[0], s)
		}
	}
}

// TestServicesInTheClientsProtocol: use_downstream_protocol_config.
func TestServicesInTheClientsProtocol(t *testing.T) {
	b, service := newBench(t, planesOf(t)), serveConnections(t)
	var seen []string
	for _, c := range b.corners(fmt.Sprintf(connectionsBootstrap, "timeout: 5s", options("", clientOptions), service.port)) {
		service.reset()
		for _, do := range []func(*Case) (Answer, error){c.do, c.doHTTP2, c.do, c.doHTTP2} {
			a, err := do(&Case{Request: Request{Method: "GET", Target: "/", Fields: rawhttp.Fields{{Name: "Host", Value: "a.test"}}}})
			if err != nil || a.Response.Status != 200 {
				t.Fatalf("%s: %v %v", c.Name, a.Lines(), err)
			}
		}
		seen = append(seen, service.tell())
	}
	same(t, seen)
}

// TestKeepaliveProbes: the kernel's timer of the connection to the service says that
// it probes, and when.
func TestKeepaliveProbes(t *testing.T) {
	if _, err := os.Stat("/proc/net/tcp"); err != nil {
		t.Skip("/proc/net/tcp shows the timers of sockets, and is not here")
	}
	for _, option := range []string{"", "upstream_connection_options: {tcp_keepalive: {keepalive_time: 40, keepalive_interval: 5, keepalive_probes: 2}}"} {
		b, service := newBench(t, planesOf(t)), serveConnections(t)
		var seen []string
		for _, c := range b.corners(fmt.Sprintf(connectionsBootstrap, "timeout: 5s", option, service.port)) {
			before := timers(t, service.port)
			if _, err := c.do(&Case{Request: Request{Method: "GET", Target: "/", Fields: rawhttp.Fields{{Name: "Host", Value: "a.test"}}}}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(300 * time.Millisecond) // the last acknowledgement, and its timer
			after := timers(t, service.port)
			for port := range before {
				delete(after, port)
			}
			if len(after) != 1 {
				t.Fatalf("%s: %v", c.Name, after)
			}
			for _, timer := range after {
				seen = append(seen, timer)
			}
		}
		same(t, seen)
	}
}

// timers are the timers of the connections to a port, by their own port.
func timers(t *testing.T, to int) map[string]string {
	t.Helper()
	f, err := os.Open("/proc/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out := map[string]string{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 7 || fields[2] != fmt.Sprintf("0100007F:%04X", to) || fields[3] != "01" {
			continue
		}
		var kind, when int64
		if _, err := fmt.Sscanf(fields[5], "%x:%x", &kind, &when); err != nil {
			t.Fatal(err)
		}
		out[fields[1]] = fmt.Sprintf("timer %d in about %d s", kind, (when+500)/1000*10)
	}
	return out
}

// TestRetriesUnderWay compares how many requests are retried at a time, and what
// becomes of the others.
func TestRetriesUnderWay(t *testing.T) {
	for _, tt := range []struct{ name, thresholds string }{
		{"max_retries", "max_retries: 2"},
		{"none", "max_retries: 0"},
		{"the least of a budget", "max_retries: 1, retry_budget: {budget_percent: {value: 10}, min_retry_concurrency: 4}"},
		{"a budget", "retry_budget: {budget_percent: {value: 40}, min_retry_concurrency: 1}"},
		{"the defaults of a budget", "retry_budget: {}"},
		{"a budget with an interval", "retry_budget: {budget_percent: {value: 50}, budget_interval: 10s, min_retry_concurrency: 1}"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b, service := newBench(t, planesOf(t)), serveConnections(t)
			text := fmt.Sprintf(connectionsBootstrap, "timeout: 20s, retry_policy: {retry_on: 5xx, num_retries: 1, retry_back_off: {base_interval: 0.001s}}",
				"circuit_breakers: {thresholds: [{"+tt.thresholds+"}]}", service.port)
			var seen []string
			for _, c := range b.corners(text) {
				seen = append(seen, retried(t, c, service))
			}
			same(t, seen)
		})
	}
}

// retried sends requests that fail once, one after the other; their retries are held.
func retried(t *testing.T, c *Corner, service *connections) string {
	t.Helper()
	const requests = 12
	hold := make(chan struct{})
	service.reset()
	service.mu.Lock()
	service.hold = hold
	service.mu.Unlock()
	answers := make(chan string, requests)
	for i := range requests {
		service.mu.Lock()
		service.fails = 1
		service.mu.Unlock()
		go func() {
			a, err := c.do(&Case{Request: Request{Method: "GET", Target: "/", Fields: rawhttp.Fields{{Name: "Host", Value: "a.test"}}}})
			if err != nil {
				t.Error(err)
			}
			details, _ := a.Response.Fields.Get("x-details")
			answers <- fmt.Sprint(a.Response.Status, " ", details)
		}()
		// It has failed, and its retry is under way or it was answered.
		settled := func() bool {
			service.mu.Lock()
			defer service.mu.Unlock()
			n := len(answers)
			for _, one := range service.all {
				n += one.requests
			}
			return service.fails == 0 && n >= 2*(i+1)
		}
		for deadline := time.Now().Add(5 * time.Second); !settled(); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: request %d does not settle", c.Name, i)
			}
		}
	}
	service.mu.Lock()
	service.hold = nil
	service.mu.Unlock()
	close(hold)
	counts := map[string]int{}
	for range requests {
		counts[<-answers]++
	}
	return fmt.Sprint(counts)
}
