package advise

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// protocols is a shop whose services are spoken to in different protocols.
const protocols = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop, namespace: production}
spec:
  hosts: [api.example.com]
  gateways: [web]
  http:
  - match: [{uri: {prefix: /named}}]
    route: [{destination: {host: named}}]
  - match: [{uri: {prefix: /plain}}]
    route: [{destination: {host: plain}}]
  - match: [{uri: {prefix: /refused}}]
    fault: {abort: {httpStatus: 418, percentage: {value: 100}}}
    route: [{destination: {host: upgraded}}]
  - route:
    - {destination: {host: upgraded}, weight: 50}
    - {destination: {host: plain}, weight: 50}
---
apiVersion: v1
kind: Service
metadata: {name: named, namespace: production}
spec:
  ports: [{name: http2, port: 80}]
---
apiVersion: v1
kind: Service
metadata: {name: plain, namespace: production}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: upgraded, namespace: production}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: upgraded, namespace: production}
spec:
  host: upgraded
  trafficPolicy:
    connectionPool: {http: {h2UpgradePolicy: UPGRADE}}
`

// serviceOf explains a GET and returns what is said of its service.
func serviceOf(t *testing.T, in Input, path string) (*Service, *Hop) {
	t.Helper()
	ask, err := ReadFetch(`fetch("http://api.example.com` + path + `")`)
	if err != nil {
		t.Fatal(err)
	}
	ask.Call.Page = "https://app.example.com"
	if err := ask.Complete(); err != nil {
		t.Fatal(err)
	}
	e, err := Explain(in, ask)
	if err != nil {
		t.Fatal(err)
	}
	hop := &e.Hops[len(e.Hops)-1]
	return hop.Service, hop
}

func TestServices(t *testing.T) {
	in := inputOf(t, protocols)
	check := func(s *Service, setting, text string) {
		t.Helper()
		before, _, _ := strings.Cut(protocols, text)
		at := fmt.Sprintf("shop.yaml:%d:%d", strings.Count(before, "\n")+1, len(before)-strings.LastIndex(before, "\n"))
		if s == nil || s.Protocol != "HTTP/2" || s.Setting != setting || !strings.HasSuffix(s.Position, "/"+at) {
			t.Errorf("%+v, want %q at %s", s, setting, at)
		}
		if s != nil && (s.HTTP1 == nil || s.HTTP1.Status != 502 || s.HTTP1.Flags != "UPE") {
			t.Errorf("with HTTP/1.1 alone: %+v", s.HTTP1)
		}
	}
	named, _ := serviceOf(t, in, "/named")
	check(named, "", "[{name: http2")
	for _, path := range []string{"/plain", "/refused"} {
		if s, _ := serviceOf(t, in, path); s != nil {
			t.Errorf("%s: %+v", path, s)
		}
	}
	// One of two services, by chance.
	found := map[string]int{}
	for range 24 {
		s, hop := serviceOf(t, in, "/either")
		found[hop.Cluster]++
		if strings.Contains(hop.Cluster, "|plain.") {
			if s != nil {
				t.Errorf("%s: %+v", hop.Cluster, s)
			}
			continue
		}
		check(s, "h2UpgradePolicy: UPGRADE", "UPGRADE")
	}
	if len(found) != 2 {
		t.Errorf("requests went to %v", found)
	}
}

// TestServicesOfAnInstance: the statistics are asked for by the name that they have.
func TestServicesOfAnInstance(t *testing.T) {
	in := inputOf(t, protocols)
	var asked string
	in.ProtocolErrors = func(cluster string) (uint64, error) {
		asked = cluster
		return 3, nil
	}
	if s, _ := serviceOf(t, in, "/named"); s == nil || s.ProtocolErrors != 3 || asked != "outbound|80||named.production.svc.cluster.local;" {
		t.Errorf("%+v of %s", s, asked)
	}
	in.ProtocolErrors = func(string) (uint64, error) { return 0, errors.New("gone") }
	ask, err := ReadFetch(`fetch("http://api.example.com/named")`)
	if err != nil {
		t.Fatal(err)
	}
	ask.Call.Page = "https://app.example.com"
	if err := ask.Complete(); err != nil {
		t.Fatal(err)
	}
	if _, err := Explain(in, ask); err == nil || err.Error() != "gone" {
		t.Errorf("the error of the instance is %v", err)
	}
}
