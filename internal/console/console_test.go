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

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/xds"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func testOptions(state State) Options {
	return Options{
		Version: "v1.2.3",
		Started: time.Now().Add(-90 * time.Second),
		State:   func() State { return state },
		ConfigDump: func(o xds.DumpOptions) ([]byte, error) {
			if o.Resource == "nonsense" || o.Mask == "nonsense" {
				return nil, errors.New("nonsense not found in config dump")
			}
			return json.Marshal(o)
		},
		Clusters: func() ([]byte, error) { return []byte("{}\n"), nil },
		Origins: func() map[string]diag.Pos {
			return map[string]diag.Pos{"listener/0.0.0.0_80": {File: "gw.yaml", Line: 7, Col: 5}}
		},
		Stats: func(w io.Writer) error {
			_, err := io.WriteString(w, "# TYPE x counter\nx 1\n")
			return err
		},
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
		{"metrics", "GET", "/stats/prometheus", Metrics(testOptions(Live)), 200, "# TYPE x counter\nx 1\n"},
		{"metrics on admin", "GET", "/stats/prometheus", live, 200, "# TYPE x counter\nx 1\n"},
		{"no admin on the metrics port", "GET", "/config_dump", Metrics(testOptions(Live)), 404, "invalid path. …"},
		{"unknown", "GET", "/nope", live, 404, "invalid path. …"},
		{"index", "GET", "/", live, 200, "the paths are:\n…"},
		{"help", "GET", "/help", live, 200, "the paths are:\n…"},
		{"head", "HEAD", "/ready", live, 200, "…"},
		{"post", "POST", "/ready", live, 405, "Method POST not allowed, GET required.\n"},
		{"dump", "GET", "/config_dump", live, 200, `{"Resource":"","Mask":"","Endpoints":false,…`},
		{"dump parameters", "GET", "/config_dump?resource=dynamic_route_configs&mask=route_config.name&include_eds", live, 200, `{"Resource":"dynamic_route_configs","Mask":"route_config.name","Endpoints":true,…`},
		{"clusters", "GET", "/clusters?format=json", live, 200, "{}\n"},
		{"clusters as text", "GET", "/clusters", live, 400, "only /clusters?format=json is answered\n"},
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
	var got map[string]string
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"version": "v1.2.3", "state": "LIVE", "uptime_current_epoch": "90s", "uptime_all_epochs": "90s"}
	if diff := cmp.Diff(want, got); diff != "" {
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
	const plain = "# TYPE x counter\nx 1\n"
	for accept, zipped := range map[string]bool{
		"": false, "identity": false, "gzip": true, "GZIP": true, "deflate, gzip;q=0.5": true, "gzip;q=0": false, "gzip; q=0.0, *": false,
		"*": true, "*;q=0": false, "gzip;q=x": false, "br": false, "x-gzip": true,
	} {
		r := httptest.NewRequest(http.MethodGet, "/stats/prometheus", nil)
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

// TestMetricsFail: what cannot be collected is an error, not an empty page.
func TestMetricsFail(t *testing.T) {
	o := testOptions(Live)
	o.Stats = func(io.Writer) error { return errors.New("gather metrics: no") }
	r := httptest.NewRequest(http.MethodGet, "/stats/prometheus", nil)
	r.Header.Set("Accept-Encoding", "gzip")
	w := httptest.NewRecorder()
	Metrics(o).ServeHTTP(w, r)
	if w.Code != http.StatusInternalServerError || w.Body.String() != "gather metrics: no\n" || w.Header().Get("Content-Encoding") != "" {
		t.Errorf("%d %q %v", w.Code, w.Body, w.Header())
	}
}
