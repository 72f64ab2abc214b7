package xds

import (
	"fmt"

	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/proto"
)

// staticListener returns a copy of a listener at its mapped address that
// carries its routes and finds its secrets in the bootstrap.
func (s *Snapshot) staticListener(in *listenerv3.Listener, p Ports) (*listenerv3.Listener, error) {
	l := proto.CloneOf(in)
	if sock := l.GetAddress().GetSocketAddress(); sock != nil {
		host, port := p.Map(sock.GetAddress(), sock.GetPortValue())
		l.Address = SocketAddress(host, port)
	}
	for _, fc := range FilterChains(l) {
		for _, f := range fc.GetFilters() {
			if err := s.inlineRoute(f); err != nil {
				return nil, fmt.Errorf("listener %s: %w", l.GetName(), err)
			}
		}
		if err := localSecrets(fc); err != nil {
			return nil, fmt.Errorf("listener %s: %w", l.GetName(), err)
		}
	}
	return l, nil
}

// inlineRoute puts the route configuration in the place of its name.
func (s *Snapshot) inlineRoute(f *listenerv3.Filter) error {
	m := ConnectionManager(f)
	if m.GetRds() == nil {
		return nil
	}
	rc := s.routeConfig(m.GetRds().GetRouteConfigName())
	if rc == nil {
		return fmt.Errorf("no route configuration %s", m.GetRds().GetRouteConfigName())
	}
	m.RouteSpecifier = &hcmv3.HttpConnectionManager_RouteConfig{RouteConfig: rc}
	a, err := Pack(m)
	if err != nil {
		return err
	}
	f.ConfigType = &listenerv3.Filter_TypedConfig{TypedConfig: a}
	return nil
}

func (s *Snapshot) routeConfig(name string) *routev3.RouteConfiguration {
	for _, rc := range s.Routes {
		if rc.GetName() == name {
			return rc
		}
	}
	return nil
}

// localSecrets makes a chain's references to secrets mean those of the
// bootstrap: a reference without a source.
func localSecrets(fc *listenerv3.FilterChain) error {
	ctx := new(tlsv3.DownstreamTlsContext)
	typed := fc.GetTransportSocket().GetTypedConfig()
	if !typed.MessageIs(ctx) {
		return nil
	}
	if err := typed.UnmarshalTo(ctx); err != nil {
		return err
	}
	for _, c := range ctx.GetCommonTlsContext().GetTlsCertificateSdsSecretConfigs() {
		c.SdsConfig = nil
	}
	if v := ctx.GetCommonTlsContext().GetCombinedValidationContext().GetValidationContextSdsSecretConfig(); v != nil {
		v.SdsConfig = nil
	}
	a, err := Pack(ctx)
	if err != nil {
		return err
	}
	typed.Value = a.GetValue()
	return nil
}
