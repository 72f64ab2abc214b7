package square

import (
	"cmp"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crossgate/crossgate/test/rawhttp"
)

const prioritiesBootstrap = mainListener + `          route_config: {name: r, virtual_hosts: [{name: v, domains: ["*"], routes: [{match: {prefix: /}, route: {cluster: up}}]}]}
  clusters:
  - name: up
    type: STATIC
    lb_policy: %s
    common_lb_config: {%s, update_merge_window: 0s}
    outlier_detection: {consecutive_5xx: 1, enforcing_consecutive_5xx: 100, enforcing_success_rate: 0, interval: 600s, max_ejection_percent: 100}
    load_assignment: {cluster_name: up, endpoints: [%s]}
`

// group is the endpoints of one locality.
type group struct {
	priority, weight int // weight 0: none
	hosts            string
}

// TestPriorities compares how requests are spread over priorities and localities, with
// all hosts and when those in capital letters have failed.
func TestPriorities(t *testing.T) {
	for _, tt := range []struct {
		name, config string
		groups       []group
		policy       string
	}{
		{name: "one priority", groups: []group{{hosts: "ab"}, {hosts: "c"}}},
		{name: "the first takes all", groups: []group{{hosts: "ab"}, {priority: 1, hosts: "cd"}}},
		{name: "half of the first has failed", groups: []group{{hosts: "aB"}, {priority: 1, hosts: "cd"}}},
		{name: "a third of the first has failed", groups: []group{{hosts: "abC"}, {priority: 1, hosts: "d"}}},
		{name: "the first has failed", groups: []group{{hosts: "AB"}, {priority: 1, hosts: "cd"}}},
		{name: "three, of which two have failed in part", groups: []group{{hosts: "aBC"}, {priority: 1, hosts: "dEF"}, {priority: 2, hosts: "g"}}},
		{name: "panic", config: "healthy_panic_threshold: {value: 60}", groups: []group{{hosts: "aBC"}, {priority: 1, hosts: "dEF"}}},
		{name: "all have failed", config: "healthy_panic_threshold: {value: 50}", groups: []group{{hosts: "A"}, {priority: 1, hosts: "BCD"}}},
		{name: "localities, no weights", config: "locality_weighted_lb_config: {}", groups: []group{{hosts: "ab"}, {hosts: "c"}}},
		{name: "localities by weight", config: "locality_weighted_lb_config: {}", groups: []group{{weight: 1, hosts: "ab"}, {weight: 3, hosts: "c"}}},
		{name: "weights that do not count", groups: []group{{weight: 1, hosts: "ab"}, {weight: 3, hosts: "c"}}},
		{name: "a locality without weight", config: "locality_weighted_lb_config: {}", groups: []group{{hosts: "ab"}, {weight: 3, hosts: "c"}}},
		{name: "a locality that has failed in part", config: "locality_weighted_lb_config: {}, healthy_panic_threshold: {}", groups: []group{{weight: 1, hosts: "aB"}, {weight: 1, hosts: "c"}}},
		{name: "least request", policy: "LEAST_REQUEST", groups: []group{{hosts: "aB"}, {priority: 1, hosts: "cd"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var failing atomic.Bool
			text := prioritiesText(t, tt.policy, tt.config, tt.groups, &failing)
			var shares []map[string]float64
			for _, c := range newBench(t, planesOf(t)).corners(text) {
				failing.Store(true)
				sharesOf(t, c, 150) // until all that fail are ejected
				failing.Store(false)
				shares = append(shares, sharesOf(t, c, 1500))
			}
			t.Log(shares[0])
			for _, s := range shares[1:] {
				for host := 'a'; host <= 'z'; host++ {
					for _, h := range []string{string(host), strings.ToUpper(string(host))} {
						if d := s[h] - shares[0][h]; d < -0.07 || d > 0.07 || (s[h] == 0) != (shares[0][h] == 0) {
							t.Errorf("%s has %.2f of the requests, with the first corner %.2f", h, s[h], shares[0][h])
						}
					}
				}
			}
		})
	}
}

func prioritiesText(t *testing.T, policy, config string, groups []group, failing *atomic.Bool) string {
	t.Helper()
	var list []string
	for i, g := range groups {
		var endpoints []string
		for _, h := range g.hosts {
			endpoints = append(endpoints, fmt.Sprintf("{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: %d}}}}", listenAs(t, string(h), failing)))
		}
		weight := ""
		if g.weight > 0 {
			weight = fmt.Sprintf("load_balancing_weight: %d, ", g.weight)
		}
		list = append(list, fmt.Sprintf("{priority: %d, locality: {zone: z%d}, %slb_endpoints: [%s]}", g.priority, i, weight, strings.Join(endpoints, ", ")))
	}
	return fmt.Sprintf(prioritiesBootstrap, cmp.Or(policy, "ROUND_ROBIN"), cmp.Or(config, "healthy_panic_threshold: {}"), strings.Join(list, ", "))
}

// listenAs serves under a name, with errors as long as a name in capitals fails.
func listenAs(t *testing.T, name string, failing *atomic.Bool) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("x-name", name)
		if failing.Load() && name < "a" {
			w.WriteHeader(500)
		}
	})}
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(func() { _ = srv.Close() })
	return ln.Addr().(*net.TCPAddr).Port
}

// sharesOf sends n requests and tells which part of them each host has got; "" is
// nobody.
func sharesOf(t *testing.T, c *Corner, n int) map[string]float64 {
	t.Helper()
	conn, err := c.dial("")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	out := map[string]float64{}
	for range n {
		a := c.send(conn, &Case{Request: Request{Method: "GET", Target: "/", Fields: rawhttp.Fields{{Name: "Host", Value: "a.test"}}}})
		name, _ := a.Response.Fields.Get("x-name")
		out[name] += 1 / float64(n)
	}
	return out
}
