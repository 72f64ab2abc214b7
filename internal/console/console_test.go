package console

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	adminv3 "github.com/envoyproxy/go-control-plane/envoy/admin/v3"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/stats"
	"github.com/crossgate/crossgate/internal/upstream"
	"github.com/crossgate/crossgate/internal/xds"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func testOptions(state State) Options {
	return Options{
		State: func() State { return state },
		ServerInfo: func() *adminv3.ServerInfo {
			return &adminv3.ServerInfo{Version: "v1.2.3", UptimeCurrentEpoch: durationpb.New(90 * time.Second), UptimeAllEpochs: durationpb.New(90 * time.Second)}
		},
		ConfigDump: func(o xds.DumpOptions) ([]byte, error) {
			if o.Resource == "nonsense" || o.Mask == "nonsense" {
				return nil, errors.New("nonsense not found in config dump")
			}
			return json.Marshal(o)
		},
		Clusters: func() []upstream.Status {
			return []upstream.Status{upCluster(), {ClusterStatus: &adminv3.ClusterStatus{Name: "down", ObservabilityName: "down"}}}
		},
		Listeners: func() *adminv3.Listeners {
			return &adminv3.Listeners{ListenerStatuses: []*adminv3.ListenerStatus{{Name: "L", LocalAddress: upstream.SocketAddress("127.0.0.1:23902")}}}
		},
		Certificates: func() *adminv3.Certificates { return &adminv3.Certificates{} },
		Levels:       &levels{"admin": "info", "engine": "info"},
		Origins: func() map[string]diag.Pos {
			return map[string]diag.Pos{"listener/0.0.0.0_80": {File: "gw.yaml", Line: 7, Col: 5}}
		},
		Stats: counted(),
	}
}

func get(h http.Handler, method, target string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, target, nil))
	return w
}

// TestPages holds what a real Envoy 1.40 answers on the same paths, as far as
// the answer is Envoy's own text.
func TestPages(t *testing.T) {
	live := Admin(testOptions(Live))
	tests := []struct {
		name, method, target string
		h                    http.Handler
		status               int
		body                 string // the whole, or its beginning before …
	}{
		{"live", "GET", "/ready", live, 200, "LIVE\n"},
		{"no configuration", "GET", "/ready", Admin(testOptions(PreInitializing)), 503, "PRE_INITIALIZING\n"},
		{"draining", "GET", "/ready", Admin(testOptions(Draining)), 503, "DRAINING\n"},
		{"readiness", "GET", "/healthz/ready", Readiness(testOptions(Live)), 200, "LIVE\n"},
		{"readiness draining", "GET", "/healthz/ready", Readiness(testOptions(Draining)), 503, "DRAINING\n"},
		{"metrics", "GET", "/stats/prometheus?filter=cors&usedonly", Metrics(testOptions(Live)), 200, "# TYPE envoy_http_cors_origin_valid counter\nenvoy_http_cors_origin_valid{envoy_http_conn_manager_prefix=\"in\"} 2\n"},
		{"metrics on admin", "GET", "/stats/prometheus?filter=cors", live, 200, "# TYPE envoy_http_cors_origin_valid counter\nenvoy_http_cors_origin_valid{envoy_http_conn_manager_prefix=\"in\"} 2\n"},
		{"no admin on the metrics port", "GET", "/config_dump", Metrics(testOptions(Live)), 404, "invalid path. …"},
		{"unknown", "GET", "/nope", live, 404, "invalid path. …"},
		{"index", "GET", "/", live, 200, "the paths are:\n…"},
		{"help", "GET", "/help", live, 200, "the paths are:\n…"},
		{"head", "HEAD", "/ready", live, 200, "…"},
		{"post", "POST", "/ready", live, 405, "Method POST not allowed, GET required.\n"},
		{"dump", "GET", "/config_dump", live, 200, `{"Resource":"","Mask":"","Endpoints":false,…`},
		{"dump parameters", "GET", "/config_dump?resource=dynamic_route_configs&mask=route_config.name&include_eds", live, 200, `{"Resource":"dynamic_route_configs","Mask":"route_config.name","Endpoints":true,…`},
		{"clusters", "GET", "/clusters?format=json&filter=^d", live, 200, "{\n \"cluster_statuses\": [\n  {\n   \"name\": \"down\",\n   \"observability_name\": \"down\"\n  }\n ]\n}\n"},
		{"clusters as text", "GET", "/clusters?filter=u", live, 200, upText},
		{"a filter that is none", "GET", "/clusters?filter=(", live, 400, "Invalid re2 regex: …"},
		{"listeners", "GET", "/listeners", live, 200, "L::127.0.0.1:23902\n"},
		{"listeners as JSON", "GET", "/listeners?format=json", live, 200, "{\n \"listener_statuses\": [\n  {\n   \"name\": \"L\",\n   \"local_address\": {\n    \"socket_address\": {\n     \"address\": \"127.0.0.1\",\n     \"port_value\": 23902\n    }\n   }\n  }\n ]\n}\n"},
		{"certs", "GET", "/certs", live, 200, "{\n \"certificates\": []\n}\n"},
		{"stats", "GET", "/stats", live, 200, "http.in.cors.origin_valid: 2\nhttp.in.downstream_cx_active: 0\nhttp.in.downstream_rq_time: P0(nan,0) P25(nan,0.125) P50(nan,0.25) …"},
		{"used stats", "GET", "/stats?usedonly&type=Gauges", live, 200, ""},
		{"stats of a kind", "GET", "/stats?type=Counters", live, 200, "http.in.cors.origin_valid: 2\n"},
		{"stats of no kind", "GET", "/stats?type=Bogus", live, 400, "invalid &type= param"},
		{"filtered stats", "GET", "/stats?filter=active$", live, 200, "http.in.downstream_cx_active: 0\n"},
		{"stats but the filtered", "GET", "/stats?filter=active$&invert_filter&type=Gauges", live, 200, ""},
		{"a filter of stats that is none", "GET", "/stats?filter=(", live, 400, "Invalid re2 regex: …"},
		{"stats as JSON", "GET", "/stats?format=json&type=Counters&filter=cors", live, 200, `{"stats":[{"name":"http.in.cors.origin_valid","value":2}]}`},
		{"histograms as JSON", "GET", "/stats?format=json&type=Histograms", live, 200, `{"stats":[{"histograms":{"supported_quantiles":[0,25,50,75,90,95,99,99.5,99.9,100],"computed_quantiles":[{"name":"http.in.downstream_rq_time","values":[{"cumulative":0,"interval":null},{"cumulative":0.125,…`},
		{"stats for Prometheus", "GET", "/stats?format=prometheus&filter=cors", live, 200, "# TYPE envoy_http_cors_origin_valid counter\nenvoy_http_cors_origin_valid{envoy_http_conn_manager_prefix=\"in\"} 2\n"},
		{"stats in a form that is not there", "GET", "/stats?format=html", live, 400, "usage: /stats?format=(json|prometheus|text)\n\n"},
		{"loggers", "GET", "/logging", live, 200, "active loggers:\n  admin: info\n  engine: info\n"},
		{"origins", "GET", "/origins", live, 200, "{\n \"listener/0.0.0.0_80\": \"gw.yaml:7:5\"\n}\n"},
		{"dump of nothing", "GET", "/config_dump?resource=nonsense", live, 404, "nonsense not found in config dump\n"},
		{"dump with a mask of nothing", "GET", "/config_dump?mask=nonsense", live, 400, "nonsense not found in config dump\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := get(tt.h, tt.method, tt.target)
			if w.Code != tt.status {
				t.Errorf("status %d, want %d", w.Code, tt.status)
			}
			want, isPrefix := strings.CutSuffix(tt.body, "…")
			if got := w.Body.String(); got != want && (!isPrefix || !strings.HasPrefix(got, want)) {
				t.Errorf("body %q, want %q", got, tt.body)
			}
			if got := w.Header().Get("Cache-Control"); got != "no-cache, max-age=0" {
				t.Errorf("cache-control %q", got)
			}
			if got := w.Header().Get("X-Content-Type-Options"); got != "nosniff" {
				t.Errorf("x-content-type-options %q", got)
			}
		})
	}
}

func TestServerInfo(t *testing.T) {
	w := get(Admin(testOptions(Live)), "GET", "/server_info")
	got := &adminv3.ServerInfo{}
	if err := protojson.Unmarshal(w.Body.Bytes(), got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(testOptions(Live).ServerInfo(), got, protocmp.Transform()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestGuard(t *testing.T) {
	h := Guard(Admin(testOptions(Live)))
	for host, want := range map[string]int{
		"localhost:15000":              200,
		"LOCALHOST":                    200,
		"127.0.0.1:15000":              200,
		"127.0.0.1":                    200,
		"[::1]:15000":                  200,
		"[::1]":                        200,
		"192.0.2.7:15000":              200,
		"attacker.example:15000":       403,
		"attacker.example":             403,
		"localhost.attacker.example":   403,
		"127.0.0.1.attacker.example:1": 403,
		"127.0.0.1:15000:1":            403,
		"":                             403,
	} {
		r := httptest.NewRequest("GET", "/ready", nil)
		r.Host = host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("Host %q: status %d, want %d", host, w.Code, want)
		}
		if acao := w.Header().Get("Access-Control-Allow-Origin"); acao != "" {
			t.Errorf("Host %q: the console lets %s read it", host, acao)
		}
	}
}

func TestServeStops(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, ln, Admin(testOptions(Live)), slog.New(slog.DiscardHandler)) }()
	tr := &http.Transport{}
	defer tr.CloseIdleConnections()
	resp, err := (&http.Client{Transport: tr}).Get("http://" + ln.Addr().String() + "/ready")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	cancel()
	if err := <-done; err != nil {
		t.Errorf("stop: %v", err)
	}
}

// TestMetricsCompression: Prometheus asks for gzip, others may not.
func TestMetricsCompression(t *testing.T) {
	const plain = "# TYPE envoy_http_cors_origin_valid counter\nenvoy_http_cors_origin_valid{envoy_http_conn_manager_prefix=\"in\"} 2\n"
	for accept, zipped := range map[string]bool{
		"": false, "identity": false, "gzip": true, "GZIP": true, "deflate, gzip;q=0.5": true, "gzip;q=0": false, "gzip; q=0.0, *": false,
		"*": true, "*;q=0": false, "gzip;q=x": false, "br": false, "x-gzip": true,
	} {
		r := httptest.NewRequest(http.MethodGet, "/stats/prometheus?filter=cors", nil)
		if accept != "" {
			r.Header.Set("Accept-Encoding", accept)
		}
		w := httptest.NewRecorder()
		Metrics(testOptions(Live)).ServeHTTP(w, r)
		var body io.Reader = w.Body
		if got := w.Header().Get("Content-Encoding") == "gzip"; got != zipped {
			t.Errorf("Accept-Encoding %q: compressed %v, want %v", accept, got, zipped)
		} else if zipped {
			var err error
			if body, err = gzip.NewReader(w.Body); err != nil {
				t.Fatal(err)
			}
		}
		if text, err := io.ReadAll(body); err != nil || string(text) != plain {
			t.Errorf("Accept-Encoding %q: %q, %v", accept, text, err)
		}
		if got := w.Header().Get("Content-Type"); got != "text/plain; version=0.0.4; charset=utf-8" {
			t.Errorf("Content-Type %q", got)
		}
	}
}

// noStatistics fails to be collected.
type noStatistics struct{}

func (noStatistics) Samples() []stats.Sample { return nil }
func (noStatistics) WritePrometheus(io.Writer, stats.Filter) error {
	return errors.New("gather metrics: no")
}

// TestMetricsFail: what cannot be collected is an error, not an empty page.
func TestMetricsFail(t *testing.T) {
	o := testOptions(Live)
	o.Stats = noStatistics{}
	r := httptest.NewRequest(http.MethodGet, "/stats/prometheus", nil)
	r.Header.Set("Accept-Encoding", "gzip")
	w := httptest.NewRecorder()
	Metrics(o).ServeHTTP(w, r)
	if w.Code != http.StatusInternalServerError || w.Body.String() != "gather metrics: no\n" || w.Header().Get("Content-Encoding") != "" {
		t.Errorf("%d %q %v", w.Code, w.Body, w.Header())
	}
}
