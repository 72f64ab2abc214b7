package prometheus

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/crossgate/crossgate/test/envoy"
)

// envoyHistogram is a bootstrap with a histogram of whole milliseconds, as Istio's
// filter records them, and with buckets of none but Envoy's choice: istiod sets no
// others unless an annotation does.
const envoyHistogram = `
admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}
stats_flush_interval: 0.1s
static_resources:
  listeners:
  - name: l
    address: {socket_address: {address: 127.0.0.1, port_value: %d}}
    filter_chains:
    - filters:
      - name: hcm
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: s
          http_filters: [{name: router, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]
          route_config: {name: r, virtual_hosts: [{name: v, domains: ["*"], routes: [{match: {prefix: /}, direct_response: {status: 200}}]}]}
`

// TestBuckets compares the buckets of Istio's histograms with those that a real
// Envoy has for every histogram.
func TestBuckets(t *testing.T) {
	bin := envoy.Require(t)
	prometheusTool.Require(t)
	want := envoyBuckets(t, bin)
	if len(want) == 0 {
		t.Fatal("Envoy shows no histogram")
	}
	g := serveGuide(t)
	newClient(t, g).warmUp(t, allowed)
	for _, name := range []string{"istio_request_duration_milliseconds", "istio_request_bytes", "istio_response_bytes"} {
		got := bounds(families(t, "http://"+g.Addr(15090)+"/stats/prometheus")[name])
		if !slices.Equal(got, want) {
			t.Errorf("%s: buckets %v, want %v", name, got, want)
		}
	}
}

func envoyBuckets(t *testing.T, bin string) []float64 {
	t.Helper()
	dir := t.TempDir()
	bootstrap, admin := filepath.Join(dir, "envoy.yaml"), filepath.Join(dir, "admin")
	addr := freeAddress(t)
	var port int
	if _, err := fmt.Sscanf(addr, "127.0.0.1:%d", &port); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(bootstrap, fmt.Appendf(nil, envoyHistogram, port), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := envoy.Run(exec.Command(bin, "-c", bootstrap, "--admin-address-path", admin, "--use-dynamic-base-id", "--concurrency", "1", "-l", "error"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	var got []float64
	err = p.WaitFor(30*time.Second, func() bool {
		res, err := http.Get("http://" + addr)
		if err != nil {
			return false
		}
		_ = res.Body.Close()
		where, err := os.ReadFile(admin)
		if err != nil {
			return false
		}
		got = bounds(families(t, "http://"+string(where)+"/stats/prometheus")["envoy_http_downstream_rq_time"])
		return len(got) > 0
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// families reads an exposition.
func families(t *testing.T, url string) map[string]*dto.MetricFamily {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	p := expfmt.NewTextParser(model.LegacyValidation)
	out, err := p.TextToMetricFamilies(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func bounds(f *dto.MetricFamily) (out []float64) {
	if len(f.GetMetric()) == 0 {
		return nil
	}
	for _, b := range f.GetMetric()[0].GetHistogram().GetBucket() {
		out = append(out, b.GetUpperBound())
	}
	return out
}
