package stats

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

func TestExpositionIsReadByPrometheus(t *testing.T) {
	s := New()
	s.Requests(RequestLabels{Reporter: "source", Service: Service{Host: "api.shop.svc.cluster.local"}, ResponseCode: 200, RequestMethod: "OPTIONS"}).Observe(3*time.Millisecond, 0, 120)
	Of[testStats](s, Scope{}.In("http").Tagged("envoy_http_conn_manager_prefix", "in")).CORS.Valid.Add(2)
	var b bytes.Buffer
	if err := s.WritePrometheus(&b, Filter{}); err != nil {
		t.Fatal(err)
	}
	p := expfmt.NewTextParser(model.LegacyValidation)
	families, err := p.TextToMetricFamilies(&b)
	if err != nil {
		t.Fatal(err)
	}
	if got := families["envoy_http_cors_origin_valid"].GetMetric()[0].GetCounter().GetValue(); got != 2 {
		t.Errorf("envoy_http_cors_origin_valid = %v, want 2", got)
	}
	total := families["istio_requests_total"].GetMetric()[0]
	labels := map[string]string{}
	for _, l := range total.GetLabel() {
		labels[l.GetName()] = l.GetValue()
	}
	want := map[string]string{
		"request_method": "OPTIONS", "response_code": "200", "destination_service": "api.shop.svc.cluster.local", "source_workload": "", "destination_workload": "unknown",
	}
	for k, v := range want {
		if labels[k] != v {
			t.Errorf("label %s = %q, want %q", k, labels[k], v)
		}
	}
	if n := families["istio_request_duration_milliseconds"].GetMetric()[0].GetHistogram().GetSampleCount(); n != 1 {
		t.Errorf("%d durations, want 1", n)
	}
}

func TestChildrenAreBounded(t *testing.T) {
	s := New()
	for i := range maxChildren + 50 {
		s.Requests(RequestLabels{Source: Workload{App: fmt.Sprint(i)}}).Observe(time.Millisecond, 1, 1)
	}
	if n := len(s.children); n > maxChildren+1 {
		t.Errorf("%d children, want at most %d", n, maxChildren+1)
	}
}

func TestObserveAllocatesNothing(t *testing.T) {
	m := New().Requests(RequestLabels{Reporter: "source"})
	if n := testing.AllocsPerRun(100, func() { m.Observe(12*time.Millisecond, 1, 2) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func BenchmarkObserve(b *testing.B) {
	m := New().Requests(RequestLabels{Reporter: "source"})
	b.ReportAllocs()
	for b.Loop() {
		m.Observe(12*time.Millisecond, 1, 2)
	}
}
