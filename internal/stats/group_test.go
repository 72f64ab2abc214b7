package stats

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
)

type testStats struct {
	Total  Counter   `stat:"downstream_cx_total"`
	Active Gauge     `stat:"downstream_cx_active"`
	Rq     Classes   `stat:"downstream_rq"`
	Codes  Codes     `stat:"upstream_rq"`
	Time   Histogram `stat:"downstream_rq_time"`
	CORS   struct {
		Valid Counter `stat:"origin_valid"`
	} `stat:"cors"`
}

func inScope(prefix string) Scope {
	return Scope{}.In("http").Tagged("envoy_http_conn_manager_prefix", prefix)
}

func exposed(t *testing.T, s *Store, f Filter) string {
	t.Helper()
	var b bytes.Buffer
	if err := s.WritePrometheus(&b, f); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestNames: the lines are those of Envoy 1.40 for the same numbers, but for the
// order of labels, and for the semicolon with which istiod ends a name.
func TestNames(t *testing.T) {
	s := New()
	m := Of[testStats](s, inScope("outbound_0.0.0.0_80;"))
	m.Total.Inc()
	m.Active.Add(2)
	m.Active.Add(-1)
	m.Rq.Inc(204)
	m.Codes.Inc(503)
	m.Time.Observe(3)
	got := exposed(t, s, Filter{UsedOnly: true})
	for _, want := range []string{
		`envoy_http_downstream_cx_total{envoy_http_conn_manager_prefix="outbound_0.0.0.0_80"} 1`,
		`envoy_http_downstream_cx_active{envoy_http_conn_manager_prefix="outbound_0.0.0.0_80"} 1`,
		`envoy_http_downstream_rq_xx{envoy_http_conn_manager_prefix="outbound_0.0.0.0_80",envoy_response_code_class="2"} 1`,
		`envoy_http_downstream_rq_completed{envoy_http_conn_manager_prefix="outbound_0.0.0.0_80"} 1`,
		`envoy_http_upstream_rq{envoy_http_conn_manager_prefix="outbound_0.0.0.0_80",envoy_response_code="503"} 1`,
		`envoy_http_upstream_rq_xx{envoy_http_conn_manager_prefix="outbound_0.0.0.0_80",envoy_response_code_class="5"} 1`,
		`envoy_http_downstream_rq_time_bucket{envoy_http_conn_manager_prefix="outbound_0.0.0.0_80",le="5"} 1`,
		`envoy_http_downstream_rq_time_count{envoy_http_conn_manager_prefix="outbound_0.0.0.0_80"} 1`,
	} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("%s is missing in\n%s", want, got)
		}
	}
	if strings.Contains(got, "cors") {
		t.Errorf("a counter that was never counted:\n%s", got)
	}
	var names []string
	for _, x := range s.Samples() {
		names = append(names, x.Name)
	}
	for _, want := range []string{
		"http.outbound_0.0.0.0_80;.cors.origin_valid", "http.outbound_0.0.0.0_80;.downstream_rq_2xx",
		"http.outbound_0.0.0.0_80;.upstream_rq_503", "http.outbound_0.0.0.0_80;.upstream_rq_completed",
	} {
		if !strings.Contains(strings.Join(names, "\n")+"\n", want+"\n") {
			t.Errorf("%s is missing in %q", want, names)
		}
	}
	filtered := exposed(t, s, Filter{Match: regexp.MustCompile("cors")})
	if want := "# TYPE envoy_http_cors_origin_valid counter\nenvoy_http_cors_origin_valid{envoy_http_conn_manager_prefix=\"outbound_0.0.0.0_80\"} 0\n"; filtered != want {
		t.Errorf("filter=cors: %q, want %q", filtered, want)
	}
}

// TestGenerations: what a new version of the configuration counts in goes on, what
// only the old one did is forgotten, what is of no version stays.
func TestGenerations(t *testing.T) {
	s := New()
	Of[testStats](s, Scope{}.In("server")).Total.Inc()
	first := s.Generation()
	Use[testStats](first, inScope("a")).Total.Inc()
	Use[testStats](first, inScope("b")).Total.Inc()
	first.Commit()
	second := s.Generation()
	Use[testStats](second, inScope("a")).Total.Inc()
	second.Commit()
	got := exposed(t, s, Filter{UsedOnly: true})
	want := "# TYPE envoy_http_downstream_cx_total counter\n" +
		"envoy_http_downstream_cx_total{envoy_http_conn_manager_prefix=\"a\"} 2\n" +
		"# TYPE envoy_server_downstream_cx_total counter\nenvoy_server_downstream_cx_total 1\n"
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestCountingAllocatesNothing(t *testing.T) {
	m := Of[testStats](New(), inScope("a"))
	m.Codes.Inc(200)
	if n := testing.AllocsPerRun(100, func() {
		m.Total.Inc()
		m.Active.Add(1)
		m.Rq.Inc(200)
		m.Codes.Inc(200)
		m.Time.Observe(1)
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}
