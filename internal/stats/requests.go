package stats

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// RequestLabels are the labels of Istio's request metrics, and request_method,
// which Istio adds only where it is told to. Empty ones are exposed as "unknown",
// as Istio's proxies do.
type RequestLabels struct {
	Reporter                     string
	SourceWorkload               string
	SourceWorkloadNamespace      string
	SourcePrincipal              string
	SourceApp                    string
	SourceVersion                string
	SourceCluster                string
	SourceCanonicalService       string
	SourceCanonicalRevision      string
	DestinationWorkload          string
	DestinationWorkloadNamespace string
	DestinationPrincipal         string
	DestinationApp               string
	DestinationVersion           string
	DestinationService           string
	DestinationServiceName       string
	DestinationServiceNamespace  string
	DestinationCluster           string
	DestinationCanonicalService  string
	DestinationCanonicalRevision string
	RequestProtocol              string
	ResponseCode                 int
	ResponseFlags                string
	GRPCResponseStatus           string
	ConnectionSecurityPolicy     string
	RequestMethod                string
}

// labelNames are in the order of values.
var labelNames = []string{
	"reporter", "source_workload", "source_workload_namespace", "source_principal", "source_app", "source_version",
	"source_cluster", "source_canonical_service", "source_canonical_revision", "destination_workload",
	"destination_workload_namespace", "destination_principal", "destination_app", "destination_version",
	"destination_service", "destination_service_name", "destination_service_namespace", "destination_cluster",
	"destination_canonical_service", "destination_canonical_revision", "request_protocol", "response_code",
	"response_flags", "grpc_response_status", "connection_security_policy", "request_method",
}

func (l *RequestLabels) values() []string {
	v := []string{
		l.Reporter, l.SourceWorkload, l.SourceWorkloadNamespace, l.SourcePrincipal, l.SourceApp, l.SourceVersion,
		l.SourceCluster, l.SourceCanonicalService, l.SourceCanonicalRevision, l.DestinationWorkload,
		l.DestinationWorkloadNamespace, l.DestinationPrincipal, l.DestinationApp, l.DestinationVersion,
		l.DestinationService, l.DestinationServiceName, l.DestinationServiceNamespace, l.DestinationCluster,
		l.DestinationCanonicalService, l.DestinationCanonicalRevision, l.RequestProtocol, strconv.Itoa(l.ResponseCode),
		l.ResponseFlags, l.GRPCResponseStatus, l.ConnectionSecurityPolicy, l.RequestMethod,
	}
	for i, name := range labelNames {
		if v[i] == "" && name != "grpc_response_status" {
			v[i] = "unknown"
		}
	}
	return v
}

// Bounds of the histograms: those of Envoy, which Istio's metrics have too.
var (
	durationBounds = []float64{
		0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 600000, 1800000, 3600000,
	}
	sizeBounds = durationBounds
)

// requestFamilies are Istio's four request metrics.
type requestFamilies struct {
	total    *prometheus.CounterVec
	duration *prometheus.HistogramVec
	request  *prometheus.HistogramVec
	response *prometheus.HistogramVec
}

func newRequestFamilies() *requestFamilies {
	histogram := func(name, help string, bounds []float64) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: bounds}, labelNames)
	}
	return &requestFamilies{
		total:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "istio_requests_total", Help: "Requests that have ended."}, labelNames),
		duration: histogram("istio_request_duration_milliseconds", "Duration of requests in milliseconds.", durationBounds),
		request:  histogram("istio_request_bytes", "Size of request bodies in bytes.", sizeBounds),
		response: histogram("istio_response_bytes", "Size of response bodies in bytes.", sizeBounds),
	}
}

func (f *requestFamilies) collectors() []prometheus.Collector {
	return []prometheus.Collector{f.total, f.duration, f.request, f.response}
}

func (f *requestFamilies) child(l *RequestLabels) *RequestMetrics {
	v := l.values()
	return &RequestMetrics{
		total:    f.total.WithLabelValues(v...),
		duration: f.duration.WithLabelValues(v...),
		request:  f.request.WithLabelValues(v...),
		response: f.response.WithLabelValues(v...),
	}
}

// maxChildren bounds the label combinations. What clients and services can
// choose (methods, status codes) is bounded elsewhere; this is the net below.
const maxChildren = 10_000

// overflow labels the combinations beyond the bound.
var overflow = RequestLabels{Reporter: "overflow"}

// RequestMetrics are the metrics of one combination of labels. They are safe for
// concurrent use.
type RequestMetrics struct {
	total             prometheus.Counter
	duration          prometheus.Observer
	request, response prometheus.Observer
}

// Requests returns the metrics of a combination of labels, the same ones for the
// same labels.
func (s *Store) Requests(l RequestLabels) *RequestMetrics {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := s.children[l]; m != nil {
		return m
	}
	if len(s.children) >= maxChildren && l != overflow {
		if m := s.children[overflow]; m != nil {
			return m
		}
		l = overflow
	}
	m := s.requests.child(&l)
	s.children[l] = m
	return m
}

// Observe counts one request: its duration in milliseconds, and the sizes of the
// two bodies in bytes.
func (m *RequestMetrics) Observe(durationMS float64, requestBytes, responseBytes int64) {
	m.total.Inc()
	m.duration.Observe(durationMS)
	m.request.Observe(float64(requestBytes))
	m.response.Observe(float64(responseBytes))
}
