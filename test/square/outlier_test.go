package square

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/crossgate/crossgate/test/rawhttp"
)

const outlierBootstrap = mainListener + `          route_config: {name: r, virtual_hosts: [{name: v, domains: ["*"], routes: [{match: {prefix: /}, route: {cluster: up}}]}]}
  clusters:
  - name: up
    type: STATIC
    lb_policy: ROUND_ROBIN
    common_lb_config: {healthy_panic_threshold: {}, update_merge_window: 0s} # Envoy would wait with the second change
    outlier_detection: {consecutive_5xx: %d, enforcing_consecutive_5xx: 100, consecutive_gateway_failure: %d, enforcing_consecutive_gateway_failure: %d,
      enforcing_success_rate: 0, interval: 600s, max_ejection_percent: %d}
    load_assignment: {cluster_name: up, endpoints: [{lb_endpoints: [
      {endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: %d}}}},
      {endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: %d}}}}]}]}
`

// outlierCase is a setting and what all services answer under it.
type outlierCase struct {
	name                                           string
	hosts, consecutive, gateway, enforced, percent int
	status                                         int
	grpc                                           string // grpc-status in the head of the answer
	request                                        rawhttp.Fields
}

var grpcRequest = rawhttp.Fields{{Name: "content-type", Value: "application/grpc"}, {Name: "te", Value: "trailers"}}

// TestOutlierDetection compares how many services get requests, and what the client
// gets, once all of them have answered with errors for a while.
func TestOutlierDetection(t *testing.T) {
	for _, tt := range []outlierCase{
		{name: "two, the default percentage", hosts: 2, consecutive: 5, gateway: 5, percent: 10, status: 500},
		{name: "two, 49", hosts: 2, consecutive: 5, gateway: 5, percent: 49, status: 500},
		{name: "two, 50", hosts: 2, consecutive: 5, gateway: 5, percent: 50, status: 500},
		{name: "two, 99", hosts: 2, consecutive: 5, gateway: 5, percent: 99, status: 500},
		{name: "two, 100", hosts: 2, consecutive: 5, gateway: 5, percent: 100, status: 500},
		{name: "one, 99", hosts: 1, consecutive: 3, gateway: 5, percent: 99, status: 500},
		{name: "one, 100", hosts: 1, consecutive: 3, gateway: 5, percent: 100, status: 500},
		{name: "gateway errors", hosts: 2, consecutive: 9, gateway: 3, enforced: 100, percent: 60, status: 503},
		{name: "no gateway error", hosts: 2, consecutive: 99, gateway: 3, enforced: 100, percent: 60, status: 500},
		{name: "gateway errors not enforced", hosts: 2, consecutive: 99, gateway: 3, percent: 60, status: 503},
		{name: "no error", hosts: 2, consecutive: 3, gateway: 3, percent: 100, status: 404},
		{name: "nobody", hosts: 2, consecutive: 2, gateway: 3, status: 500},
		{name: "gRPC unavailable", hosts: 1, consecutive: 99, gateway: 3, enforced: 100, percent: 100, status: 200, grpc: "14", request: grpcRequest},
		{name: "gRPC internal", hosts: 1, consecutive: 3, gateway: 99, percent: 100, status: 200, grpc: "13", request: grpcRequest},
		{name: "gRPC not found", hosts: 1, consecutive: 3, gateway: 3, enforced: 100, percent: 100, status: 200, grpc: "5", request: grpcRequest},
		{name: "gRPC out of bounds", hosts: 1, consecutive: 3, gateway: 3, enforced: 100, percent: 100, status: 503, grpc: "99", request: grpcRequest},
		{name: "grpc-status without gRPC", hosts: 1, consecutive: 3, gateway: 3, enforced: 100, percent: 100, status: 200, grpc: "14"},
	} {
		t.Run(tt.name, func(t *testing.T) { compareOutliers(t, tt) })
	}
}

func compareOutliers(t *testing.T, tt outlierCase) {
	b := newBench(t, planesOf(t))
	ports := []int{b.up.Port(), b.up.Port()}
	if tt.hosts == 2 {
		second, err := rawhttp.Listen("second", b.desk)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(second.Close)
		ports[1] = second.Port()
	}
	text := fmt.Sprintf(outlierBootstrap, tt.consecutive, tt.gateway, tt.enforced, tt.percent, ports[0], ports[1])
	corners := b.corners(text)
	c := &Case{
		Request: Request{Method: "POST", Target: "/", Fields: append(rawhttp.Fields{{Name: "Host", Value: "a.test"}}, tt.request...)},
		Plan:    rawhttp.Plan{Status: tt.status},
	}
	if tt.grpc != "" {
		c.Plan.Fields = rawhttp.Fields{{Name: "grpc-status", Value: tt.grpc}}
	}
	var seen []string
	for _, corner := range corners {
		end, err := atTheEnd(corner, c)
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, end)
	}
	t.Log(seen[0])
	for i, end := range seen[1:] {
		if end != seen[0] {
			t.Errorf("%s: %s\n%s: %s", corners[0].Name, seen[0], corners[i+1].Name, end)
		}
	}
}

// atTheEnd sends requests and tells of the last of them, for Envoy ejects with a
// delay: how many services were asked, and the answers.
func atTheEnd(corner *Corner, c *Case) (string, error) {
	asked, answers := map[string]bool{}, map[string]bool{}
	for i := range 24 {
		a, err := corner.do(c)
		if err != nil {
			return "", err
		}
		if i < 16 {
			continue
		}
		for _, u := range a.Upstream {
			asked[u.Upstream] = true
		}
		message, _ := a.Response.Fields.Get("grpc-message")
		answers[fmt.Sprintf("%d %q %q", a.Response.Status, a.Response.Body, message)] = true
	}
	return fmt.Sprintf("%d asked: %v", len(asked), slices.Sorted(maps.Keys(answers))), nil
}
