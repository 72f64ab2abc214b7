package translate

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/resource"
	"github.com/crossgate/crossgate/internal/xds"
)

const writtenRules = `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gw, namespace: prod}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: v, namespace: prod}
spec:
  hosts: [h.example]
  gateways: [prod/gw]
  http:
  - {match: [{uri: {prefix: /1}}], route: [{destination: {host: api, subset: own, port: {number: 80}}}]}
  - {match: [{uri: {prefix: /2}}], route: [{destination: {host: api, subset: other, port: {number: 81}}}]}
  - route: [{destination: {host: api, port: {number: 80}}}]
---
apiVersion: v1
kind: Service
metadata: {name: api, namespace: prod}
spec: {ports: [{name: http, port: 80}, {name: http-b, port: 81}, {name: http-c, port: 82}]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: first, namespace: prod}
spec:
  host: api
  subsets:
  - name: own
    trafficPolicy:
      connectionPool:
        http:
          h2UpgradePolicy: UPGRADE # http2 80 own, http2 82 own
      loadBalancer:
        simple: PASSTHROUGH # balance 80 own, balance 82 own, reported
      portLevelSettings:
      - port: {number: 81}
        connectionPool:
          http:
            h2UpgradePolicy: UPGRADE # http2 81 own
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: second, namespace: prod}
spec:
  host: api
  trafficPolicy:
    connectionPool:
      http:
        h2UpgradePolicy: UPGRADE # http2 80, http2 82, http2 80 other, http2 82 other
    portLevelSettings:
    - port: {number: 81}
      loadBalancer:
        simple: PASSTHROUGH # balance 81, balance 81 other, balance 81 own, reported
  subsets:
  - name: other
`

// TestWhereAPropertyOfAClusterIsWritten: what makes a cluster speak HTTP/2, or go where the
// client meant to, is known by the line that is in effect, of whichever rule, subset and
// port; a destination that is used has a warning there.
func TestWhereAPropertyOfAClusterIsWritten(t *testing.T) {
	rs, diags := resource.Parse("in.yaml", []byte(writtenRules), resource.ParseOptions{})
	failOnErrors(t, diags)
	set, diags := resource.NewSet(rs)
	failOnErrors(t, diags)
	s, diags := Snapshot(set, Options{Node: DefaultNode(), Now: validFrom})

	reported := map[string]bool{}
	for _, d := range diags {
		if d.Code == CodeNoEndpoints && d.Severity == diag.Warning {
			reported[d.Pos.String()] = true
		}
	}
	want, line := map[string]string{}, 0
	for text := range strings.Lines(writtenRules) {
		line++
		before, marks, found := strings.Cut(text, " # ")
		if !found {
			continue
		}
		at := fmt.Sprintf("in.yaml:%d:%d", line, strings.LastIndex(before, " ")+2)
		for mark := range strings.SplitSeq(strings.TrimSpace(marks), ", ") {
			if mark == "reported" {
				if !reported[at] {
					t.Errorf("%s: no warning", at)
				}
				delete(reported, at)
				continue
			}
			m := regexp.MustCompile(`^(\w+) (\d+) ?(\w*)$`).FindStringSubmatch(mark)
			want[fmt.Sprintf("%s/outbound|%s|%s|api.prod.svc.cluster.local", m[1], m[2], m[3])] = at
		}
	}
	if len(reported) > 0 {
		t.Errorf("warnings elsewhere: %v", reported)
	}
	for key, pos := range s.Origins {
		if strings.HasPrefix(key, "http2/") || strings.HasPrefix(key, "balance/") {
			if want[key] != pos.String() {
				t.Errorf("%s is at %s, want %q", key, pos, want[key])
			}
			delete(want, key)
		}
	}
	if len(want) > 0 {
		t.Errorf("not known: %v", want)
	}
	if key := xds.ClusterBalanceKey("outbound|80||api.prod.svc.cluster.local"); s.Origins[key] != (diag.Pos{}) {
		t.Error(key)
	}
}
