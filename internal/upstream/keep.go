package upstream

import (
	"cmp"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"google.golang.org/protobuf/proto"

	"github.com/crossgate/crossgate/internal/stats"
	"github.com/crossgate/crossgate/internal/xds"
)

// keep returns the cluster of an earlier set if c and its endpoints are what they were,
// or nil: what goes by clusters can stay, too. Its hosts get their sockets anew, for the
// secrets of these may be others.
func (s *Set) keep(prev *Set, c *clusterv3.Cluster, load *endpointv3.ClusterLoadAssignment, sockets Sockets, counted *stats.Generation) *Cluster {
	old := prev.Cluster(c.GetName())
	if old == nil || s.clusters[c.GetName()] != nil || !proto.Equal(prev.sources[c.GetName()], c) || !proto.Equal(old.load, load) {
		return nil
	}
	protect := func(e *endpointv3.LbEndpoint) protection {
		socket, id := sockets(c, e)
		return protection{socket, id, hostName(c, e)}
	}
	if old.names != nil {
		old.names.protect(protect)
	} else if !old.protect(protect) {
		return nil
	}
	old.keepCounting(counted, cmp.Or(c.GetAltStatName(), c.GetName()))
	return old
}

// protect gives the hosts of addresses their sockets, and reports whether these are of
// the same kinds as before.
func (c *Cluster) protect(of func(*endpointv3.LbEndpoint) protection) bool {
	known := map[hostKey]*Host{}
	for _, h := range c.Hosts() {
		known[h.key] = h
	}
	for _, locality := range c.load.GetEndpoints() {
		for _, e := range locality.GetLbEndpoints() {
			if !takesTraffic(e.GetHealthStatus()) {
				continue
			}
			p := of(e)
			h := known[hostKey{xds.AddressText(e.GetEndpoint().GetAddress().GetSocketAddress()), p.id}]
			if h == nil {
				return false
			}
			h.protect(p.socket)
		}
	}
	return true
}

// Same tells whether the clusters of two sets are the very same.
func (s *Set) Same(o *Set) bool {
	if o == nil || len(s.clusters) != len(o.clusters) {
		return false
	}
	for name, c := range s.clusters {
		if o.clusters[name] != c {
			return false
		}
	}
	return true
}
