package engine

import (
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/crossgate/crossgate/internal/stats"
	"github.com/crossgate/crossgate/internal/upstream"
)

// managerMetrics are the counters of one connection manager.
type managerMetrics struct {
	store    *stats.Store
	workload stats.Workload // that we are
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
	grpc   int8 // a status of gRPC, or one of those below
	peer   *upstream.Workload
	// local and remote are the principals of a connection with TLS to the service.
	local, remote string
}

// What a metricKey has in place of a gRPC status.
const (
	grpcInvalid  int8 = -1 // a status that is no number, or none that is known
	grpcNoStatus int8 = -2
	notGRPC      int8 = -3
)

// maxMetricKeys bounds a target's table: a service may answer with any number.
const maxMetricKeys = 1024

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
	} else if s.refusedFor() != nil {
		cache = &s.route.verdict.metrics
	}
	key := metricKey{
		status: s.status, flags: s.flags, method: metricMethod(s.req.Method), grpc: s.metricGRPC(), peer: s.peerWorkload(),
	}
	if c := s.upstreamTLS; c != nil {
		key.local, key.remote = c.local, c.peer
	}
	var m *stats.RequestMetrics
	if t := cache.table.Load(); t != nil {
		m = (*t)[key]
	}
	if m == nil {
		m = s.resolveMetrics(cache, key)
	}
	m.Observe(s.end.Sub(s.start), s.wireReceived, s.wireSent)
}

// metricGRPC is the status of a gRPC request. Istio's filter stands behind those
// of faults and CORS: what they answer, it does not know to be of gRPC.
func (s *stream) metricGRPC() int8 {
	if s.replied && s.flags&flagFaultInjected != 0 || s.details == "cors_response" || !isGRPC(&s.req.Headers) {
		return notGRPC
	}
	if s.status == 0 {
		return grpcNoStatus
	}
	code, ok := s.grpcCode()
	if !ok || code < 0 || code >= len(grpcCodes) {
		return grpcInvalid
	}
	return int8(code)
}

// peerWorkload is what runs on the host that was tried last.
func (s *stream) peerWorkload() *upstream.Workload {
	if s.upstreamHost == nil {
		return nil
	}
	return s.upstreamHost.Workload()
}

func (s *stream) resolveMetrics(cache *requestMetrics, key metricKey) *stats.RequestMetrics {
	labels := stats.RequestLabels{
		Reporter:        "source",
		Source:          s.manager.metrics.workload,
		RequestProtocol: "http",
		ResponseCode:    key.status,
		ResponseFlags:   key.flags.String(),
		RequestMethod:   metricMethods[key.method],
	}
	if key.grpc != notGRPC {
		labels.RequestProtocol = "grpc"
	}
	if key.grpc >= grpcInvalid {
		labels.GRPCResponseStatus = strconv.Itoa(int(key.grpc))
	}
	if p := key.peer; p != nil {
		labels.Destination = stats.Workload{
			Name: p.Name, Namespace: p.Namespace, Cluster: p.Cluster,
			CanonicalService: p.CanonicalService, CanonicalRevision: p.CanonicalRevision,
		}
	}
	labels.Source.Principal, labels.Destination.Principal = key.local, key.remote
	if ns := principalNamespace(key.remote); ns != "" {
		labels.Destination.Namespace = ns
	}
	if s.target != nil && s.target.cluster != nil {
		// Known with the route: an answer of the gateway itself, to a preflight
		// say, counts for the service that it protects.
		labels.Service = serviceLabels(s.target.cluster)
	} else if c := s.refusedFor(); c != nil {
		labels.Service = serviceLabels(c)
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

// principalNamespace is the namespace in a principal TRUST-DOMAIN/ns/NAMESPACE/sa/NAME,
// which counts more than what the endpoint says (getNamespace of Istio's filter).
func principalNamespace(p string) string {
	_, rest, ok := strings.Cut(p, "/ns/")
	if !ok {
		return ""
	}
	ns, _, _ := strings.Cut(rest, "/")
	return ns
}

// serviceLabels names the service behind a cluster. One that names it by its host
// alone is called by the first part of that; Istio's clusters for everything else
// have no service and go by their own names.
func serviceLabels(c *upstream.Cluster) stats.Service {
	svc := stats.Service(c.Service)
	switch {
	case c.Name == "BlackHoleCluster", c.Name == "PassthroughCluster", strings.HasPrefix(c.Name, "InboundPassthroughCluster"):
		return stats.Service{Name: c.Name}
	case svc.Name == "":
		svc.Name, _, _ = strings.Cut(svc.Host, ".")
	}
	return svc
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
