package square

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crossgate/crossgate/test/rawhttp"
)

const overflowBootstrap = mainListener + `          route_config: {name: r, virtual_hosts: [{name: v, domains: ["*"], routes: [{match: {prefix: /}, route: {cluster: up, timeout: 20s}}]}]}
          access_log:
          - name: envoy.access_loggers.stdout
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog
              log_format: {text_format_source: {inline_string: "LOG %%RESPONSE_CODE%% %%RESPONSE_FLAGS%% %%RESPONSE_CODE_DETAILS%% %%RESP(x-envoy-overloaded)%% %%UPSTREAM_TRANSPORT_FAILURE_REASON%%\n"}}
  clusters:
  - name: up
    type: STATIC
    connect_timeout: 1s
    circuit_breakers: {thresholds: [{%s}]}
    load_assignment: {cluster_name: up, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: %d}}}}]}]}
`

// TestOverflowIsLogged compares the log lines of requests that a circuit breaker
// refuses: their flag is UO.
func TestOverflowIsLogged(t *testing.T) {
	for _, tt := range []struct {
		thresholds string
		within     int // requests that are served in the end
	}{
		{"max_requests: 2", 2},
		{"max_connections: 1, max_pending_requests: 2", 3},
		{"max_requests: 0", 0},
		{"max_pending_requests: 0", 0},
	} {
		t.Run(tt.thresholds, func(t *testing.T) {
			service := serveConnections(t)
			corners, err := start(planesOf(t), t.TempDir(), fmt.Appendf(nil, overflowBootstrap, tt.thresholds, service.port), rawhttp.NewDesk())
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range corners {
				overflow(t, c, service, tt.within)
			}
			if err := stop(corners); err != nil {
				t.Error(err)
			}
			var seen []string
			for _, c := range corners {
				var lines []string
				for line := range strings.Lines(c.proc.Output()) {
					if strings.HasPrefix(line, "LOG ") {
						lines = append(lines, strings.TrimSpace(line))
					}
				}
				slices.Sort(lines)
				seen = append(seen, strings.Join(lines, "; "))
			}
			same(t, seen)
			if n := strings.Count(seen[0], "LOG 503 UO upstream_reset_before_response_started{overflow} true"); n != 5-tt.within {
				t.Errorf("%d lines have the flag UO, want %d", n, 5-tt.within)
			}
		})
	}
}

// overflow sends five requests at once, of which some are held.
func overflow(t *testing.T, c *Corner, service *connections, within int) {
	t.Helper()
	hold := make(chan struct{})
	service.reset()
	service.mu.Lock()
	service.hold = hold
	service.mu.Unlock()
	const requests = 5
	answers := make(chan int, requests)
	for i := range requests {
		go func() {
			a, err := c.do(&Case{Request: Request{Method: "GET", Target: "/", Fields: rawhttp.Fields{{Name: "Host", Value: "a.test"}}}})
			if err != nil {
				t.Error(err)
			}
			answers <- a.Response.Status
		}()
		if i > 0 {
			continue
		}
		// A request whose connection is being made is pending, too.
		for deadline := time.Now().Add(5 * time.Second); within > 0 && service.tell() == ""; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: no request comes to the service", c.Name)
			}
		}
	}
	for n := range requests {
		if n == requests-within {
			close(hold)
		}
		select {
		case status := <-answers:
			if (status == 503) != (n < requests-within) {
				t.Errorf("%s: answer %d is %d", c.Name, n, status)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s: answer %d does not come", c.Name, n)
		}
	}
}
