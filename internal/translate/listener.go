package translate

import (
	"cmp"
	"fmt"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	tlsinspectorv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/listener/tls_inspector/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/crossgate/crossgate/internal/xds"
)

const (
	filterHCM    = "envoy.filters.network.http_connection_manager"
	tlsInspector = "envoy.filters.listener.tls_inspector"
)

// listener makes the listener of a port and the route configurations of its
// servers. A TLS server without a usable certificate is left out, the listener
// with the last of them.
func (t *translator) listener(p *listenerPort) {
	l := &listenerv3.Listener{
		TrafficDirection:                     corev3.TrafficDirection_OUTBOUND,
		MaxConnectionsToAcceptPerSocketEvent: wrapperspb.UInt32(1),
	}
	bind := cmp.Or(p.bind, "0.0.0.0")
	l.Name = fmt.Sprintf("%s_%d", bind, p.number)
	l.Address = socketAddress(bind, p.number)
	first := p.servers[0]
	if p.tls {
		t.tlsChains(l, p)
	} else if fc := t.filterChain(l, first); fc != nil {
		l.FilterChains = append(l.FilterChains, fc)
		t.routeConfig(first.routes, p.servers)
	}
	if len(l.GetFilterChains()) == 0 {
		return
	}
	t.out.Listeners = append(t.out.Listeners, l)
	t.out.Origins[xds.ListenerKey(l.GetName())] = first.gateway.Position(first.path("port"))
}

// tlsChains adds a filter chain with its own routes for each HTTPS server.
func (t *translator) tlsChains(l *listenerv3.Listener, p *listenerPort) {
	for _, s := range p.servers {
		socket := t.downstreamTLS(s)
		fc := t.filterChain(l, s)
		if socket == nil || fc == nil {
			continue
		}
		fc.FilterChainMatch = &listenerv3.FilterChainMatch{ServerNames: sniHosts(s.hosts)}
		if fc.FilterChainMatch.ServerNames == nil {
			fc.FilterChainMatch = nil
		}
		fc.TransportSocket = socket
		l.FilterChains = append(l.FilterChains, fc)
		t.routeConfig(s.routes, []*server{s})
	}
	if len(l.GetFilterChains()) == 0 {
		return
	}
	first := p.servers[0]
	a := t.pack(first.gateway, first.path("port"), &tlsinspectorv3.TlsInspector{InitialReadBufferSize: wrapperspb.UInt32(512)})
	l.ListenerFilters = []*listenerv3.ListenerFilter{{
		Name:       tlsInspector,
		ConfigType: &listenerv3.ListenerFilter_TypedConfig{TypedConfig: a},
	}}
}

// filterChain makes the chain of a server without its match and TLS; nil if it
// cannot be made.
func (t *translator) filterChain(l *listenerv3.Listener, s *server) *listenerv3.FilterChain {
	prefix := "outbound_" + l.GetName() + ";"
	if s.spec.GetTls() != nil && !isHTTP(s.spec.GetPort().GetProtocol()) {
		prefix = cmp.Or(s.spec.GetName(), prefix)
	}
	a := t.pack(s.gateway, s.path("port"), t.connectionManager(s, prefix))
	if a == nil {
		return nil
	}
	return &listenerv3.FilterChain{
		Filters: []*listenerv3.Filter{{
			Name:       filterHCM,
			ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: a},
		}},
		TransportSocketConnectTimeout: &durationpb.Duration{Seconds: 15},
	}
}
