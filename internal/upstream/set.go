package upstream

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	httpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	"google.golang.org/protobuf/proto"

	"github.com/crossgate/crossgate/internal/http2"
)

// Set is all clusters of one program, by name.
type Set struct {
	clusters map[string]*Cluster
	sources  map[string]*clusterv3.Cluster
}

// Cluster returns the cluster with the name, or nil.
func (s *Set) Cluster(name string) *Cluster { return s.clusters[name] }

// Dial opens connections; a *net.Dialer's DialContext, or a test's.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Envoy's defaults (config/cluster/v3/circuit_breaker.proto, cluster.proto).
const (
	defaultLimit          = 1024
	defaultRetries        = 3
	defaultConnectTimeout = 5 * time.Second
	defaultPanicPercent   = 50
)

// NewSet makes the clusters of a snapshot. Hosts of prev (nil at first) whose
// cluster has not changed are taken over with their connections; Retire closes
// those that no longer appear. endpoints are for clusters of type EDS, by
// cluster or service name. It fails on what it cannot run, naming the cluster.
func NewSet(prev *Set, clusters []*clusterv3.Cluster, endpoints []*endpointv3.ClusterLoadAssignment, dial Dial) (*Set, []error) {
	s := &Set{clusters: map[string]*Cluster{}, sources: map[string]*clusterv3.Cluster{}}
	byName := map[string]*endpointv3.ClusterLoadAssignment{}
	for _, e := range endpoints {
		byName[e.GetClusterName()] = e
	}
	var errs []error
	for _, c := range clusters {
		load := c.GetLoadAssignment()
		if c.GetType() == clusterv3.Cluster_EDS {
			name := c.GetEdsClusterConfig().GetServiceName()
			if name == "" {
				name = c.GetName()
			}
			load = byName[name]
		}
		built, err := newCluster(s, prev, c, load, dial)
		if err != nil {
			errs = append(errs, fmt.Errorf("cluster %s: %w", c.GetName(), err))
			continue
		}
		s.clusters[c.GetName()] = built
		s.sources[c.GetName()] = c
	}
	return s, errs
}

func newCluster(s, prev *Set, c *clusterv3.Cluster, load *endpointv3.ClusterLoadAssignment, dial Dial) (*Cluster, error) {
	if _, twice := s.clusters[c.GetName()]; twice {
		return nil, fmt.Errorf("the name is used twice")
	}
	out := &Cluster{Name: c.GetName(), ConnectTimeout: defaultConnectTimeout, Service: service(c), policy: c.GetLbPolicy()}
	if c.GetConnectTimeout() != nil {
		out.ConnectTimeout = c.GetConnectTimeout().AsDuration()
	}
	var err error
	var h2 http2.Options
	if out.HTTP2, h2, err = speaksHTTP2(c); err != nil {
		return nil, err
	}
	known := map[string]*Host{}
	workloads := map[Workload]*Workload{}
	if old := prev.unchanged(c); old != nil {
		out.limits = old.limits
		out.outliers = old.outliers
		for _, h := range old.all.hosts {
			known[h.Address] = h
		}
	} else {
		out.limits = newLimits(c)
		if out.outliers, err = newOutliers(c.GetOutlierDetection()); err != nil {
			return nil, err
		}
	}
	out.all = &choice{}
	for _, locality := range load.GetEndpoints() {
		for _, e := range locality.GetLbEndpoints() {
			if !takesTraffic(e.GetHealthStatus()) {
				continue
			}
			address, err := hostAddress(e.GetEndpoint().GetAddress())
			if err != nil {
				return nil, err
			}
			h := known[address]
			if h == nil {
				h = &Host{Address: address, text: []byte(address), limits: out.limits, dial: dial, http2: h2}
				known[address] = h
			}
			h.setWorkload(e, workloads)
			out.all.hosts = append(out.all.hosts, h)
			out.weights = append(out.weights, e.GetLoadBalancingWeight().GetValue())
		}
	}
	out.all.schedule = newSchedule(out.weights)
	out.panicPercent = defaultPanicPercent
	if p := c.GetCommonLbConfig().GetHealthyPanicThreshold(); p != nil {
		out.panicPercent = int(p.GetValue())
	}
	if out.outliers != nil {
		out.outliers.adopt(out.all.hosts)
	}
	out.limits.mu.Lock()
	out.limits.hosts = out.all.hosts
	out.limits.mu.Unlock()
	return out, nil
}

// unchanged returns the cluster of an earlier set if c equals it.
func (s *Set) unchanged(c *clusterv3.Cluster) *Cluster {
	if s == nil {
		return nil
	}
	src := s.sources[c.GetName()]
	if src == nil || !proto.Equal(withoutLoad(src), withoutLoad(c)) {
		return nil
	}
	return s.clusters[c.GetName()]
}

// withoutLoad is the cluster without its endpoints: they may change and leave
// the connections to the others alone.
func withoutLoad(c *clusterv3.Cluster) *clusterv3.Cluster {
	if c.GetLoadAssignment() == nil {
		return c
	}
	c = proto.CloneOf(c)
	c.LoadAssignment = nil
	return c
}

// Retire closes the idle connections of the hosts of s that next does not use.
func (s *Set) Retire(next *Set) {
	if s == nil {
		return
	}
	used := map[*Host]bool{}
	if next != nil {
		for _, c := range next.clusters {
			for _, h := range c.all.hosts {
				used[h] = true
			}
		}
	}
	for _, c := range s.clusters {
		for _, h := range c.all.hosts {
			if !used[h] {
				h.retire()
			}
		}
	}
}

// takesTraffic says whether Envoy would send requests to an endpoint of that
// configured health.
func takesTraffic(s corev3.HealthStatus) bool {
	switch s {
	case corev3.HealthStatus_UNHEALTHY, corev3.HealthStatus_DRAINING, corev3.HealthStatus_TIMEOUT:
		return false
	}
	return true
}

func hostAddress(a *corev3.Address) (string, error) {
	sa := a.GetSocketAddress()
	if sa == nil {
		return "", fmt.Errorf("an endpoint has no socket address: pipes and internal addresses are not supported")
	}
	if sa.GetNamedPort() != "" {
		return "", fmt.Errorf("an endpoint has a named port: write its number")
	}
	return net.JoinHostPort(sa.GetAddress(), strconv.Itoa(int(sa.GetPortValue()))), nil
}

func newLimits(c *clusterv3.Cluster) *limits {
	l := &limits{maxConnections: defaultLimit, maxPending: defaultLimit, maxRequests: defaultLimit, maxRetries: defaultRetries}
	for _, t := range c.GetCircuitBreakers().GetThresholds() {
		if t.GetPriority() != corev3.RoutingPriority_DEFAULT {
			continue
		}
		if v := t.GetMaxConnections(); v != nil {
			l.maxConnections = int64(v.GetValue())
		}
		if v := t.GetMaxPendingRequests(); v != nil {
			l.maxPending = int64(v.GetValue())
		}
		if v := t.GetMaxRequests(); v != nil {
			l.maxRequests = int64(v.GetValue())
		}
		if v := t.GetMaxRetries(); v != nil {
			l.maxRetries = int64(v.GetValue())
		}
	}
	return l
}

// service reads the name that istiod leaves in the cluster's metadata.
func service(c *clusterv3.Cluster) Service {
	list := c.GetMetadata().GetFilterMetadata()["istio"].GetFields()["services"].GetListValue().GetValues()
	if len(list) == 0 {
		return Service{}
	}
	f := list[0].GetStructValue().GetFields()
	return Service{Host: f["host"].GetStringValue(), Name: f["name"].GetStringValue(), Namespace: f["namespace"].GetStringValue()}
}

// defaultIdle is Envoy's idle_timeout of connections to a service.
const defaultIdle = time.Hour

// speaksHTTP2 reads whether a cluster asks for HTTP/2, and with which limits.
func speaksHTTP2(c *clusterv3.Cluster) (bool, http2.Options, error) {
	for name, any := range c.GetTypedExtensionProtocolOptions() {
		o := &httpv3.HttpProtocolOptions{}
		if err := any.UnmarshalTo(o); err != nil {
			return false, http2.Options{}, fmt.Errorf("typed_extension_protocol_options[%s]: %w", name, err)
		}
		h2 := o.GetExplicitHttpConfig().GetHttp2ProtocolOptions()
		if h2 == nil {
			continue
		}
		ping := h2.GetConnectionKeepalive()
		out := http2.Options{
			MaxConcurrentStreams: h2.GetMaxConcurrentStreams().GetValue(), IdleTimeout: defaultIdle,
			KeepaliveInterval: ping.GetInterval().AsDuration(), KeepaliveTimeout: ping.GetTimeout().AsDuration(),
		}
		if d := o.GetCommonHttpProtocolOptions().GetIdleTimeout(); d != nil {
			out.IdleTimeout = d.AsDuration() // 0: never
		}
		return true, out, nil
	}
	return false, http2.Options{}, nil
}
