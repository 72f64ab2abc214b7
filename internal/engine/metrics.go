package engine

import (
	"sync/atomic"

	"github.com/crossgate/crossgate/internal/stats"
)

// managerMetrics are the counters of one connection manager.
type managerMetrics struct {
	store    *stats.Store
	unrouted requestMetrics
}

// requestMetrics finds the metrics of a target's requests without a search by
// labels: the few combinations of answers that a target gives are kept in a table
// that is replaced when one comes that is not in it.
type requestMetrics struct {
	table atomic.Pointer[map[metricKey]*stats.RequestMetrics]
}

type metricKey struct {
	status int
	flags  responseFlags
	method uint8
}

// maxMetricKeys bounds a target's table: a service may answer with any number.
const maxMetricKeys = 512

// methods that metrics name; others are "OTHER", for a client chooses them.
var metricMethods = []string{"OTHER", "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}

func metricMethod(m []byte) uint8 {
	for i := 1; i < len(metricMethods); i++ {
		if string(m) == metricMethods[i] {
			return uint8(i)
		}
	}
	return 0
}

// observe counts a request that has ended.
func (s *stream) observe() {
	cache := &s.manager.metrics.unrouted
	if s.target != nil {
		cache = s.target.metrics
	}
	key := metricKey{s.status, s.flags, metricMethod(s.req.Method)}
	var m *stats.RequestMetrics
	if t := cache.table.Load(); t != nil {
		m = (*t)[key]
	}
	if m == nil {
		m = s.resolveMetrics(cache, key)
	}
	m.Observe(float64(s.end.Sub(s.start).Microseconds())/1000, s.received, s.sent)
}

func (s *stream) resolveMetrics(cache *requestMetrics, key metricKey) *stats.RequestMetrics {
	labels := stats.RequestLabels{
		Reporter:                 "source",
		RequestProtocol:          "http",
		ResponseCode:             key.status,
		ResponseFlags:            key.flags.String(),
		RequestMethod:            metricMethods[key.method],
		ConnectionSecurityPolicy: "unknown",
	}
	if isGRPC(&s.req.Headers) {
		labels.RequestProtocol = "grpc"
	}
	if s.target != nil && s.target.cluster != nil {
		svc := s.target.cluster.Service
		labels.DestinationService = svc.Host
		labels.DestinationServiceName = svc.Name
		labels.DestinationServiceNamespace = svc.Namespace
	}
	m := s.manager.metrics.store.Requests(labels)
	old := cache.table.Load()
	next := map[metricKey]*stats.RequestMetrics{key: m}
	if old != nil && len(*old) < maxMetricKeys {
		for k, v := range *old {
			next[k] = v
		}
	}
	// A lost race costs a second search, nothing else.
	cache.table.CompareAndSwap(old, &next)
	return m
}

// String renders flags as Envoy's access log does: "UF,URX", "-" for none.
func (f responseFlags) String() string { return string(f.append(nil, false)) }

// append writes the flags in their order, which is the order of flagNames.
func (f responseFlags) append(dst []byte, long bool) []byte {
	n := len(dst)
	add := func(i int) {
		if len(dst) > n {
			dst = append(dst, ',')
		}
		if long {
			dst = append(dst, flagNames[i].long...)
		} else {
			dst = append(dst, flagNames[i].short...)
		}
	}
	for i := range flagNames {
		if f&(1<<i) != 0 {
			add(i)
		}
	}
	if len(dst) == n {
		dst = append(dst, '-')
	}
	return dst
}
