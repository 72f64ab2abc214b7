package stats

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// Store holds all metrics of one process.
type Store struct {
	registry *prometheus.Registry
	requests *requestFamilies

	mu       sync.Mutex
	children map[RequestLabels]*RequestMetrics

	groups     map[groupKey]*group
	configured map[*group]bool // those of the last generation
	onRead     []func()
}

// New returns an empty store.
func New() *Store {
	s := &Store{
		registry: prometheus.NewRegistry(),
		requests: newRequestFamilies(),
		children: map[RequestLabels]*RequestMetrics{},
		groups:   map[groupKey]*group{},
	}
	s.registry.MustRegister(s.requests.collectors()...)
	return s
}
