package square

import (
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/crossgate/crossgate/internal/xds"
	"github.com/crossgate/crossgate/test/envoy"
	"github.com/crossgate/crossgate/test/gate"
	"github.com/crossgate/crossgate/test/rawhttp"
)

// BenchmarkProfiles measures the CPU that a data plane needs for a request, in both
// profiles, for policies of a few origins and of many: the table in docs/profiles.md.
// The two run side by side and take turns, and the best turn counts: what else the
// machine does then falls on both. The time on the wall says nothing here.
func BenchmarkProfiles(b *testing.B) {
	for _, origins := range []int{1, 50, 500} {
		for _, plane := range planesOf(b) {
			for _, name := range slices.Sorted(maps.Keys(costRequests)) {
				b.Run(fmt.Sprintf("%s/%d-origins/%s", name, origins, plane.name), func(b *testing.B) {
					compareProfiles(b, plane, origins, costRequests[name])
				})
			}
		}
	}
}

const (
	turns   = 10
	perTurn = 2000
)

func compareProfiles(b *testing.B, p plane, origins int, request string) {
	desk := rawhttp.NewDesk()
	up, err := rawhttp.Listen("", desk)
	if err != nil {
		b.Fatal(err)
	}
	defer up.Close()
	profiles := []string{profileIstio, profileHardened}
	conns, procs := make([]*rawhttp.Conn, 2), make([]*envoy.Process, 2)
	for i, profile := range profiles {
		text := costBootstrap(b, profile, origins, up.Port())
		reportTable(b, profile, text)
		corners, err := start([]plane{p}, b.TempDir(), text, desk)
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = stop(corners) }()
		if conns[i], err = corners[0].dial(""); err != nil {
			b.Fatal(err)
		}
		defer func() { _ = conns[i].Close() }()
		procs[i] = corners[0].proc
	}
	method, _, _ := strings.Cut(request, " ")
	best := []float64{math.Inf(1), math.Inf(1)}
	for b.Loop() {
		for range turns {
			for i := range profiles {
				before := cpu(b, procs[i])
				for range perTurn {
					if r := conns[i].Do([]byte(request), method); r.Status == 0 || r.Status >= 500 {
						b.Fatalf("status %d %s", r.Status, r.End)
					}
				}
				best[i] = min(best[i], float64(cpu(b, procs[i])-before)/float64(time.Microsecond)/perTurn)
			}
		}
	}
	b.ReportMetric(best[0], "istio-µs/request")
	b.ReportMetric(best[1], "hardened-µs/request")
	b.ReportMetric(best[1]/best[0], "ratio")
}

var costRequests = map[string]string{
	"GET":            "GET /api/x HTTP/1.1\r\nHost: a.test\r\nOrigin: https://o0.example.com\r\n\r\n",
	"GET-no-origin":  "GET /api/x HTTP/1.1\r\nHost: a.test\r\n\r\n",
	"preflight":      "OPTIONS /api/x HTTP/1.1\r\nHost: a.test\r\nOrigin: https://o0.example.com\r\nAccess-Control-Request-Method: PUT\r\nAccess-Control-Request-Headers: content-type\r\n\r\n",
	"preflight-evil": "OPTIONS /api/x HTTP/1.1\r\nHost: a.test\r\nOrigin: https://evil.example\r\nAccess-Control-Request-Method: PUT\r\n\r\n",
}

// costBootstrap has one host with a policy of so many exact origins, and a pattern.
func costBootstrap(b *testing.B, profile string, origins, port int) []byte {
	b.Helper()
	var doc strings.Builder
	fmt.Fprintf(&doc, `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: up}
spec:
  hosts: [up.test]
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints: [{address: 127.0.0.1, ports: {http: %d}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: vs}
spec:
  hosts: [a.test]
  gateways: [gw]
  http:
  - match: [{uri: {prefix: /api}}]
    corsPolicy:
      allowMethods: [GET, POST, PUT]
      allowHeaders: [content-type, authorization]
      allowCredentials: true
      allowOrigins:
      - regex: 'https://[a-z0-9-]+\.preview\.example\.com'
`, port)
	for i := range origins {
		fmt.Fprintf(&doc, "      - exact: https://o%d.example.com\n", i)
	}
	doc.WriteString("    route: [{destination: {host: up.test, port: {number: 80}}}]\n")
	dir := b.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "in.yaml"), []byte(doc.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	out, err := translate(gate.Binary(b), profile, dir, b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	return out
}

// reportTable reports the size of the route table.
func reportTable(b *testing.B, profile string, bootstrap []byte) {
	b.Helper()
	s, diags := xds.LoadBootstrap("bootstrap.json", bootstrap)
	if s == nil {
		b.Fatal(diags)
	}
	routes, size := 0, 0
	for _, l := range s.Listeners {
		for _, fc := range xds.FilterChains(l) {
			for _, f := range fc.GetFilters() {
				rc := xds.ConnectionManager(f).GetRouteConfig()
				size += proto.Size(rc)
				for _, vh := range rc.GetVirtualHosts() {
					routes += len(vh.GetRoutes())
				}
			}
		}
	}
	b.Logf("%s: %d routes, %d bytes", profile, routes, size)
}

// cpu is the time that a process has had (proc(5), schedstat: nanoseconds on the CPU
// of each of its threads).
func cpu(b *testing.B, p *envoy.Process) (sum time.Duration) {
	b.Helper()
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", p.Pid()))
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			continue // the thread has ended
		}
		first, _, _ := strings.Cut(string(data), " ")
		n, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		sum += time.Duration(n)
	}
	return sum
}
