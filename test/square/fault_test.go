package square

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/crossgate/crossgate/test/rawhttp"
)

const faultType = `"@type": type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault`

// faultRoutes are routes to a service with faults of their own.
var faultRoutes = []struct{ path, route, fault string }{
	{"/delay", "", `delay: {fixed_delay: 0.3s, percentage: {numerator: 100}}`},
	{"/below-one-ms", "", `delay: {fixed_delay: 0.0005s, percentage: {numerator: 100}}`},
	{"/never", "", `delay: {fixed_delay: 30s}, abort: {http_status: 418}`},
	{"/abort", "", `abort: {http_status: 418, percentage: {numerator: 100}}`},
	{"/million", "", `abort: {http_status: 599, percentage: {numerator: 1000000, denominator: MILLION}}`},
	{"/both", "", `delay: {fixed_delay: 0.2s, percentage: {numerator: 100}}, abort: {http_status: 503, percentage: {numerator: 100}}`},
	{"/grpc", "", `abort: {grpc_status: 14, percentage: {numerator: 100}}`},
	{"/grpc-delay", "", `delay: {fixed_delay: 0.1s, percentage: {numerator: 100}}, abort: {grpc_status: 99, percentage: {numerator: 100}}`},
	{"/timeout", "timeout: 0.7s", `delay: {fixed_delay: 0.5s, percentage: {numerator: 100}}`},
	{"/retry", `retry_policy: {retry_on: 5xx, num_retries: 2}`, `delay: {fixed_delay: 0.3s, percentage: {numerator: 100}}`},
	{"/idle", "idle_timeout: 0.3s", `delay: {fixed_delay: 5s, percentage: {numerator: 100}}`},
	{"/one", "", `max_active_faults: 1, delay: {fixed_delay: 1s, percentage: {numerator: 100}}, abort: {http_status: 418, percentage: {numerator: 100}}`},
	{"/none", "", `max_active_faults: 0, delay: {fixed_delay: 1s, percentage: {numerator: 100}}, abort: {http_status: 418, percentage: {numerator: 100}}`},
	{"/long", "", `delay: {fixed_delay: 2s, percentage: {numerator: 100}}`},
	{"/asked", "", `delay: {header_delay: {}, percentage: {numerator: 100}}, abort: {header_abort: {}, percentage: {numerator: 100}}`},
	{"/match", "", `headers: [{name: end-user, string_match: {exact: jason}}, {name: x-no, present_match: true, invert_match: true}], abort: {http_status: 418, percentage: {numerator: 100}}`},
	{"/here", "", `upstream_cluster: up, abort: {http_status: 418, percentage: {numerator: 100}}`},
	{"/elsewhere", "", `upstream_cluster: other, abort: {http_status: 418, percentage: {numerator: 100}}`},
	{"/node", "", `downstream_nodes: [a, b], abort: {http_status: 418, percentage: {numerator: 100}}`},
	{"/runtime", "", `delay_percent_runtime: k.all, delay_duration_runtime: k.ms, delay: {fixed_delay: 30s}, abort_percent_runtime: k.all, abort_http_status_runtime: k.status, abort: {http_status: 500}`},
	{"/runtime-grpc", "", `abort_percent_runtime: k.all, abort_grpc_status_runtime: k.code, abort: {grpc_status: 1}`},
}

// faultBootstrap has the filters in the order of Istio's gateways: fault, cors,
// router.
func faultBootstrap(up int) string {
	var routes strings.Builder
	for _, r := range faultRoutes {
		fmt.Fprintf(&routes, "              - {match: {prefix: %s/}, route: {cluster: up, %s}, typed_per_filter_config: {envoy.filters.http.fault: {%s, %s}}}\n", r.path, r.route, faultType, r.fault)
	}
	filters := fmt.Sprintf(`http_filters:
          - {name: envoy.filters.http.fault, typed_config: {%s, headers: [{name: x-base, present_match: true}], abort: {http_status: 500, percentage: {numerator: 100}}}}
          - {name: envoy.filters.http.cors, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors}}
          - {`, faultType)
	return strings.Replace(strings.Replace(mainListener, "http_filters: [{", filters, 1), "}}]\n", "}}\n", 1) + fmt.Sprintf(`
          use_remote_address: false
          access_log: [{name: l, typed_config: {"@type": type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog, log_format: {json_format:
            {path: "%%PATH%%", code: "%%RESPONSE_CODE%%", flags: "%%RESPONSE_FLAGS%%", long: "%%RESPONSE_FLAGS_LONG%%", details: "%%RESPONSE_CODE_DETAILS%%", sent: "%%BYTES_SENT%%", attempts: "%%UPSTREAM_REQUEST_ATTEMPT_COUNT%%"}}}}]
          route_config:
            name: r
            validate_clusters: false
            virtual_hosts:
            - name: v
              domains: ["*"]
              response_headers_to_add: [{header: {key: x-added, value: "%%RESPONSE_CODE_DETAILS%% %%RESPONSE_FLAGS%%"}}]
              routes:
              - match: {prefix: /cors/}
                route: {cluster: up}
                typed_per_filter_config:
                  envoy.filters.http.fault: {%[1]s, headers: [{name: x-fault, present_match: true}], abort: {http_status: 503, percentage: {numerator: 100}}}
                  envoy.filters.http.cors: {"@type": type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy, allow_origin_string_match: [{exact: "https://a.test"}], allow_methods: GET}
              - {match: {prefix: /direct/}, direct_response: {status: 202}, typed_per_filter_config: {envoy.filters.http.fault: {%[1]s, delay: {fixed_delay: 0.2s, percentage: {numerator: 100}}, abort: {http_status: 418, percentage: {numerator: 100}}}}}
              - {match: {prefix: /nowhere/}, route: {cluster: nope}, typed_per_filter_config: {envoy.filters.http.fault: {%[1]s, delay: {fixed_delay: 0.2s, percentage: {numerator: 100}}}}}
              - {match: {prefix: /base/}, route: {cluster: up}}
              - {match: {prefix: /off/}, route: {cluster: up}, typed_per_filter_config: {envoy.filters.http.fault: {"@type": type.googleapis.com/envoy.config.route.v3.FilterConfig, disabled: true}}}
%[2]s
            - name: host-fault
              domains: [b.test]
              typed_per_filter_config: {envoy.filters.http.fault: {%[1]s, abort: {http_status: 410, percentage: {numerator: 100}}}}
              routes:
              - {match: {prefix: /route/}, route: {cluster: up}, typed_per_filter_config: {envoy.filters.http.fault: {%[1]s, abort: {http_status: 411, percentage: {numerator: 100}}}}}
              - {match: {prefix: /empty/}, route: {cluster: up}, typed_per_filter_config: {envoy.filters.http.fault: {%[1]s}}}
              - {match: {prefix: /off/}, route: {cluster: up}, typed_per_filter_config: {envoy.filters.http.fault: {"@type": type.googleapis.com/envoy.config.route.v3.FilterConfig, disabled: true}}}
              - {match: {prefix: /wrapped/}, route: {cluster: up}, typed_per_filter_config: {envoy.filters.http.fault: {"@type": type.googleapis.com/envoy.config.route.v3.FilterConfig, config: {%[1]s, abort: {http_status: 412, percentage: {numerator: 100}}}}}}
              - match: {prefix: /weighted/}
                route: {weighted_clusters: {clusters: [{name: up, weight: 1, typed_per_filter_config: {envoy.filters.http.fault: {%[1]s, abort: {http_status: 413, percentage: {numerator: 100}}}}}]}}
                typed_per_filter_config: {envoy.filters.http.fault: {%[1]s, abort: {http_status: 411, percentage: {numerator: 100}}}}
              - {match: {prefix: /}, route: {cluster: up}}
  clusters:
  - {name: up, type: STATIC, connect_timeout: 1s, load_assignment: {cluster_name: up, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: %[3]d}}}}]}]}}
layered_runtime: {layers: [{name: static, static_layer: {k: {all: 100, ms: 250, status: 451, code: 7}}}]}
`, faultType, routes.String(), up)
}

// timerSlack is how much too early Envoy's timers may fire.
const timerSlack = 10 * time.Millisecond

// faultCase is a request, and how long its answer takes at least.
type faultCase struct {
	*Case
	least time.Duration
}

func faultCases() (out []faultCase) {
	add := func(least time.Duration, target string, fields ...string) *Case {
		c := &Case{Request: Request{Method: "GET", Target: target, Fields: rawhttp.Fields{{Name: "Host", Value: "a.test"}}}}
		for _, f := range fields {
			name, value, _ := strings.Cut(f, ": ")
			c.Request.Fields = append(c.Request.Fields, rawhttp.Field{Name: name, Value: value})
		}
		out = append(out, faultCase{c, least})
		return c
	}
	const grpc, ms = "content-type: application/grpc", time.Millisecond
	least := map[string]time.Duration{
		"/delay": 300 * ms, "/both": 200 * ms, "/grpc-delay": 100 * ms, "/timeout": 500 * ms, "/retry": 300 * ms,
		"/idle": 300 * ms, "/one": time.Second, "/long": 2 * time.Second, "/runtime": 250 * ms,
	}
	for _, r := range faultRoutes {
		add(least[r.path], r.path+"/plain")
		if r.path != "/long" {
			add(least[r.path], r.path+"/grpc", grpc)
		}
	}
	add(500*ms, "/timeout/slow").Plan.Sleep = 500 * ms
	add(500*ms, "/timeout/late").Plan.Sleep = 1500 * ms
	add(300*ms, "/retry/twice").Plan = rawhttp.Plan{FailFirst: 2, FailStatus: 503}
	add(300*ms, "/retry/over").Plan = rawhttp.Plan{FailFirst: 5, FailStatus: 503}
	for _, body := range []string{"hello", strings.Repeat("x", 60_000)} {
		for _, path := range []string{"/delay/post", "/both/post", "/idle/post", "/runtime/post"} {
			c := add(0, path, fmt.Sprintf("content-length: %d", len(body)))
			c.Request.Method, c.Request.Body = "POST", []byte(body)
		}
	}
	for _, asked := range []string{
		"x-envoy-fault-delay-request: 250", "x-envoy-fault-delay-request: 0", "x-envoy-fault-delay-request: soon", "x-envoy-fault-delay-request: -1",
		"x-envoy-fault-abort-request: 499", "x-envoy-fault-abort-request: 100", "x-envoy-fault-abort-request: 600", "x-envoy-fault-abort-request: x",
		"x-envoy-fault-abort-grpc-request: 5", "x-envoy-fault-abort-grpc-request: 77", "x-envoy-fault-abort-grpc-request: x",
	} {
		add(0, "/asked/h", asked)
		add(0, "/asked/g", asked, grpc)
		add(0, "/asked/never", asked, "x-envoy-fault-abort-request-percentage: 0", "x-envoy-fault-delay-request-percentage: 0")
		add(0, "/asked/always", asked, "x-envoy-fault-abort-request-percentage: 200", "x-envoy-fault-delay-request-percentage: x")
	}
	add(250*ms, "/asked/both", "x-envoy-fault-delay-request: 250", "x-envoy-fault-abort-request: 499", "x-envoy-fault-abort-grpc-request: 5")
	add(0, "/match/jason", "end-user: jason")
	add(0, "/match/other", "end-user: jason", "x-no: 1")
	add(0, "/node/b", "x-envoy-downstream-service-node: b")
	add(0, "/node/c", "x-envoy-downstream-service-node: c")
	for _, path := range []string{"/base/x", "/off/x", "/nothing/x", "/abort/x", "/direct/x", "/nowhere/x"} {
		add(0, path)
		add(0, path, "x-base: 1")
		add(0, path, "x-base: 1", grpc)
	}
	for _, path := range []string{"/route/", "/empty/", "/off/", "/wrapped/", "/weighted/", "/other"} {
		add(0, path).Request.Fields[0].Value = "b.test"
		add(0, path, "x-base: 1").Request.Fields[0].Value = "b.test"
	}
	for _, fault := range []string{"x-fault: 1", "x-other: 1"} {
		add(0, "/cors/x", "Origin: https://a.test", fault)
		add(0, "/cors/x", "Origin: https://a.test", "Access-Control-Request-Method: GET", fault).Request.Method = "OPTIONS"
	}
	return out
}

// TestFaults compares the fault filter in all its ways, over HTTP/1.1 and HTTP/2,
// in the answers, in how long they take at least, and in the access log.
func TestFaults(t *testing.T) {
	for name, send := range map[string]func(*Corner, *Case) (Answer, error){"HTTP1": (*Corner).do, "HTTP2": (*Corner).doHTTP2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			compareFaults(t, send)
		})
	}
}

func compareFaults(t *testing.T, send func(*Corner, *Case) (Answer, error)) {
	b := newBench(t, planesOf(t))
	corners := b.corners(faultBootstrap(b.up.Port()))
	cases := faultCases()
	answers := make([][][]string, len(corners))
	var wg sync.WaitGroup
	for i, corner := range corners {
		answers[i] = make([][]string, len(cases))
		wg.Go(func() {
			for j, c := range cases {
				begun := time.Now()
				a, err := send(corner, c.Case)
				if err != nil {
					t.Errorf("%s: %s: %v", c.Request.Target, corner.Name, err)
				}
				if took := time.Since(begun); took < c.least-timerSlack {
					t.Errorf("%s: %s has answered after %v, want %v at least", c.Request.Target, corner.Name, took, c.least)
				}
				answers[i][j] = a.Lines()
			}
		})
	}
	wg.Wait()
	for i := 1; i < len(corners); i++ {
		for j, c := range cases {
			if diff := cmp.Diff(answers[0][j], answers[i][j]); diff != "" {
				t.Errorf("%s %s %v: (-%s +%s)\n%s", c.Request.Method, c.Request.Target, c.Request.Fields, corners[0].Name, corners[i].Name, diff)
			}
		}
	}
	compareCrowd(t, corners)
	leaveEarly(t, corners)
	compareRawLogs(t, corners)
}

// compareCrowd sends requests at once of which only one may be delayed.
func compareCrowd(t *testing.T, corners []*Corner) {
	for _, corner := range corners {
		var codes []int
		var mu sync.Mutex
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				a, err := corner.do(&Case{Request: Request{Method: "GET", Target: "/one/crowd", Fields: rawhttp.Fields{{Name: "Host", Value: "a.test"}}}})
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				codes = append(codes, a.Response.Status)
			})
		}
		wg.Wait()
		slices.Sort(codes)
		if want := []int{200, 200, 200, 418}; !slices.Equal(codes, want) {
			t.Errorf("%s: %v, want %v", corner.Name, codes, want)
		}
	}
}

// leaveEarly opens requests that are delayed and goes away: what the log says of
// them is compared with the rest.
func leaveEarly(t *testing.T, corners []*Corner) {
	for _, corner := range corners {
		h, err := corner.dialHTTP2("")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.send(fieldsOf(&Request{Method: "GET", Target: "/long/left?http2", Fields: rawhttp.Fields{{Name: "Host", Value: "a.test"}}}, ""), nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
		for _, half := range []bool{false, true} {
			c, err := net.Dial("tcp", corner.addrs[corner.first])
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := fmt.Fprintf(c, "GET /long/left?half=%v HTTP/1.1\r\nHost: a.test\r\n\r\n", half); err != nil {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond)
			if half {
				err = c.(*net.TCPConn).CloseWrite()
				_ = c.SetReadDeadline(time.Now().Add(2 * time.Second))
				if n, rerr := c.Read(make([]byte, 1)); n > 0 || rerr == nil {
					t.Errorf("%s answers a client that has closed its side", corner.Name)
				} else if ne, ok := rerr.(net.Error); ok && ne.Timeout() {
					t.Errorf("%s does not notice a client that has closed its side", corner.Name)
				}
			} else {
				err = c.Close()
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	time.Sleep(500 * time.Millisecond) // the lines of those who have left
}

// compareRawLogs ends the corners and compares the lines of their logs.
func compareRawLogs(t *testing.T, corners []*Corner) {
	if err := stop(corners); err != nil {
		t.Error(err)
	}
	logs := make([][]string, len(corners))
	for i, corner := range corners {
		for line := range strings.Lines(corner.proc.Output()) {
			// Envoy has a line more for a request that is redirected on the way.
			if strings.HasPrefix(line, "{") && !strings.Contains(line, "internal_redirect") {
				logs[i] = append(logs[i], line)
			}
		}
		if len(logs[i]) == 0 {
			t.Fatalf("%s has no log", corner.Name)
		}
		slices.Sort(logs[i])
	}
	for i := 1; i < len(corners); i++ {
		if diff := cmp.Diff(logs[0], logs[i]); diff != "" {
			t.Errorf("logs (-%s +%s)\n%s", corners[0].Name, corners[i].Name, diff)
		}
	}
}
