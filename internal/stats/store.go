package stats

import (
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
)

// Store holds all metrics of one process.
type Store struct {
	registry *prometheus.Registry
	requests *requestFamilies

	mu       sync.Mutex
	children map[RequestLabels]*RequestMetrics
	families map[string]*prometheus.CounterVec
	counters map[string]*Counter
}

// New returns an empty store.
func New() *Store {
	s := &Store{
		registry: prometheus.NewRegistry(),
		requests: newRequestFamilies(),
		children: map[RequestLabels]*RequestMetrics{},
		families: map[string]*prometheus.CounterVec{},
		counters: map[string]*Counter{},
	}
	s.registry.MustRegister(s.requests.collectors()...)
	return s
}

// WritePrometheus writes all metrics in Prometheus' text format.
func (s *Store) WritePrometheus(w io.Writer) error {
	families, err := s.registry.Gather()
	if err != nil {
		return fmt.Errorf("gather metrics: %w", err)
	}
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(w, f); err != nil {
			return fmt.Errorf("write metrics: %w", err)
		}
	}
	return nil
}

// Counter is a number that only grows. It is safe for concurrent use.
type Counter struct {
	c prometheus.Counter
}

// Inc adds one.
func (c *Counter) Inc() { c.c.Inc() }

// Add adds n, which must not be negative.
func (c *Counter) Add(n int64) { c.c.Add(float64(n)) }

// Tag is a part of an Envoy statistic's name that Envoy makes a label of.
type Tag struct {
	Name, Value string
}

// EnvoyCounter returns the counter of an Envoy statistic, given by its name
// without the tags' values: "http.cors.origin_valid" with the tag
// envoy_http_conn_manager_prefix is what Envoy calls
// http.PREFIX.cors.origin_valid, and exposes as envoy_http_cors_origin_valid. The
// same name has to come with the same tags' names.
func (s *Store) EnvoyCounter(name string, tags ...Tag) *Counter {
	metric := "envoy_" + strings.Map(metricRune, name)
	names, values := make([]string, len(tags)), make([]string, len(tags))
	for i, t := range tags {
		names[i], values[i] = t.Name, t.Value
	}
	key := metric + "\x00" + strings.Join(values, "\x00")
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.counters[key]; c != nil {
		return c
	}
	family := s.families[metric]
	if family == nil {
		family = prometheus.NewCounterVec(prometheus.CounterOpts{Name: metric, Help: "Envoy's " + name + "."}, names)
		s.registry.MustRegister(family)
		s.families[metric] = family
	}
	c := &Counter{family.WithLabelValues(values...)}
	s.counters[key] = c
	return c
}

// metricRune is Envoy's rule for names of Prometheus metrics.
func metricRune(r rune) rune {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '_':
		return r
	}
	return '_'
}
