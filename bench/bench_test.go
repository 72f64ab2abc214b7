package main

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	corsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/cors/v3"
	"github.com/google/go-cmp/cmp"

	"github.com/crossgate/crossgate/internal/engine"
	"github.com/crossgate/crossgate/internal/xds"
)

// wrkOutput was printed by wrk 4.1.0; the two lines about errors are from
// another run.
const wrkOutput = `Running 1s test @ http://127.0.0.1:21999/64k
  1 threads and 8 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   217.49us  154.53us   3.41ms   92.34%
    Req/Sec    30.32k   775.06    31.37k    60.00%
  Latency Distribution
     50%  192.00us
     75%  253.00us
     90%  332.00us
     99%    1.62ms
  30195 requests in 1.00s, 1.85GB read
  Socket errors: connect 0, read 3, write 0, timeout 1
  Non-2xx or 3xx responses: 12
Requests/sec:  30178.67
Transfer/sec:      1.84GB
`

func TestParseWrk(t *testing.T) {
	got, err := parseWrk(wrkOutput)
	if err != nil {
		t.Fatal(err)
	}
	want := sample{Requests: 30195, PerSec: 30178.67, P50: 192 * time.Microsecond, P99: 1620 * time.Microsecond, Errors: 16}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := parseWrk("unable to connect to 127.0.0.1:1 Connection refused\n"); err == nil {
		t.Error("no error for an output without a result")
	}
}

// h2loadOutput was printed by h2load of nghttp2 1.52.0; the counts of what went wrong
// are from another run.
const h2loadOutput = `starting benchmark...
TLS Protocol: TLSv1.3
Cipher: TLS_AES_128_GCM_SHA256
Server Temp Key: X25519 253 bits
Application protocol: h2
Main benchmark duration is over for thread #0. Stopping all clients.

finished in 1.00s, 52411.00 req/s, 870.58KB/s
requests: 52411 total, 52415 started, 52411 done, 52411 succeeded, 7 failed, 2 errored, 1 timeout
status codes: 52401 2xx, 3 3xx, 5 4xx, 0 5xx
traffic: 870.58KB (891479) total, 409.85KB (419682) headers (space savings 97.01%), 0B (0) data
                     min         max         mean         sd        +/- sd
time for request:       25us      9.60ms        60us       113us    99.04%
`

func TestParseH2load(t *testing.T) {
	got, err := parseH2load(h2loadOutput)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sample{Requests: 52401, PerSec: 52411, Errors: 10}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, text := range []string{"", strings.Replace(h2loadOutput, "protocol: h2", "protocol: http/1.1", 1)} {
		if _, err := parseH2load(text); err == nil {
			t.Errorf("no error for %q", text)
		}
	}
}

// TestHTTP2AsManyAtOnce: h2load asks for the host by its name, and for as much at once
// as wrk does.
func TestHTTP2AsManyAtOnce(t *testing.T) {
	i := slices.IndexFunc(workloads, func(w workload) bool { return w.name == "H2P" })
	got := strings.Join(h2loadCommand(workloads[i], &contestant{https: 4433}, 5), " ")
	for _, want := range []string{
		"-c8 -m8 -D 5 ", "--connect-to=127.0.0.1:4433", ":method: OPTIONS", "Access-Control-Request-Method: PUT", " https://api.example.com/api/x",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %s", want, got)
		}
	}
	if http2Connections*http2Streams != connections {
		t.Errorf("%d connections with %d requests are not %d", http2Connections, http2Streams, connections)
	}
}

func TestTable(t *testing.T) {
	samples := map[string][]sample{
		"crossgate": {{PerSec: 90, CPU: 10, Busy: 1}, {PerSec: 100, CPU: 10, Busy: 1}, {PerSec: 500, CPU: 40, Busy: 1}},
		"envoy":     {{PerSec: 50, CPU: 30, Busy: 1}, {PerSec: 40, CPU: 20, Busy: 1}, {PerSec: 10, CPU: 25, Busy: 1, Errors: 2}},
		"nginx":     {{PerSec: 200, CPU: 5, Busy: 0.5}},
	}
	var out bytes.Buffer
	printTable(&out, workloads[0], []*contestant{{name: "crossgate"}, {name: "envoy"}, {name: "nginx"}}, samples)
	for _, want := range []string{
		"2.50× req/s, 2.50× CPU\n", // 100 to 40, 25 to 10: the medians
		"0.50× req/s, 0.50× CPU (a proxy was not busy: trust CPU)\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

func TestLua(t *testing.T) {
	got := string(workloads[0].lua())
	for _, want := range []string{`wrk.method = "OPTIONS"`, `wrk.headers["Host"] = "api.example.com"`, `wrk.headers["Access-Control-Request-Method"] = "PUT"`} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
}

func TestParseFlags(t *testing.T) {
	if _, err := parseFlags([]string{"-workloads", "P,X"}); err == nil || !strings.Contains(err.Error(), `"X"`) {
		t.Errorf("error %v, want one that names the unknown workload", err)
	}
	o, err := parseFlags([]string{"-workloads", "T", "-only", "envoy"})
	if err != nil || len(o.workloads) != 1 || !(&bench{options: o}).withTLS() || (&bench{options: o}).withHTTP2() {
		t.Errorf("%+v, %v", o, err)
	}
	o, err = parseFlags([]string{"-workloads", "G,H2G"})
	if err != nil || !(&bench{options: o}).withTLS() || !(&bench{options: o}).withHTTP2() {
		t.Errorf("%+v, %v", o, err)
	}
}

// TestScaledConfigurations: the configurations of all sizes are what crossgate can run as
// a whole, with as much in them as they say.
func TestScaledConfigurations(t *testing.T) {
	for _, g := range growths {
		s := g.few
		file := filepath.Join(t.TempDir(), "scale.json")
		if err := renderTo("scale.json", file, map[string]any{"HTTP": 1, "Upstream": 2, "Size": s}); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		snapshot, diags := xds.LoadBootstrap(file, data)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		rc, err := discovered(snapshot)
		if err != nil {
			t.Fatal(err)
		}
		hosts := rc.GetVirtualHosts()
		snapshot.Routes = []*routev3.RouteConfiguration{tableOf(rc, append(hosts[len(hosts)-1].GetRoutes(), bodyRoute("b"), prefixRoute("/")))}
		if _, diags := engine.Compile(snapshot); diags.HasErrors() {
			t.Error(diags)
		}
		policy := new(corsv3.CorsPolicy)
		if err := hosts[len(hosts)-1].GetTypedPerFilterConfig()[xds.CorsFilter].UnmarshalTo(policy); err != nil {
			t.Fatal(err)
		}
		got := []int{len(hosts), len(hosts[len(hosts)-1].GetRoutes()), len(policy.GetAllowOriginStringMatch())}
		if want := []int{s.Hosts + 1, s.Routes + 1, s.Exact + s.Regexes + 1}; !slices.Equal(got, want) {
			t.Errorf("%s: %v hosts, routes and origins, want %v", g.name, got, want)
		}
	}
}

func TestGrowthTable(t *testing.T) {
	var out bytes.Buffer
	pairs := []pair{{&contestant{name: "crossgate/few"}, &contestant{name: "crossgate/many"}}}
	samples := map[string][]sample{"crossgate/few": {{CPU: 10_000}}, "crossgate/many": {{CPU: 12_000}, {CPU: 11_000}, {CPU: 50_000, Errors: 1}}}
	printGrowth(&out, growths[0], workloads[0], pairs, samples)
	if want := "crossgate        10.0µs       12.0µs    1.20×       1\n"; !strings.HasSuffix(out.String(), want) {
		t.Errorf("no %q in\n%s", want, out.String())
	}
}

// TestWatcher: the body of the route that changes is seen, and a slow answer is counted
// in the span in which it was under way.
func TestWatcher(t *testing.T) {
	var slow atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if slow.CompareAndSwap(true, false) {
			time.Sleep(50 * time.Millisecond)
		}
		io.WriteString(w, "now") //nolint:errcheck // the client sees it
	}))
	defer server.Close()
	w, err := watch(server.Listener.Addr().(*net.TCPAddr).Port)
	if err != nil {
		t.Fatal(err)
	}
	defer w.stop()
	began := time.Now()
	slow.Store(true)
	for slow.Load() {
		time.Sleep(time.Millisecond)
	}
	if _, err := w.waitFor(t.Context(), "now"); err != nil {
		t.Error(err)
	}
	time.Sleep(100 * time.Millisecond)
	if d := w.slowest(began, time.Now()); d < 50*time.Millisecond {
		t.Errorf("the slowest took %s, want at least 50ms", d)
	}
	if d := w.slowest(began.Add(-time.Hour), began.Add(-time.Minute)); d != 0 {
		t.Errorf("%s in a span without requests", d)
	}
}
