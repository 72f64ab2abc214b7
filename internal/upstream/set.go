package upstream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"google.golang.org/protobuf/proto"

	"github.com/crossgate/crossgate/internal/stats"
	"github.com/crossgate/crossgate/internal/xds"
)

// Set is all clusters of one program, by name.
type Set struct {
	clusters map[string]*Cluster
	sources  map[string]*clusterv3.Cluster
}

// Cluster returns the cluster with the name, or nil.
func (s *Set) Cluster(name string) *Cluster {
	if s == nil {
		return nil
	}
	return s.clusters[name]
}

// Dial opens connections; a *net.Dialer's DialContext, or a test's.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Envoy's defaults (config/cluster/v3/circuit_breaker.proto, cluster.proto).
const (
	defaultLimit          = 1024
	defaultRetries        = 3
	defaultConnectTimeout = 5 * time.Second
	defaultPanicPercent   = 50
	defaultOverprovision  = 140 // percent
)

// NewSet makes the clusters of a snapshot. Hosts of prev (nil at first) whose
// cluster has not changed are taken over with their connections; Retire closes
// those that no longer appear. endpoints are for clusters of type EDS, by
// cluster or service name. names looks up the names of endpoints; without it they
// have no addresses. sockets protects connections. The clusters count in counted. It
// fails on what it cannot run, naming the cluster.
func NewSet(prev *Set, clusters []*clusterv3.Cluster, endpoints []*endpointv3.ClusterLoadAssignment, dial Dial, names *Names, sockets Sockets, counted *stats.Generation) (*Set, []error) {
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
		if kept := s.keep(prev, c, load, sockets, counted); kept != nil {
			s.clusters[c.GetName()], s.sources[c.GetName()] = kept, prev.sources[c.GetName()]
			continue
		}
		built, err := newCluster(s, prev, c, load, dial, names, sockets, counted)
		if err != nil {
			errs = append(errs, fmt.Errorf("cluster %s: %w", c.GetName(), err))
			continue
		}
		s.clusters[c.GetName()] = built
		s.sources[c.GetName()] = c
	}
	return s, errs
}

func newCluster(s, prev *Set, c *clusterv3.Cluster, load *endpointv3.ClusterLoadAssignment, dial Dial, names *Names, sockets Sockets, counted *stats.Generation) (*Cluster, error) {
	if _, twice := s.clusters[c.GetName()]; twice {
		return nil, fmt.Errorf("the name is used twice")
	}
	out := &Cluster{Name: c.GetName(), ConnectTimeout: defaultConnectTimeout, Service: service(c), Metadata: c.GetMetadata(), policy: c.GetLbPolicy()}
	if c.GetConnectTimeout() != nil {
		out.ConnectTimeout = c.GetConnectTimeout().AsDuration()
	}
	options, err := ProtocolOptions(c)
	if err != nil {
		return nil, err
	}
	out.ByName = byName(options)
	conns, err := newConnLimits(options)
	if err != nil {
		return nil, err
	}
	h2 := out.speakAs(options)
	h2.MaxRequests, h2.MaxAge = conns.requests, conns.longest
	dial = probing(dial, c.GetUpstreamConnectionOptions().GetTcpKeepalive())
	if len(load.GetPolicy().GetDropOverloads()) > 0 {
		return nil, errors.New("load_assignment: policy.drop_overloads is not supported")
	}
	out.balance = newBalance(c, load)
	if c.GetType() == clusterv3.Cluster_ORIGINAL_DST {
		out.ByDestination, out.balance.panicPercent = true, 0 // Envoy's balancer of such clusters knows no panic
	}
	old := prev.unchanged(c)
	if old != nil {
		out.limits, out.outliers = old.limits, old.outliers
	} else {
		out.limits = newLimits(c)
		if out.outliers, err = newOutliers(c.GetOutlierDetection()); err != nil {
			return nil, err
		}
	}
	out.load, out.absent = load, absent(load)
	out.countIn(counted, cmp.Or(c.GetAltStatName(), c.GetName()))
	newHost := func(address string, p protection) *Host {
		return &Host{Address: address, text: []byte(address), name: p.name, key: hostKey{address, p.id}, limits: out.limits, conns: conns, dial: dial, http2: h2}
	}
	protect := func(e *endpointv3.LbEndpoint) protection {
		socket, id := sockets(c, e)
		return protection{socket, id, hostName(c, e)}
	}
	if t := c.GetType(); t == clusterv3.Cluster_STRICT_DNS || t == clusterv3.Cluster_LOGICAL_DNS {
		return out, out.discover(c, load, prev, names, newHost, protect)
	}
	known := map[hostKey]*Host{}
	if old != nil {
		for _, h := range old.Hosts() {
			known[h.key] = h
		}
	}
	list, err := addressed(load, known, newHost, protect)
	if err != nil {
		return nil, err
	}
	out.fixed = newMembers(list, out.balance)
	out.adopt(out.fixed.hosts)
	return out, nil
}

// newBalance reads how requests are spread over the hosts.
func newBalance(c *clusterv3.Cluster, load *endpointv3.ClusterLoadAssignment) balance {
	b := balance{panicPercent: defaultPanicPercent, overprovision: int(number(load.GetPolicy().GetOverprovisioningFactor(), defaultOverprovision))}
	if p := c.GetCommonLbConfig().GetHealthyPanicThreshold(); p != nil {
		b.panicPercent = int(p.GetValue())
	}
	b.byLocality = c.GetCommonLbConfig().GetLocalityWeightedLbConfig() != nil
	return b
}

// adopt tells those who count over all hosts of the cluster which these are.
func (c *Cluster) adopt(hosts []*Host) {
	if c.outliers != nil {
		c.outliers.adopt(hosts)
	}
	c.limits.mu.Lock()
	c.countMembers(c.limits.hosts, hosts)
	c.limits.hosts = hosts
	c.limits.mu.Unlock()
}

// addressed makes the hosts of endpoints that are addresses; known are those that
// there are already.
func addressed(load *endpointv3.ClusterLoadAssignment, known map[hostKey]*Host, newHost hostMaker, protect func(*endpointv3.LbEndpoint) protection) (list []member, err error) {
	workloads := map[Workload]*Workload{}
	for _, locality := range load.GetEndpoints() {
		for _, e := range locality.GetLbEndpoints() {
			if !takesTraffic(e.GetHealthStatus()) {
				continue
			}
			sa, err := socketAddress(e.GetEndpoint().GetAddress())
			if err != nil {
				return nil, err
			}
			if _, err := netip.ParseAddr(sa.GetAddress()); err != nil {
				return nil, fmt.Errorf("an endpoint has the address %q, which is no IP address: names are for clusters of type STRICT_DNS or LOGICAL_DNS", sa.GetAddress())
			}
			p := protect(e)
			key := hostKey{xds.AddressText(sa), p.id}
			h := known[key]
			if h == nil {
				h = newHost(key.address, p)
				known[key] = h
			}
			h.protect(p.socket)
			h.setWorkload(e, workloads)
			list = append(list, newMember(h, e, locality))
		}
	}
	return list, nil
}

// discover lets the hosts of the cluster follow the addresses of names. A cluster
// that has not changed at all keeps the lookups that are under way.
func (c *Cluster) discover(of *clusterv3.Cluster, load *endpointv3.ClusterLoadAssignment, prev *Set, names *Names, newHost hostMaker, protect func(*endpointv3.LbEndpoint) protection) error {
	same := prev.unchanged(of) != nil
	var before *discovery
	if prev != nil && prev.clusters[c.Name] != nil {
		before = prev.clusters[c.Name].names
	}
	if before != nil && same && proto.Equal(before.load, load) {
		c.names, c.load, c.absent = before, before.load, absent(before.load) // the members are of that load
		before.protect(protect)
		return nil
	}
	d, err := newDiscovery(of, load, names, protect)
	if err != nil {
		return err
	}
	if before != nil {
		d.inherit(before, same)
	}
	d.newHost, d.changed, d.balance = newHost, c.adopt, c.balance
	c.names = d
	d.begin()
	return nil
}

// Wait returns when the names of all clusters have been looked up once, with
// whatever success, or when the context ends. No request should come before: Envoy
// opens its listeners then.
func (s *Set) Wait(ctx context.Context) error {
	for _, c := range s.clusters {
		if c.names == nil {
			continue
		}
		select {
		case <-c.names.first:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
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

// Retire closes the idle connections of the hosts of s that next does not use, and
// ends the lookups of names that it has not.
func (s *Set) Retire(next *Set) {
	if s == nil {
		return
	}
	used, followed := map[*Host]bool{}, map[*discovery]bool{}
	if next != nil {
		for _, c := range next.clusters {
			followed[c.names] = true
		}
	}
	for _, c := range s.clusters {
		if c.names != nil && !followed[c.names] {
			c.names.stop()
		}
	}
	if next != nil {
		for _, c := range next.clusters {
			for _, h := range c.Hosts() {
				used[h] = true
			}
		}
	}
	for _, c := range s.clusters {
		if c.names != nil && followed[c.names] {
			continue
		}
		for _, h := range c.Hosts() {
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

func socketAddress(a *corev3.Address) (*corev3.SocketAddress, error) {
	sa := a.GetSocketAddress()
	if sa == nil {
		return nil, fmt.Errorf("an endpoint has no socket address: pipes and internal addresses are not supported")
	}
	if sa.GetNamedPort() != "" {
		return nil, fmt.Errorf("an endpoint has a named port: write its number")
	}
	return sa, nil
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
