package square

import (
	"fmt"
	"testing"

	"github.com/crossgate/crossgate/test/rawhttp"
)

const outlierBootstrap = `
static_resources:
  listeners:
  - name: main
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    filter_chains:
    - filters:
      - name: hcm
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: s
          http_filters: [{name: envoy.filters.http.router, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]
          route_config: {name: r, virtual_hosts: [{name: v, domains: ["*"], routes: [{match: {prefix: /}, route: {cluster: up}}]}]}
  clusters:
  - name: up
    type: STATIC
    lb_policy: ROUND_ROBIN
    common_lb_config: {healthy_panic_threshold: {}}
    outlier_detection: {consecutive_5xx: %d, enforcing_consecutive_5xx: 100, consecutive_gateway_failure: %d, enforcing_consecutive_gateway_failure: %d,
      enforcing_success_rate: 0, interval: 600s, max_ejection_percent: %d}
    load_assignment: {cluster_name: up, endpoints: [{lb_endpoints: [
      {endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: %d}}}},
      {endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: %d}}}}]}]}
`

// TestOutlierDetection compares which of two services get the requests while all
// answer with errors, for several settings.
func TestOutlierDetection(t *testing.T) {
	for _, tt := range []struct{ consecutive, gateway, enforced, percent, status int }{
		{5, 5, 0, 10, 500},
		{5, 5, 0, 100, 500},
		{5, 5, 0, 100, 503},
		{5, 5, 0, 50, 500},
		{5, 5, 0, 51, 500},
		{9, 3, 100, 60, 503},
		{9, 3, 100, 60, 500},
		{3, 3, 0, 100, 404},
		{2, 3, 0, 0, 500},
	} {
		t.Run(fmt.Sprint(tt), func(t *testing.T) {
			b := newBench(t, planesOf(t))
			second, err := rawhttp.Listen("second", b.desk)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(second.Close)
			text := fmt.Sprintf(outlierBootstrap, tt.consecutive, tt.gateway, tt.enforced, tt.percent, b.up.Port(), second.Port())
			corners, err := start(b.planes, t.TempDir(), []byte(text), b.desk)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := stop(corners); err != nil {
					t.Error(err)
				}
			})
			var seen []int
			for _, c := range corners {
				// Envoy ejects with a delay: only the last answers count.
				last := map[string]bool{}
				for i := range 24 {
					a, err := c.do(&Case{Request: Request{Method: "GET", Target: "/", Fields: rawhttp.Fields{{Name: "Host", Value: "a.test"}}}, Plan: rawhttp.Plan{Status: tt.status}})
					if err != nil {
						t.Fatal(err)
					}
					name := "-"
					for _, u := range a.Upstream {
						name = "first"
						if u.Upstream != "" {
							name = u.Upstream
						}
					}
					if i >= 16 {
						last[fmt.Sprint(name, a.Response.Status)] = true
					}
				}
				seen = append(seen, len(last))
			}
			for i, n := range seen[1:] {
				if n != seen[0] {
					t.Errorf("%s uses %d services at the end, %s %d", corners[0].Name, seen[0], corners[i+1].Name, n)
				}
			}
		})
	}
}
