package check

import (
	"fmt"
	"strings"
	"testing"

	"github.com/crossgate/crossgate/internal/resource"
)

// BenchmarkRun is the whole suite on many VirtualServices of one Gateway: the time
// for one must not grow with their number. Each has policies with patterns of its
// own, and one in ten lets in too much.
func BenchmarkRun(b *testing.B) {
	for _, n := range []int{1000, 10000} {
		b.Run(fmt.Sprintf("virtualservices=%d", n), func(b *testing.B) {
			set := manyVirtualServices(b, n)
			b.ReportAllocs()
			for b.Loop() {
				Run(set, Options{})
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/object")
		})
	}
}

func manyVirtualServices(tb testing.TB, n int) *resource.Set {
	tb.Helper()
	var text, hosts strings.Builder
	for i := range n {
		fmt.Fprintf(&hosts, "h%d.example, ", i)
		second := fmt.Sprintf(`{regex: 'https://[a-z0-9-]+\.h%d\.example'}`, i)
		if i%10 == 0 {
			second = fmt.Sprintf(`{regex: 'https://app.h%d.example'}, {prefix: 'https://app.h%d.example'}`, i, i)
		}
		fmt.Fprintf(&text, `---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: v%d}
spec:
  hosts: [h%d.example]
  gateways: [edge]
  http:
  - match: [{uri: {prefix: /api/v1}}, {uri: {prefix: /api}}]
    corsPolicy:
      allowOrigins: [{exact: https://app.h%d.example}, %s]
      allowCredentials: true
    route: [{destination: {host: s%d, port: {number: 80}}}]
  - route: [{destination: {host: s%d, port: {number: 80}}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: d%d}
spec: {host: s%d}
---
apiVersion: v1
kind: Service
metadata: {name: s%d}
spec: {ports: [{name: http, port: 80}]}
`, i, i, i, second, i, i, i, i, i)
	}
	fmt.Fprintf(&text, `---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec: {servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: [%s]}]}
`, strings.TrimSuffix(hosts.String(), ", "))
	rs, diags := resource.Parse("many.yaml", []byte(text.String()), resource.ParseOptions{})
	if diags.HasErrors() {
		tb.Fatal(diags[0])
	}
	set, _ := resource.NewSet(rs)
	return set
}
