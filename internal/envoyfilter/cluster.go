package envoyfilter

import (
	"slices"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/proto"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/crossgate/crossgate/internal/xds"
)

// clusters patches the clusters, then adds new ones.
func (a *applier) clusters() {
	list := slices.DeleteFunc(a.snapshot.Clusters, func(c *clusterv3.Cluster) bool {
		if a.cluster(c) {
			return false
		}
		delete(a.snapshot.Origins, xds.ClusterKey(c.GetName()))
		return true
	})
	for _, p := range a.patches[networking.EnvoyFilter_CLUSTER] {
		if p.op == networking.EnvoyFilter_Patch_ADD {
			c := proto.Clone(p.value).(*clusterv3.Cluster)
			a.apply(p)
			list = append(list, c)
			a.snapshot.Origins[xds.ClusterKey(c.GetName())] = p.pos()
		}
	}
	a.snapshot.Clusters = list
}

// cluster patches a cluster; false means that it is removed.
func (a *applier) cluster(c *clusterv3.Cluster) bool {
	for _, p := range a.patches[networking.EnvoyFilter_CLUSTER] {
		switch {
		case !p.matchesCluster(c.GetName()):
		case p.op == networking.EnvoyFilter_Patch_REMOVE:
			a.apply(p)
			return false
		case p.merges():
			a.mergeCluster(p, c)
		}
	}
	return true
}

// mergeCluster merges a cluster. A patch with a transport socket changes the
// transport socket and nothing else, as in istiod: the first of the same name
// is merged with; where none has it, it takes the place of the one that is
// there, unless the cluster chooses its transport sockets by endpoint.
func (a *applier) mergeCluster(p *patch, c *clusterv3.Cluster) {
	want := p.value.(*clusterv3.Cluster).GetTransportSocket()
	if want == nil {
		mergeInto(a, p, c)
		return
	}
	have := transportSocket(c, want.GetName())
	switch {
	case have == nil && len(c.GetTransportSocketMatches()) > 0:
	case have == nil:
		a.apply(p)
		c.TransportSocket = proto.CloneOf(want)
	case have.GetTypedConfig() != nil && want.GetTypedConfig() != nil:
		merged, err := mergePacked(have.GetTypedConfig(), want.GetTypedConfig())
		if err != nil {
			a.skip(p, "%v", err)
			return
		}
		a.apply(p)
		have.GetTypedConfig().Value = merged.GetValue()
	}
}

func transportSocket(c *clusterv3.Cluster, name string) *corev3.TransportSocket {
	for _, m := range c.GetTransportSocketMatches() {
		if m.GetTransportSocket() != nil && m.GetTransportSocket().GetName() == name {
			return m.GetTransportSocket()
		}
	}
	if len(c.GetTransportSocketMatches()) == 0 && c.GetTransportSocket() != nil && c.GetTransportSocket().GetName() == name {
		return c.GetTransportSocket()
	}
	return nil
}

// prune takes away what nothing asks for any more: a proxy would not have been
// sent it.
func (a *applier) prune() {
	used := make(map[string]bool)
	for _, l := range a.snapshot.Listeners {
		for _, fc := range xds.FilterChains(l) {
			for _, f := range fc.GetFilters() {
				used[xds.ConnectionManager(f).GetRds().GetRouteConfigName()] = true
			}
		}
	}
	a.snapshot.Routes = slices.DeleteFunc(a.snapshot.Routes, func(rc *routev3.RouteConfiguration) bool {
		return !used[rc.GetName()]
	})
	eds := make(map[string]bool)
	for _, c := range a.snapshot.Clusters {
		if name := c.GetEdsClusterConfig().GetServiceName(); name != "" {
			eds[name] = true
		}
		eds[c.GetName()] = true
	}
	a.snapshot.Endpoints = slices.DeleteFunc(a.snapshot.Endpoints, func(e *endpointv3.ClusterLoadAssignment) bool {
		return !eds[e.GetClusterName()]
	})
}
