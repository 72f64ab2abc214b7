package translate

import (
	"fmt"
	"strings"
	"testing"

	"github.com/crossgate/crossgate/internal/resource"
)

// BenchmarkSnapshot translates a thousand VirtualServices with a service each.
func BenchmarkSnapshot(b *testing.B) {
	var text strings.Builder
	text.WriteString(`apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gw, namespace: default}
spec: {servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]}
`)
	for i := range 1000 {
		fmt.Fprintf(&text, `---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: v%[1]d, namespace: default}
spec:
  hosts: [h%[1]d.example]
  gateways: [gw]
  http:
  - match: [{uri: {prefix: /a}}, {uri: {prefix: /b}}]
    corsPolicy: {allowOrigins: [{exact: "https://a%[1]d.example"}], allowMethods: [GET]}
    route: [{destination: {host: s%[1]d, port: {number: 80}}}]
---
apiVersion: v1
kind: Service
metadata: {name: s%[1]d, namespace: default}
spec: {ports: [{name: http, port: 80}]}
`, i)
	}
	rs, diags := resource.Parse("in.yaml", []byte(text.String()), resource.ParseOptions{})
	if diags.HasErrors() {
		b.Fatal(diags)
	}
	set, _ := resource.NewSet(rs)
	b.ReportAllocs()
	for b.Loop() {
		if s, _ := Snapshot(set, Options{Node: DefaultNode()}); len(s.Routes[0].GetVirtualHosts()) != 1000 {
			b.Fatal("virtual hosts are missing")
		}
	}
}
