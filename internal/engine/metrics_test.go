package engine

import (
	"bytes"
	"maps"
	"net/url"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/crossgate/crossgate/internal/stats"
	"github.com/crossgate/crossgate/test/rawhttp"
)

// metricsConfig has a route for every way a request can end. Clusters and endpoints
// carry the metadata that istiod gives them.
const metricsConfig = `
              - match: {path: /none}
                route: {cluster: none}
              - match: {path: /refused}
                route: {cluster: refused}
              - match: {path: /short}
                route: {cluster: short}
              - match: {path: /black}
                route: {cluster: BlackHoleCluster}
              - match: {path: /missing}
                route: {cluster: nowhere}
              - match: {path: /direct}
                direct_response: {status: 418}
              - match: {path: /moved}
                redirect: {path_redirect: /}
              - match: {path: /fault}
                route: {cluster: api}
                typed_per_filter_config:
                  envoy.filters.http.fault:
                    "@type": type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault
                    abort: {http_status: 429, percentage: {numerator: 100}}
              - match: {prefix: /api}
                route: {cluster: api}
                typed_per_filter_config:
                  envoy.filters.http.cors:
                    "@type": type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy
                    allow_origin_string_match: [{exact: "https://app.example"}]
`

const metricsClusters = `
  - name: api
    type: STATIC
    metadata: {filter_metadata: {istio: {services: [{host: api.shop.svc.cluster.local, name: api, namespace: shop}]}}}
    load_assignment: {cluster_name: api, endpoints: [{lb_endpoints: [{metadata: {filter_metadata: {istio: {workload: "api-v1;shop;api;v1;Kubernetes"}}}, endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: UP}}}}]}]}
  - name: none
    type: STATIC
    metadata: {filter_metadata: {istio: {services: [{host: none.shop.svc.cluster.local, name: none, namespace: shop}]}}}
  - name: refused
    type: STATIC
    metadata: {filter_metadata: {istio: {services: [{host: refused.example}]}}}
    load_assignment: {cluster_name: refused, endpoints: [{lb_endpoints: [{metadata: {filter_metadata: {istio: {workload: "old;attic;old;;west"}}}, endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 1}}}}]}]}
  - name: short
    type: STATIC
    load_assignment: {cluster_name: short, endpoints: [{lb_endpoints: [{metadata: {filter_metadata: {istio: {workload: "a;b;c;d"}}}, endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: UP}}}}]}]}
  - name: BlackHoleCluster
    type: STATIC
`

var metricsWorkload = stats.Workload{
	Name: "istio-ingressgateway", Namespace: "istio-system", App: "istio-ingressgateway", Cluster: "Kubernetes",
	CanonicalService: "istio-ingressgateway", CanonicalRevision: "latest",
}

// toAPI, toUnknown are the labels of the destination where all is known and
// nothing is.
func toAPI(more map[string]string) map[string]string {
	return with(map[string]string{
		"destination_workload": "api-v1", "destination_workload_namespace": "shop", "destination_canonical_service": "api",
		"destination_canonical_revision": "v1", "destination_cluster": "Kubernetes", "destination_app": "unknown", "destination_version": "unknown",
		"destination_service": "api.shop.svc.cluster.local", "destination_service_name": "api", "destination_service_namespace": "shop",
	}, more)
}

func toUnknown(more map[string]string) map[string]string {
	return with(map[string]string{
		"destination_workload": "unknown", "destination_workload_namespace": "unknown", "destination_canonical_service": "unknown",
		"destination_canonical_revision": "latest", "destination_cluster": "unknown", "destination_app": "unknown", "destination_version": "unknown",
		"destination_service": "unknown", "destination_service_name": "unknown", "destination_service_namespace": "unknown",
	}, more)
}

func with(a, b map[string]string) map[string]string {
	maps.Copy(a, b)
	return a
}

// TestRequestMetricsLabels: every label of Istio's request metrics, as Istio's
// stats filter sets them (contrib/istio/filters/http/istio_stats in Envoy's
// repository; each case names the function). Stock Envoys do not have the filter,
// so that the expected values are read there.
func TestRequestMetricsLabels(t *testing.T) {
	b := start(t, bootstrap("", metricsConfig, metricsClusters))
	b.engine.opts.Workload = metricsWorkload
	faulty := strings.Replace(bootstrap("", metricsConfig, metricsClusters), "- name: envoy.filters.http.cors\n",
		"- name: envoy.filters.http.fault\n            typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault}\n          - name: envoy.filters.http.cors\n", 1)
	b.publish(faulty)
	const grpc = "Content-Type: application/grpc\r\n"
	for _, tt := range []struct {
		name    string
		request string
		answer  string // of the service
		want    map[string]string
	}{
		// Config: the reporter of an outbound listener is "source". populatePeerInfo: the
		// source is the proxy's own node; of it what is missing is empty, of the
		// destination it is "unknown".
		{"proxied", "GET /api HTTP/1.1\r\nHost: a.test\r\n\r\n", "HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n", toAPI(map[string]string{
			"reporter": "source", "response_code": "201", "response_flags": "-", "request_protocol": "http", "grpc_response_status": "",
			"connection_security_policy": "unknown", "request_method": "GET",
			"source_workload": "istio-ingressgateway", "source_workload_namespace": "istio-system", "source_principal": "unknown",
			"source_app": "istio-ingressgateway", "source_version": "", "source_cluster": "Kubernetes",
			"source_canonical_service": "istio-ingressgateway", "source_canonical_revision": "latest", "destination_principal": "unknown",
		})},
		// The cluster is that of the route, also where no host was asked for.
		{"preflight", "OPTIONS /api HTTP/1.1\r\nHost: a.test\r\nOrigin: https://app.example\r\nAccess-Control-Request-Method: PUT\r\n\r\n", "", toUnknown(map[string]string{
			"destination_service": "api.shop.svc.cluster.local", "destination_service_name": "api", "destination_service_namespace": "shop",
			"response_code": "200", "request_method": "OPTIONS",
		})},
		// disable_host_header_fallback is set for gateways (istiod's
		// disableHostHeaderFallback): without a cluster there is no service.
		{"no route", "GET /elsewhere HTTP/1.1\r\nHost: a.test\r\n\r\n", "", toUnknown(map[string]string{"response_code": "404", "response_flags": "NR"})},
		{"no cluster", "GET /missing HTTP/1.1\r\nHost: a.test\r\n\r\n", "", toUnknown(map[string]string{"response_code": "503", "response_flags": "NC"})},
		{"direct response", "GET /direct HTTP/1.1\r\nHost: a.test\r\n\r\n", "", toUnknown(map[string]string{"response_code": "418", "response_flags": "-"})},
		{"redirect", "GET /moved HTTP/1.1\r\nHost: a.test\r\n\r\n", "", toUnknown(map[string]string{"response_code": "301", "response_flags": "-"})},
		{"no host", "GET /none HTTP/1.1\r\nHost: a.test\r\n\r\n", "", toUnknown(map[string]string{
			"destination_service": "none.shop.svc.cluster.local", "destination_service_name": "none", "destination_service_namespace": "shop",
			"response_code": "503", "response_flags": "UH",
		})},
		// Without a name the service goes by the first part of its host, without a
		// namespace by that of its endpoint, which was chosen although it refused.
		{"refused", "GET /refused HTTP/1.1\r\nHost: a.test\r\n\r\n", "", toUnknown(map[string]string{
			"destination_service": "refused.example", "destination_service_name": "refused", "destination_service_namespace": "attic",
			"destination_workload": "old", "destination_workload_namespace": "attic", "destination_canonical_service": "old", "destination_cluster": "west",
			"response_code": "503", "response_flags": "UF",
		})},
		// convertEndpointMetadata: less than five parts say nothing.
		{"short metadata", "GET /short HTTP/1.1\r\nHost: a.test\r\n\r\n", "", toUnknown(map[string]string{"response_code": "200"})},
		{"black hole", "GET /black HTTP/1.1\r\nHost: a.test\r\n\r\n", "", toUnknown(map[string]string{
			"destination_service_name": "BlackHoleCluster", "response_code": "503", "response_flags": "UH",
		})},
		{"fault", "GET /fault HTTP/1.1\r\nHost: a.test\r\n\r\n", "", toUnknown(map[string]string{
			"destination_service": "api.shop.svc.cluster.local", "destination_service_name": "api", "destination_service_namespace": "shop",
			"response_code": "429", "response_flags": "FI",
		})},
		// A method is the client's to choose; the label does not grow with it.
		{"odd method", "PURGE /api HTTP/1.1\r\nHost: a.test\r\n\r\n", "", toAPI(map[string]string{"request_method": "OTHER", "response_code": "200"})},
		{"bad request", "GET /api HTTP/1.1\r\n\r\n", "", toUnknown(map[string]string{"response_code": "400"})},
		// log: grpc_response_status is that of the answer's fields, else what its HTTP
		// status stands for (Grpc::Common::getGrpcStatus); -1 for what is none.
		{"gRPC", "POST /api HTTP/1.1\r\nHost: a.test\r\n" + grpc + "content-length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\n" + grpc + "grpc-status: 7\r\ncontent-length: 0\r\n\r\n", toAPI(map[string]string{
			"request_protocol": "grpc", "grpc_response_status": "7", "response_code": "200", "request_method": "POST",
		})},
		{"gRPC, another status", "POST /api HTTP/1.1\r\nHost: a.test\r\n" + grpc + "content-length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\n" + grpc + "grpc-status: 0\r\ncontent-length: 0\r\n\r\n", toAPI(map[string]string{
			"request_protocol": "grpc", "grpc_response_status": "0", "response_code": "200",
		})},
		{"gRPC, no status", "POST /api HTTP/1.1\r\nHost: a.test\r\n" + grpc + "content-length: 0\r\n\r\n", "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n", toAPI(map[string]string{
			"request_protocol": "grpc", "grpc_response_status": "7", "response_code": "403",
		})},
		{"gRPC, no such status", "POST /api HTTP/1.1\r\nHost: a.test\r\n" + grpc + "content-length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\n" + grpc + "grpc-status: 4711\r\ncontent-length: 0\r\n\r\n", toAPI(map[string]string{
			"request_protocol": "grpc", "grpc_response_status": "-1", "response_code": "200",
		})},
		{"gRPC, no route", "POST /elsewhere HTTP/1.1\r\nHost: a.test\r\n" + grpc + "content-length: 0\r\n\r\n", "", toUnknown(map[string]string{
			"request_protocol": "grpc", "grpc_response_status": "12", "response_code": "200", "response_flags": "NR",
		})},
		// decodeHeaders, which finds out about gRPC, is not reached behind a fault.
		{"gRPC, fault", "POST /fault HTTP/1.1\r\nHost: a.test\r\n" + grpc + "content-length: 0\r\n\r\n", "", toUnknown(map[string]string{
			"destination_service": "api.shop.svc.cluster.local", "destination_service_name": "api", "destination_service_namespace": "shop",
			"request_protocol": "http", "grpc_response_status": "", "response_flags": "FI",
		})},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var plan rawhttp.Plan
			if tt.answer != "" {
				plan.Raw = []byte(tt.answer)
			}
			b.desk.Expect("", plan)
			defer b.desk.Take("")
			before := b.requests()
			b.dial().Do([]byte(tt.request), strings.Fields(tt.request)[0])
			got := b.counted(before)
			for name, want := range tt.want {
				if got[name] != want {
					t.Errorf("%s=%q, want %q", name, got[name], want)
				}
			}
			if len(got) != 26 {
				t.Errorf("%d labels, want Istio's 25 and request_method", len(got))
			}
		})
	}
}

// TestPrincipals: populatePeerInfo takes the principals of the two sides from the
// first URIs of their certificates, and the service's namespace from its own. What
// the connection is protected by, it only says on the receiving side.
func TestPrincipals(t *testing.T) {
	eachProtocol(t, func(t *testing.T, protocol string) {
		gateway := &url.URL{Scheme: "spiffe", Host: "cluster.local", Path: "/ns/istio-system/sa/ingress"}
		api := &url.URL{Scheme: "spiffe", Host: "cluster.local", Path: "/ns/shop/sa/api"}
		cert, key := selfSigned(t, "api.test", api)
		ours, oursKey := selfSigned(t, "gateway.test", gateway)
		svc := serveTLS(t, cert, key)
		socket := `common_tls_context: {tls_certificates: [{certificate_chain: {inline_string: ` + ours + `}, private_key: {inline_string: ` + oursKey + `}}]}`
		b := start(t, svc.secured(socket, "", protocol, ""))
		before := b.requests()
		b.ask("a.test")
		got := b.counted(before)
		for name, want := range map[string]string{
			"source_principal": gateway.String(), "destination_principal": api.String(), "destination_workload_namespace": "shop",
			"destination_service_namespace": "shop", "connection_security_policy": "unknown", "response_code": "200",
		} {
			if got[name] != want {
				t.Errorf("%s=%q, want %q", name, got[name], want)
			}
		}
	})
}

// requests returns how often each combination of labels was counted.
func (b *bench) requests() map[string]float64 {
	b.t.Helper()
	out := map[string]float64{}
	for _, m := range b.family("istio_requests_total").GetMetric() {
		out[labelKey(m)] = m.GetCounter().GetValue()
	}
	return out
}

// counted waits for the request to be counted that was not before, and returns its
// labels. Requests are counted once their answers have gone.
func (b *bench) counted(before map[string]float64) map[string]string {
	b.t.Helper()
	for range 500 {
		for _, m := range b.family("istio_requests_total").GetMetric() {
			if m.GetCounter().GetValue() != before[labelKey(m)]+1 {
				continue
			}
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			return labels
		}
		time.Sleep(time.Millisecond)
	}
	b.t.Fatal("the request was not counted")
	return nil
}

func labelKey(m *dto.Metric) string {
	var key strings.Builder
	for _, l := range m.GetLabel() {
		key.WriteString(l.GetName() + "=" + l.GetValue() + ";")
	}
	return key.String()
}

// family reads one family out of the exposition.
func (b *bench) family(name string) *dto.MetricFamily {
	b.t.Helper()
	var text bytes.Buffer
	if err := b.engine.opts.Stats.WritePrometheus(&text, stats.Filter{}); err != nil {
		b.t.Fatal(err)
	}
	p := expfmt.NewTextParser(model.LegacyValidation)
	families, err := p.TextToMetricFamilies(&text)
	if err != nil {
		b.t.Fatal(err)
	}
	return families[name]
}

// TestRequestSizes: the metrics of sizes are the bytes on the wire, as Istio's filter
// takes them from Envoy's meter (test/square compares those with a real Envoy's).
func TestRequestSizes(t *testing.T) {
	b := start(t, bootstrap("", plainRoute, ""))
	c := b.dial()
	request := "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
	var sent int
	for range 3 {
		before := b.requests()
		r := c.Do([]byte(request), "POST")
		b.counted(before)
		sent = len(r.Body)
	}
	sum := func(name string) float64 { return b.family(name).GetMetric()[0].GetHistogram().GetSampleSum() }
	if got, want := sum("istio_request_bytes"), float64(3*len(request)); got != want {
		t.Errorf("istio_request_bytes: sum %v, want %v", got, want)
	}
	if got := sum("istio_response_bytes"); got < float64(3*(sent+50)) {
		t.Errorf("istio_response_bytes: sum %v, want more than three bodies of %d", got, sent)
	}
}
