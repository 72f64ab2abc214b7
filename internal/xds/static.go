package xds

import (
	"fmt"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/crossgate/crossgate/internal/diag"
)

// fromBootstrap takes the static resources out of a bootstrap.
func fromBootstrap(b *bootstrapv3.Bootstrap, index *positions) *Snapshot {
	static := b.GetStaticResources()
	b.StaticResources = nil
	s := &Snapshot{
		Listeners: static.GetListeners(),
		Clusters:  static.GetClusters(),
		Secrets:   static.GetSecrets(),
		Bootstrap: b,
		Origins:   make(map[string]diag.Pos),
	}
	for i, l := range s.Listeners {
		path := fmt.Sprintf("static_resources.listeners[%d]", i)
		s.Origins[ListenerKey(l.GetName())] = index.At(path)
		originsOfRoutes(s.Origins, index, l, path)
	}
	for i, c := range s.Clusters {
		s.Origins[ClusterKey(c.GetName())] = index.At(fmt.Sprintf("static_resources.clusters[%d]", i))
	}
	for i, c := range s.Secrets {
		s.Origins[SecretKey(c.GetName())] = index.At(fmt.Sprintf("static_resources.secrets[%d]", i))
	}
	return s
}

// originsOfRoutes notes the places of the routes that a listener carries.
func originsOfRoutes(origins map[string]diag.Pos, index *positions, l *listenerv3.Listener, path string) {
	for i, fc := range FilterChains(l) {
		at := fmt.Sprintf("%s.filter_chains[%d]", path, i)
		if i == len(l.GetFilterChains()) {
			at = path + ".default_filter_chain"
		}
		for j, f := range fc.GetFilters() {
			if rc := ConnectionManager(f).GetRouteConfig(); rc != nil {
				originsOf(origins, index, rc, fmt.Sprintf("%s.filters[%d].typed_config.route_config", at, j))
			}
		}
	}
}

func originsOf(origins map[string]diag.Pos, index *positions, rc *routev3.RouteConfiguration, path string) {
	origins[RouteConfigKey(rc.GetName())] = index.At(path)
	for j, vh := range rc.GetVirtualHosts() {
		at := fmt.Sprintf("%s.virtual_hosts[%d]", path, j)
		origins[VirtualHostKey(rc.GetName(), vh.GetName())] = index.At(at)
		for k := range vh.GetRoutes() {
			origins[RouteKey(rc.GetName(), vh.GetName(), k)] = index.At(fmt.Sprintf("%s.routes[%d]", at, k))
		}
	}
}
