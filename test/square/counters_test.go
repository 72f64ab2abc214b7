package square

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/crossgate/crossgate/test/authority"
	"github.com/crossgate/crossgate/test/gate"
	"github.com/crossgate/crossgate/test/rawhttp"
	"github.com/crossgate/crossgate/test/tool"
)

// notCompared are the statistics that both print and that may differ, with the
// reason. Each is a whole name, or the beginning of names.
var notCompared = map[string]string{
	`envoy_server_(uptime|version|concurrency|memory_.*|total_connections)$`: "what they are, not what they count",
	`envoy_(cluster|http|listener)_.*_sum$`:                                  "times",
	`envoy_http_downstream_cx_tx_bytes_total$`:                               "HTTP/2: other SETTINGS and window updates; x-envoy-upstream-service-time has as many digits as the service took milliseconds",
	`envoy_http_downstream_cx_rx_bytes_total$`:                               "what a client still sends that is not read to its end",
	`envoy_cluster_upstream_cx_(rx|tx)_bytes_total$`:                         "the same on the side of services",
}

const countersBootstrap = `
stats_flush_interval: 0.1s
static_resources:
  listeners:
%s
  clusters:
  - {name: up, load_assignment: {cluster_name: up, endpoints: [{lb_endpoints: [%[2]s]}]}}
  - {name: retried, load_assignment: {cluster_name: retried, endpoints: [{lb_endpoints: [%[2]s]}]}}
  - {name: dead, connect_timeout: 1s, load_assignment: {cluster_name: dead, endpoints: [{lb_endpoints: [%[3]s]}]}}
  - {name: empty, load_assignment: {cluster_name: empty}}
  - {name: original, type: ORIGINAL_DST, lb_policy: CLUSTER_PROVIDED, circuit_breakers: {thresholds: [{max_requests: 7}]}, outlier_detection: {enforcing_success_rate: 0}}
  - {name: norequests, circuit_breakers: {thresholds: [{max_requests: 0}]}, load_assignment: {cluster_name: norequests, endpoints: [{lb_endpoints: [%[2]s]}]}}
  - {name: noretries, circuit_breakers: {thresholds: [{max_retries: 0}]}, load_assignment: {cluster_name: noretries, endpoints: [{lb_endpoints: [%[2]s]}]}}
  - {name: ejected, outlier_detection: {consecutive_5xx: 3, max_ejection_percent: 100, enforcing_success_rate: 0, base_ejection_time: 300s}, common_lb_config: {healthy_panic_threshold: {}}, load_assignment: {cluster_name: ejected, endpoints: [{lb_endpoints: [%[2]s]}]}}
  - {name: kept, outlier_detection: {consecutive_5xx: 3, max_ejection_percent: 0, enforcing_success_rate: 0}, load_assignment: {cluster_name: kept, endpoints: [{lb_endpoints: [%[2]s]}]}}
  - {name: health, load_assignment: {cluster_name: health, endpoints: [{locality: {region: r, zone: z}, priority: 1, lb_endpoints: [%[2]s, {health_status: UNHEALTHY, load_balancing_weight: 3, %[4]s}, {health_status: DRAINING, %[4]s}, {health_status: DEGRADED, %[4]s}, {health_status: TIMEOUT, %[4]s}]}]}}
  - name: h2
    typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {"@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: {http2_protocol_options: {}}}}
    load_assignment: {cluster_name: h2, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: %[5]d}}}}]}]}
`

const countersListener = `  - name: %[1]s
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    filter_chains:
    - %[2]s
      filters:
      - name: hcm
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: %[1]s
          normalize_path: true
          delayed_close_timeout: 0.05s
          upgrade_configs: [{upgrade_type: websocket, enabled: false}]
          http_filters:
          - {name: envoy.filters.http.fault, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault}}
          - {name: envoy.filters.http.cors, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors}}
          - {name: envoy.filters.http.router, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
          route_config:
            name: r
            validate_clusters: false
            virtual_hosts:
            - name: tls
              domains: [tls.test]
              require_tls: ALL
              routes: [{match: {prefix: /}, route: {cluster: up}}]
            - name: v
              domains: [a.test]
              routes:
              - {match: {prefix: /direct}, direct_response: {status: 202}}
              - {match: {prefix: /redirect}, redirect: {path_redirect: /x}}
              - {match: {prefix: /nocluster}, route: {cluster: nowhere}}
              - {match: {prefix: /dead/retry}, route: {cluster: dead, retry_policy: {retry_on: connect-failure, num_retries: 2}}}
              - {match: {prefix: /retry}, route: {cluster: retried, retry_policy: {retry_on: "5xx,reset,connect-failure", num_retries: 2}}}
              - {match: {prefix: /pertry}, route: {cluster: retried, retry_policy: {retry_on: 5xx, num_retries: 1, per_try_timeout: 0.3s}}}
              - {match: {prefix: /timeout}, route: {cluster: up, timeout: 0.3s}}
              - {match: {prefix: /fault}, route: {cluster: up}, typed_per_filter_config: {envoy.filters.http.fault: {"@type": type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault, delay: {fixed_delay: 0.05s, percentage: {numerator: 100}}, abort: {http_status: 418, percentage: {numerator: 100}}}}}
              - {match: {prefix: /dead}, route: {cluster: dead}}
              - {match: {prefix: /empty}, route: {cluster: empty}}
              - {match: {prefix: /original/retry}, route: {cluster: original, retry_policy: {retry_on: "5xx,reset,connect-failure", num_retries: 2}}}
              - {match: {prefix: /original}, route: {cluster: original}}
              - {match: {prefix: /mirrored}, route: {cluster: up, request_mirror_policies: [{cluster: original}]}}
              - {match: {prefix: /norequests}, route: {cluster: norequests}}
              - {match: {prefix: /noretries}, route: {cluster: noretries, retry_policy: {retry_on: 5xx, num_retries: 2}}}
              - {match: {prefix: /ejected}, route: {cluster: ejected}}
              - {match: {prefix: /kept}, route: {cluster: kept}}
              - {match: {prefix: /h2}, route: {cluster: h2, prefix_rewrite: ""}}
              - match: {prefix: /}
                route: {cluster: up}
                typed_per_filter_config: {envoy.filters.http.cors: {"@type": type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy, allow_origin_string_match: [{exact: "https://a.test"}], allow_methods: PUT}}
`

func countersText(t *testing.T, b *bench) string {
	endpoint := func(port int) string {
		return fmt.Sprintf("endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: %d}}}", port)
	}
	ca := authority.New(t, "ca")
	server := ca.Issue(&x509.Certificate{Subject: pkix.Name{CommonName: "server"}, DNSNames: []string{"a.test", "b.test"}})
	trusted := "validation_context: {trusted_ca: {inline_string: " + inline(ca.PEM()) + "}},"
	listeners := fmt.Sprintf(countersListener, "plain", "name: one") +
		fmt.Sprintf(countersListener, "secure", "transport_socket: "+certificateSocket(t, server, "", trusted))
	return fmt.Sprintf(countersBootstrap, listeners, "{"+endpoint(b.up.Port())+"}", "{"+endpoint(b.dead)+"}", endpoint(b.dead), serviceHTTP2(t))
}

// kindOf is a way in which a request can end.
type kindOf struct {
	name string
	do   func(c *Corner, http2 bool)
	// but matches the statistics that differ, because says why.
	but, because string
}

// asked sends one request on a connection of its own.
func asked(method, target string, plan rawhttp.Plan, fields ...string) func(*Corner, bool) {
	return func(c *Corner, http2 bool) {
		r := Request{Method: method, Target: target, Fields: rawhttp.Fields{{Name: "Host", Value: "a.test"}}}
		for i := 0; i < len(fields); i += 2 {
			if fields[i] == "Host" {
				r.Fields = nil
			}
			r.Fields = append(r.Fields, rawhttp.Field{Name: fields[i], Value: fields[i+1]})
		}
		if method == "POST" {
			r.Fields = append(r.Fields, rawhttp.Field{Name: "Content-Length", Value: "4"})
			r.Body = []byte("body")
		}
		do := c.do
		if http2 {
			do = c.doHTTP2
		}
		_, _ = do(&Case{Request: r, Plan: plan})
	}
}

// sent sends bytes and reads what comes.
func sent(text string) func(*Corner, bool) {
	return func(c *Corner, _ bool) {
		conn, err := net.Dial("tcp", c.addrs["plain"])
		if err != nil {
			return
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(300 * time.Millisecond))
		_, _ = io.WriteString(conn, text)
		_, _ = io.Copy(io.Discard, conn)
	}
}

// overTLS sends a request over TLS.
func overTLS(protocol string) func(*Corner, bool) {
	return func(c *Corner, _ bool) {
		conn, err := tls.Dial("tcp", c.addrs["secure"], &tls.Config{InsecureSkipVerify: true, ServerName: "a.test", NextProtos: []string{protocol}})
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
		_, _ = io.ReadAll(conn)
	}
}

// kept sends several requests on one connection.
func keptAlive(c *Corner, _ bool) {
	conn, err := c.dial("plain")
	if err != nil {
		return
	}
	defer conn.Close()
	for range 3 {
		c.send(conn, &Case{Request: Request{Method: "GET", Target: "/", Fields: rawhttp.Fields{{Name: "Host", Value: "a.test"}}}})
	}
}

// gone sends a request over HTTP/2 and leaves while the service thinks.
func gone(reset bool) func(*Corner, bool) {
	return func(c *Corner, _ bool) {
		conn, err := c.dialHTTP2("plain")
		if err != nil {
			return
		}
		defer conn.Close()
		id := fmt.Sprintf("%08d", c.ids.Add(1))
		c.desk.Expect(id, rawhttp.Plan{Sleep: 500 * time.Millisecond})
		r := Request{Method: "GET", Target: "/", Fields: rawhttp.Fields{{Name: "Host", Value: "a.test"}}}
		stream, err := conn.send(fieldsOf(&r, id), nil)
		if err != nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
		if reset {
			_ = conn.fr.WriteRSTStream(stream, 8)
			time.Sleep(50 * time.Millisecond)
		}
	}
}

var countedKinds = []kindOf{
	{name: "ok", do: asked("GET", "/", rawhttp.Plan{})},
	{name: "head", do: asked("HEAD", "/", rawhttp.Plan{})},
	{name: "post", do: asked("POST", "/", rawhttp.Plan{})},
	{name: "chunked answer", do: asked("GET", "/", rawhttp.Plan{Chunked: true})},
	{name: "kept alive", do: keptAlive},
	{name: "simple CORS", do: asked("GET", "/", rawhttp.Plan{}, "Origin", "https://a.test")},
	{name: "another origin", do: asked("GET", "/", rawhttp.Plan{}, "Origin", "https://b.test")},
	{name: "preflight", do: asked("OPTIONS", "/", rawhttp.Plan{}, "Origin", "https://a.test", "Access-Control-Request-Method", "PUT")},
	{name: "another preflight", do: asked("OPTIONS", "/", rawhttp.Plan{}, "Origin", "https://b.test", "Access-Control-Request-Method", "PUT")},
	{name: "404 of the service", do: asked("GET", "/", rawhttp.Plan{Status: 404})},
	{name: "301 of the service", do: asked("GET", "/", rawhttp.Plan{Status: 301})},
	{name: "204", do: asked("GET", "/", rawhttp.Plan{Status: 204})},
	{name: "500", do: asked("GET", "/", rawhttp.Plan{Status: 500})},
	{name: "no route", do: asked("GET", "/", rawhttp.Plan{}, "Host", "nobody.test")},
	{name: "TLS wanted", do: asked("GET", "/", rawhttp.Plan{}, "Host", "tls.test")},
	{name: "direct", do: asked("GET", "/direct", rawhttp.Plan{})},
	{name: "redirect", do: asked("GET", "/redirect", rawhttp.Plan{})},
	{name: "no cluster", do: asked("GET", "/nocluster", rawhttp.Plan{})},
	{name: "empty cluster", do: asked("GET", "/empty", rawhttp.Plan{})},
	{name: "original destination", do: asked("GET", "/original", rawhttp.Plan{})},
	{name: "original destination of a header", do: asked("GET", "/original", rawhttp.Plan{}, "x-envoy-original-dst-host", "127.0.0.1:1")},
	{name: "original destination, retried", do: asked("GET", "/original/retry", rawhttp.Plan{})},
	{name: "mirrored to the original destination", do: asked("GET", "/mirrored", rawhttp.Plan{})},
	{name: "dead", do: asked("GET", "/dead", rawhttp.Plan{})},
	{name: "dead, retried", do: asked("GET", "/dead/retry", rawhttp.Plan{})},
	{name: "retry with success", do: asked("GET", "/retry", rawhttp.Plan{FailFirst: 1, FailStatus: 500})},
	{name: "retry of a close", do: asked("GET", "/retry", rawhttp.Plan{FailFirst: 1})},
	{name: "retries in vain", do: asked("GET", "/retry", rawhttp.Plan{Status: 503})},
	{name: "no retries", do: asked("GET", "/noretries", rawhttp.Plan{Status: 503})},
	{name: "per-try timeout", do: asked("GET", "/pertry", rawhttp.Plan{Sleep: 500 * time.Millisecond})},
	{name: "timeout", do: asked("GET", "/timeout", rawhttp.Plan{Sleep: 500 * time.Millisecond})},
	{name: "close before", do: asked("GET", "/", rawhttp.Plan{Close: "before"})},
	{name: "close in the middle", do: asked("GET", "/", rawhttp.Plan{Close: "middle"})},
	{name: "no HTTP", do: asked("GET", "/", rawhttp.Plan{Raw: []byte("nonsense\r\n\r\n")})},
	{name: "answer until close", do: asked("GET", "/", rawhttp.Plan{Raw: []byte("HTTP/1.1 200 OK\r\n\r\nrest")})},
	{name: "answer with close", do: asked("GET", "/", rawhttp.Plan{Fields: rawhttp.Fields{{Name: "Connection", Value: "close"}}})},
	{name: "client says close", do: asked("GET", "/", rawhttp.Plan{}, "Connection", "close")},
	{name: "fault", do: asked("GET", "/fault", rawhttp.Plan{})},
	{
		name: "no requests", do: asked("GET", "/norequests", rawhttp.Plan{}), but: `envoy_cluster_upstream_(cx|rq_pending)_`,
		because: "Envoy counts the request when it has a connection, and opens one for it; the engine refuses it before",
	},
	{name: "ejected", do: asked("GET", "/ejected", rawhttp.Plan{Status: 500})},
	{name: "not ejected", do: asked("GET", "/kept", rawhttp.Plan{Status: 500})},
	{name: "service of HTTP/2", do: asked("GET", "/h2/", rawhttp.Plan{})},
	{name: "service of HTTP/2, 503", do: asked("GET", "/h2/error", rawhttp.Plan{})},
	{name: "service of HTTP/2, reset", do: asked("GET", "/h2/reset", rawhttp.Plan{})},
	{name: "upgrade", do: sent("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")},
	{name: "no request", do: sent("nonsense\r\n\r\n")},
	{name: "bad field", do: sent("GET / HTTP/1.1\r\nHost: a.test\r\nbad field\r\n\r\n")},
	{name: "no host", do: sent("GET / HTTP/1.1\r\n\r\n")},
	{name: "bad path", do: sent("GET /%00 HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")},
	{name: "no path", do: sent("GET * HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")},
	{name: "HTTP/1.0", do: sent("GET / HTTP/1.0\r\n\r\n")},
	{name: "nothing", do: sent("")},
	{name: "half a request", do: sent("GET / HTTP/1.1\r\nHo")},
	{name: "TLS", do: overTLS("http/1.1")},
	{name: "TLS, no request of HTTP/2", do: overTLS("h2")},
	{name: "client resets", do: gone(true)},
	{name: "client leaves", do: gone(false)},
}

// TestCounters sends the same requests of each kind to all corners and compares
// what they have counted, by name, labels and value.
func TestCounters(t *testing.T) {
	b := newBench(t, planesOf(t))
	corners := b.corners(countersText(t, b))
	before := countersBefore(t, corners)
	for _, kind := range countedKinds {
		for _, speaks := range []string{"HTTP/1.1", "HTTP/2"} {
			t.Run(kind.name+"/"+speaks, func(t *testing.T) {
				for _, c := range corners {
					for range 2 {
						kind.do(c, speaks == "HTTP/2")
						time.Sleep(pause)
					}
				}
				compareCounters(t, corners, before, kind.but)
			})
		}
	}
	common := 0
	for name := range before[0] {
		if _, ok := before[len(before)-1][name]; ok {
			common++
		}
	}
	t.Logf("%d statistics are compared", common)
	if common < 300 {
		t.Errorf("only %d statistics are compared", common)
	}
}

// TestCountersOfManyRequests does the same with requests of all kinds in random
// order.
func TestCountersOfManyRequests(t *testing.T) {
	n := min(100, tool.Number(t, "SQUARE_N", 100))
	b := newBench(t, planesOf(t))
	corners := b.corners(countersText(t, b))
	before := countersBefore(t, corners)
	random := rand.New(rand.NewPCG(1, 2))
	for range n {
		kind, http2 := countedKinds[random.IntN(len(countedKinds))], random.IntN(2) == 0
		for _, c := range corners {
			kind.do(c, http2)
			time.Sleep(pause)
		}
	}
	compareCounters(t, corners, before, `envoy_cluster_upstream_(cx|rq_pending)_.*envoy_cluster_name=norequests`)
}

// pause lets a connection go back to its pool before the next request wants one.
const pause = 10 * time.Millisecond

// countersBefore reads the counters when all corners have counted the connections
// that found out whether they are there.
func countersBefore(t *testing.T, corners []*Corner) []map[string]float64 {
	t.Helper()
	time.Sleep(500 * time.Millisecond)
	var out []map[string]float64
	for _, c := range corners {
		out = append(out, c.counters(t))
	}
	return out
}

// compareCounters waits until all corners have counted the same since before, and
// says where they differ if they do not; before becomes what they have counted now.
// What but matches may differ.
func compareCounters(t *testing.T, corners []*Corner, before []map[string]float64, but string) {
	t.Helper()
	except := regexp.MustCompile("^(" + but + ")")
	deadline := time.Now().Add(15 * time.Second)
	for {
		var diffs []string
		now := make([]map[string]float64, len(corners))
		for i, c := range corners {
			now[i] = c.counters(t)
		}
		for i := range corners[1:] {
			for name, value := range now[0] {
				other, both := now[i+1][name]
				want, got := value-before[0][name], other-before[i+1][name]
				if both && want != got && (but == "" || !except.MatchString(name)) {
					diffs = append(diffs, fmt.Sprintf("%s: %s %v, %s %v", name, corners[0].Name, want, corners[i+1].Name, got))
				}
			}
		}
		if len(diffs) == 0 || time.Now().After(deadline) {
			copy(before, now)
			slices.Sort(diffs)
			for _, d := range diffs {
				t.Error(d)
			}
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// counters reads what the corner has counted; the addresses of its listeners are
// their names.
func (c *Corner) counters(t *testing.T) map[string]float64 {
	t.Helper()
	resp, err := http.Get("http://" + c.admin + "/stats/prometheus")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	p := expfmt.NewTextParser(model.LegacyValidation)
	families, err := p.TextToMetricFamilies(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]string{}
	for name, addr := range c.addrs {
		names[strings.ReplaceAll(addr, ":", "_")] = name
	}
	out := map[string]float64{}
	for name, f := range families {
		if !strings.HasPrefix(name, "envoy_") || leftOut(name) {
			continue
		}
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				value := l.GetValue()
				if at := names[value]; at != "" {
					value = at
				}
				labels = append(labels, l.GetName()+"="+value)
			}
			slices.Sort(labels)
			out[name+"{"+strings.Join(labels, ",")+"}"] = valueOf(m)
		}
	}
	return out
}

func leftOut(name string) bool {
	for pattern := range notCompared {
		if regexp.MustCompile("^" + pattern).MatchString(name) {
			return true
		}
	}
	return false
}

// valueOf is the number of a metric, of a histogram how many values it has.
func valueOf(m *dto.Metric) float64 {
	switch {
	case m.Counter != nil:
		return m.GetCounter().GetValue()
	case m.Gauge != nil:
		return m.GetGauge().GetValue()
	}
	return float64(m.GetHistogram().GetSampleCount())
}

// TestMetricsAreDescribed: docs/metrics.md names all statistics that there are.
func TestMetricsAreDescribed(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join(tool.Root(), "docs", "metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t, []plane{{"engine", gate.Binary(t)}})
	corner := b.corners(countersText(t, b))[0]
	asked("GET", "/retry", rawhttp.Plan{FailFirst: 1, FailStatus: 500})(corner, false)
	time.Sleep(200 * time.Millisecond)
	prefix := regexp.MustCompile(`^envoy_(http|listener|cluster|server|cluster_manager|listener_manager)_`)
	names := map[string]bool{}
	for key := range corner.counters(t) {
		name, _, _ := strings.Cut(key, "{")
		names[name] = true
	}
	for name := range names {
		found := false
		for _, p := range []string{prefix.FindString(name), "envoy_cluster_manager_", "envoy_listener_manager_"} {
			rest, ok := strings.CutPrefix(name, p)
			found = found || ok && strings.Contains(string(doc), "`"+rest+"`")
		}
		if !found {
			t.Errorf("%s is not in docs/metrics.md", name)
		}
	}
	if len(names) < 100 {
		t.Errorf("only %d statistics", len(names))
	}
}
