package upstream

import (
	"cmp"
	"net"
	"slices"
	"strconv"

	adminv3 "github.com/envoyproxy/go-control-plane/envoy/admin/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/crossgate/crossgate/internal/xds"
)

// Status is what Envoy's /clusters tells of a cluster.
type Status struct {
	*adminv3.ClusterStatus
	// Outliers says that outlier detection is configured.
	Outliers bool
}

// Statuses returns the clusters with their hosts as they are now, by name.
func (s *Set) Statuses() []Status {
	var out []Status
	for name, c := range s.clusters {
		out = append(out, c.status(s.sources[name]))
	}
	slices.SortFunc(out, func(a, b Status) int { return cmp.Compare(a.GetName(), b.GetName()) })
	return out
}

func (c *Cluster) status(of *clusterv3.Cluster) Status {
	st := &adminv3.ClusterStatus{
		Name:              c.Name,
		ObservabilityName: cmp.Or(of.GetAltStatName(), c.Name),
		EdsServiceName:    of.GetEdsClusterConfig().GetServiceName(),
		CircuitBreakers: &clusterv3.CircuitBreakers{Thresholds: []*clusterv3.CircuitBreakers_Thresholds{
			newLimits(of).thresholds(corev3.RoutingPriority_DEFAULT),
			// No request has the other priority, and no limit of it counts.
			limitsOf(of, corev3.RoutingPriority_HIGH).thresholds(corev3.RoutingPriority_HIGH),
		}},
	}
	for _, m := range c.inOrder() {
		st.HostStatuses = append(st.HostStatuses, m.status(of))
	}
	return Status{st, c.outliers != nil}
}

// inOrder is all hosts, those included that take no traffic, by priority and then
// as the configuration lists them.
func (c *Cluster) inOrder() []member {
	place := map[*endpointv3.LbEndpoint]int{}
	for _, locality := range c.load.GetEndpoints() {
		for _, e := range locality.GetLbEndpoints() {
			place[e] = len(place)
		}
	}
	all := slices.Concat(c.members().list, c.absent)
	slices.SortStableFunc(all, func(a, b member) int {
		return cmp.Or(cmp.Compare(a.priority, b.priority), cmp.Compare(place[a.endpoint], place[b.endpoint]))
	})
	return all
}

func (l *limits) thresholds(p corev3.RoutingPriority) *clusterv3.CircuitBreakers_Thresholds {
	return &clusterv3.CircuitBreakers_Thresholds{
		Priority:           p,
		MaxConnections:     wrapped(l.maxConnections),
		MaxPendingRequests: wrapped(l.maxPending),
		MaxRequests:        wrapped(l.maxRequests),
		MaxRetries:         wrapped(l.maxRetries),
	}
}

// status shows a host; one that takes no traffic has no counters.
func (m member) status(of *clusterv3.Cluster) *adminv3.HostStatus {
	out := &adminv3.HostStatus{
		Address:      m.endpoint.GetEndpoint().GetAddress(),
		Weight:       max(m.weight, 1),
		Hostname:     m.endpoint.GetEndpoint().GetHostname(),
		Locality:     m.group.GetLocality(),
		Priority:     m.priority,
		HealthStatus: &adminv3.HostHealthStatus{EdsHealthStatus: edsHealth(m.endpoint.GetHealthStatus())},
	}
	if out.Locality == nil {
		out.Locality = &corev3.Locality{}
	}
	st := &HostStats{}
	if h := m.host; h != nil {
		st = &h.Stats
		out.HealthStatus.FailedOutlierCheck = h.Ejected()
		if t := of.GetType(); t == clusterv3.Cluster_STRICT_DNS || t == clusterv3.Cluster_LOGICAL_DNS {
			out.Address = SocketAddress(h.Address)
			out.Hostname = cmp.Or(out.Hostname, m.endpoint.GetEndpoint().GetAddress().GetSocketAddress().GetAddress())
		}
	}
	out.Stats = st.metrics()
	return out
}

// SocketAddress is the message for ip:port.
func SocketAddress(text string) *corev3.Address {
	host, port, _ := net.SplitHostPort(text)
	n, _ := strconv.ParseUint(port, 10, 16)
	return xds.SocketAddress(host, uint32(n))
}

// edsHealth is what Envoy makes of a configured health.
func edsHealth(s corev3.HealthStatus) corev3.HealthStatus {
	switch s {
	case corev3.HealthStatus_UNKNOWN:
		return corev3.HealthStatus_HEALTHY
	case corev3.HealthStatus_TIMEOUT:
		return corev3.HealthStatus_UNHEALTHY
	}
	return s
}

// metrics are in Envoy's order.
func (s *HostStats) metrics() []*adminv3.SimpleMetric {
	counter := func(name string, n uint64) *adminv3.SimpleMetric {
		return &adminv3.SimpleMetric{Name: name, Value: n}
	}
	gauge := func(name string, n uint64) *adminv3.SimpleMetric {
		return &adminv3.SimpleMetric{Name: name, Value: n, Type: adminv3.SimpleMetric_GAUGE}
	}
	return []*adminv3.SimpleMetric{
		counter("cx_connect_fail", s.CxFailed.Value()),
		counter("cx_total", s.CxTotal.Value()),
		counter("rq_error", s.RqError.Value()),
		counter("rq_success", s.RqSuccess.Value()),
		counter("rq_timeout", s.RqTimeout.Value()),
		counter("rq_total", s.RqTotal.Value()),
		gauge("cx_active", s.CxActive.Value()),
		gauge("rq_active", s.RqActive.Value()),
		gauge("rq_pending_active", s.RqPending.Value()),
	}
}

// absent lists the endpoints that take no traffic.
func absent(load *endpointv3.ClusterLoadAssignment) (list []member) {
	for _, locality := range load.GetEndpoints() {
		for _, e := range locality.GetLbEndpoints() {
			if !takesTraffic(e.GetHealthStatus()) {
				list = append(list, newMember(nil, e, locality))
			}
		}
	}
	return list
}

func wrapped(n int64) *wrapperspb.UInt32Value { return wrapperspb.UInt32(uint32(n)) }
