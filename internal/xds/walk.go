package xds

import (
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
)

// FilterChains returns all chains of a listener, the default one last.
func FilterChains(l *listenerv3.Listener) []*listenerv3.FilterChain {
	out := append([]*listenerv3.FilterChain(nil), l.GetFilterChains()...)
	if fc := l.GetDefaultFilterChain(); fc != nil {
		out = append(out, fc)
	}
	return out
}

// ConnectionManager returns the HTTP connection manager of a network filter, or
// nil if the filter is something else.
func ConnectionManager(f *listenerv3.Filter) *hcmv3.HttpConnectionManager {
	m := new(hcmv3.HttpConnectionManager)
	if !f.GetTypedConfig().MessageIs(m) || f.GetTypedConfig().UnmarshalTo(m) != nil {
		return nil
	}
	return m
}

// inlineRoutes returns the route configurations that listeners carry.
func (s *Snapshot) inlineRoutes() []*routev3.RouteConfiguration {
	var out []*routev3.RouteConfiguration
	for _, l := range s.Listeners {
		for _, fc := range FilterChains(l) {
			for _, f := range fc.GetFilters() {
				if rc := ConnectionManager(f).GetRouteConfig(); rc != nil {
					out = append(out, rc)
				}
			}
		}
	}
	return out
}
