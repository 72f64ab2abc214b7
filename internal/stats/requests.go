package stats

import (
	"cmp"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// RequestLabels are the labels of Istio's request metrics, and request_method,
// which Istio adds only where it is told to. What they are, and what stands for
// what is not known, follows Istio's stats filter (Envoy's
// contrib/istio/filters/http/istio_stats, populatePeerInfo) for the reporter
// "source".
type RequestLabels struct {
	Reporter                 string
	Source                   Workload
	Destination              Workload
	Service                  Service
	RequestProtocol          string
	ResponseCode             int
	ResponseFlags            string
	GRPCResponseStatus       string // empty where the request is none of gRPC
	ConnectionSecurityPolicy string
	RequestMethod            string
}

// Workload is what runs one side of a request.
type Workload struct {
	Name, Namespace, Principal, App, Version, Cluster string
	CanonicalService, CanonicalRevision               string
}

// Service is the service that a request is for.
type Service struct {
	Host, Name, Namespace string
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

// Words of Istio's for what is not known.
const (
	unknown = "unknown"
	latest  = "latest"
)

func (l *RequestLabels) values() []string {
	src, dst, svc := &l.Source, &l.Destination, &l.Service
	or := cmp.Or[string]
	return []string{
		l.Reporter,
		// What the proxy does not know of itself is empty.
		src.Name, src.Namespace, or(src.Principal, unknown), src.App, src.Version,
		src.Cluster, src.CanonicalService, src.CanonicalRevision,
		// Of the other side it says so.
		or(dst.Name, unknown), or(dst.Namespace, unknown), or(dst.Principal, unknown), or(dst.App, unknown), or(dst.Version, unknown),
		or(svc.Host, unknown), or(svc.Name, unknown), or(svc.Namespace, dst.Namespace, unknown), or(dst.Cluster, unknown),
		or(dst.CanonicalService, unknown), or(dst.CanonicalRevision, latest),
		l.RequestProtocol, strconv.Itoa(l.ResponseCode), l.ResponseFlags, l.GRPCResponseStatus,
		or(l.ConnectionSecurityPolicy, unknown), l.RequestMethod,
	}
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
		request:  histogram("istio_request_bytes", "Bytes of requests as they came over the connection.", sizeBounds),
		response: histogram("istio_response_bytes", "Bytes of responses as they went over the connection.", sizeBounds),
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

// Observe counts one request: how long it took, of which Istio's filter records
// whole milliseconds, and the bytes that came from the client and went to it,
// heads and framing included.
func (m *RequestMetrics) Observe(duration time.Duration, requestBytes, responseBytes int64) {
	m.total.Inc()
	m.duration.Observe(float64(duration / time.Millisecond))
	m.request.Observe(float64(requestBytes))
	m.response.Observe(float64(responseBytes))
}
