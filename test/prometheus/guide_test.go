package prometheus

import (
	"fmt"
	"math"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/crossgate/crossgate/test/gate"
	"github.com/crossgate/crossgate/test/tool"
)

const apiService = "api-service.production.svc.cluster.local"

// Of a hundred preflights eighty are answered by the gateway and ten by the
// service, which refuses ten more after refusalTime. With refusals between two
// bounds of the histogram and all others below the lower one, the quantiles above
// 0.9 are known: they lie on the line from 500 to 1000 ms.
const (
	rounds      = 60
	trafficTime = 12 * time.Second
	refusalTime = 600 * time.Millisecond
	interval    = "100ms" // of scrapes
	minScrapes  = 40
)

// TestGuideQueries serves the guide's complete example to known traffic, lets a
// Prometheus scrape it where the guide's ServiceMonitor says, and compares the
// answers to the guide's three queries with what was sent.
func TestGuideQueries(t *testing.T) {
	g := serveGuide(t)
	var monitor serviceMonitor
	var svc corev1.Service
	readYAML(t, readFile(t, "test/analyze/testdata/17-istio-cors-metrics.yaml"), &monitor)
	readYAML(t, fromDocument(t, "docs/metrics.md", "service.yaml"), &svc)
	place, err := scrapeOf(&monitor, &svc)
	if err != nil {
		t.Fatal(err)
	}
	p := startPrometheus(t, place.config(g.Addr(int(place.port)), interval))

	c := newClient(t, g)
	all := []kind{allowed, admin, refused, answered, read, foreign, write, odd, missing, broken, alive, nowhere}
	c.warmUp(t, all...)
	warm := total(c.sent, isPreflight)
	p.waitFor(t, warm)
	steady := slices.Concat(slices.Repeat([]kind{allowed}, 6), slices.Repeat([]kind{admin}, 2), []kind{refused, answered, read, foreign, write})
	c.rounds(t, rounds, trafficTime, steady...)
	c.warmUp(t, odd, missing, broken, alive, nowhere)
	at := p.waitFor(t, total(c.sent, isPreflight))
	if t.Failed() {
		return
	}

	t.Run("counts", func(t *testing.T) { compareCounts(t, p, c.sent) })
	// Rates reach back to before the first sample, by at most half the time
	// between two of them: that is how far they may be above.
	scrapes := p.scrapes(t)
	slack := 1 + 0.5/float64(scrapes-1)
	t.Logf("%d scrapes; rates are at most %.2f %% too high", scrapes, 100*(slack-1))
	if scrapes < minScrapes {
		t.Fatalf("%d scrapes, want %d", scrapes, minScrapes)
	}
	queries := guideQueries(t)
	preflights := float64(10 * rounds)
	t.Run("preflights by source_workload", func(t *testing.T) {
		got := one(t, p.query(t, queries[0], at))
		if w := got.labels["source_workload"]; w != "istio-ingressgateway" {
			t.Errorf("source_workload %q, want the gateway's", w)
		}
		if want := preflights / 300; got.value < want*0.999 || got.value > want*slack*1.001 {
			t.Errorf("%v preflights a second, want %v to %v", got.value, want, want*slack)
		}
	})
	t.Run("rejection rate", func(t *testing.T) {
		within(t, one(t, p.query(t, queries[1], at)).value, 0.1, 0.01)
	})
	t.Run("latency", func(t *testing.T) {
		within(t, one(t, p.query(t, queries[2], at)).value, 750, 0.01)
	})
}

// serveGuide serves the guide's example as Istio would: the service gets the
// preflights that the policy does not allow.
func serveGuide(t *testing.T) *gate.Gate {
	t.Helper()
	return serveProfile(t, "istio")
}

func serveProfile(t *testing.T, profile string) *gate.Gate {
	t.Helper()
	prometheusTool.Require(t)
	backend := startService(t, service{refusalTime})
	return gate.ServeOn(t, 443, filepath.Join(tool.Root(), "test/analyze/testdata/14-complete-example.yaml"),
		"--dev-certs", "--upstream", "api-service.production:8080="+backend, "--profile", profile)
}

// compareCounts compares every series of the gateway's requests with what the client
// counted.
func compareCounts(t *testing.T, p *server, sent map[kind]int) {
	want := map[string]float64{}
	for k, n := range sent {
		method, service := k.method, apiService
		if k == odd {
			method = "OTHER"
		}
		if k.unrouted {
			service = "unknown"
		}
		want[fmt.Sprint(method, " ", k.status, " ", service)] += float64(n)
	}
	got := map[string]float64{}
	for _, s := range p.query(t, "istio_requests_total", 0) {
		got[fmt.Sprint(s.labels["request_method"], " ", s.labels["response_code"], " ", s.labels["destination_service"])] += s.value
	}
	for key, n := range want {
		if got[key] != n {
			t.Errorf("%s: %v requests counted, %v sent", key, got[key], n)
		}
	}
	for key, n := range got {
		if want[key] == 0 {
			t.Errorf("%s: %v requests counted, none sent", key, n)
		}
	}
}

func isPreflight(k kind) bool { return k.method == "OPTIONS" }

func total(sent map[kind]int, of func(kind) bool) (n float64) {
	for k, sent := range sent {
		if of(k) {
			n += float64(sent)
		}
	}
	return n
}

// waitFor waits until Prometheus has seen that many preflights, three times, and
// returns the time of the last sample.
func (s *server) waitFor(t *testing.T, preflights float64) (at float64) {
	t.Helper()
	const sum = `sum(istio_requests_total{request_method="OPTIONS"})`
	scraped := map[float64]bool{}
	err := s.WaitFor(30*time.Second, func() bool {
		if got := s.query(t, sum, 0); len(got) != 1 || got[0].value != preflights {
			return false
		}
		last := s.query(t, `max(timestamp(istio_requests_total))`, 0)
		if len(last) == 1 {
			at = last[0].value
			scraped[at] = true
		}
		return len(scraped) >= 3
	})
	if err != nil {
		t.Fatalf("%v\nPrometheus counts %v, want %v preflights\ntargets: %+v", err, s.query(t, sum, 0), preflights, s.targets(t))
	}
	return at
}

// scrapes counts the samples of the preflights' series.
func (s *server) scrapes(t *testing.T) int {
	t.Helper()
	fewest := math.MaxInt
	for _, one := range s.matrix(t, `istio_requests_total{request_method="OPTIONS"}[5m]`) {
		fewest = min(fewest, len(one.samples))
	}
	return fewest
}

// guideQueries are the guide's three, as they stand there.
func guideQueries(t *testing.T) []string {
	t.Helper()
	queries := strings.Split(strings.TrimSpace(string(readFile(t, "test/prometheus/testdata/queries.promql"))), "\n\n")
	if len(queries) != 3 {
		t.Fatalf("%d queries, want 3", len(queries))
	}
	return queries
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(tool.Root(), path))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func one(t *testing.T, got []sample) sample {
	t.Helper()
	if len(got) != 1 {
		t.Fatalf("%d results, want 1: %+v", len(got), got)
	}
	return got[0]
}

func within(t *testing.T, got, want, part float64) {
	t.Helper()
	if math.IsNaN(got) || math.Abs(got-want) > part*want {
		t.Errorf("%v, want %v within %v %%", got, want, 100*part)
	}
}

// TestServiceMonitor: the ServiceMonitor and the Service of the documents lead to the
// same place as those of the guide.
func TestServiceMonitor(t *testing.T) {
	var monitor serviceMonitor
	var svc corev1.Service
	readYAML(t, fromDocument(t, "docs/metrics.md", "servicemonitor.yaml"), &monitor)
	readYAML(t, fromDocument(t, "docs/metrics.md", "service.yaml"), &svc)
	got, err := scrapeOf(&monitor, &svc)
	if want := (scrape{"/stats/prometheus", 15090, "30s"}); err != nil || got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	svc.Spec.Ports[0].Name = "http-envoy-prom"
	if _, err := scrapeOf(&monitor, &svc); err == nil {
		t.Error("a port of another name is found")
	}
}

// TestScrapeConfig runs Prometheus with the configuration that the documents show
// for one beside crossgate, and asks it the query that they show.
func TestScrapeConfig(t *testing.T) {
	prometheusTool.Require(t)
	g := serveGuide(t)
	const there = "127.0.0.1:15090"
	config := string(fromDocument(t, "docs/metrics.md", "prometheus.yml"))
	if !strings.Contains(config, there) {
		t.Fatalf("the configuration does not name %s", there)
	}
	_, port, err := net.SplitHostPort(there)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	config = "global: {scrape_interval: 200ms, scrape_timeout: 200ms}\n" + strings.ReplaceAll(config, there, g.Addr(n))
	p := startPrometheus(t, []byte(config))
	c := newClient(t, g)
	c.warmUp(t, allowed, refused)
	p.waitFor(t, 2)
	got := map[string]bool{}
	for _, s := range p.query(t, string(fromDocument(t, "docs/metrics.md", "queries.promql")), 0) {
		got[s.labels["destination_service"]+" "+s.labels["response_code"]] = true
	}
	if !got[apiService+" 200"] || !got[apiService+" 403"] {
		t.Errorf("the query for preflights by outcome gives %v", got)
	}
	for _, target := range p.targets(t) {
		if target.Health != "up" || target.LastError != "" {
			t.Errorf("%+v", target)
		}
	}
}

// TestRejectionRate: with the profile hardened the guide's query shows the preflights
// that the gateway refuses, under the name of the service that they were meant for.
func TestRejectionRate(t *testing.T) {
	prometheusTool.Require(t)
	g := serveProfile(t, "hardened")
	p := startPrometheus(t, scrape{path: "/stats/prometheus", port: 15090}.config(g.Addr(15090), interval))
	c := newClient(t, g)
	// The service would answer this one; the gateway does not let it get there.
	partner := answered
	partner.status = 403
	c.warmUp(t, allowed, refused, partner, read, foreign)
	p.waitFor(t, total(c.sent, isPreflight))
	c.rounds(t, 20, 4*time.Second, slices.Concat(slices.Repeat([]kind{allowed}, 7), []kind{refused, partner, partner, read, foreign})...)
	at := p.waitFor(t, total(c.sent, isPreflight))
	if t.Failed() {
		return
	}
	compareCounts(t, p, c.sent)
	within(t, one(t, p.query(t, guideQueries(t)[1], at)).value, 0.3, 0.01)
}
