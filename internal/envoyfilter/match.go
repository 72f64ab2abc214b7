package envoyfilter

import (
	"slices"
	"strconv"
	"strings"

	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/crossgate/crossgate/internal/xds"
)

func (p *patch) listenerMatch() *networking.EnvoyFilter_ListenerMatch {
	return p.spec.GetMatch().GetListener()
}

func (p *patch) routeMatch() *networking.EnvoyFilter_RouteConfigurationMatch {
	return p.spec.GetMatch().GetRouteConfiguration()
}

func (p *patch) namesListenerFilter() bool { return p.listenerMatch().GetListenerFilter() != "" }

func (p *patch) namesFilter() bool { return p.listenerMatch().GetFilterChain().GetFilter() != nil }

func (p *patch) namesSubFilter() bool {
	return p.listenerMatch().GetFilterChain().GetFilter().GetSubFilter() != nil
}

// matchesListener goes by the name and the port; portName has no meaning any
// more in istiod either.
func (p *patch) matchesListener(l *listenerv3.Listener) bool {
	m := p.listenerMatch()
	if name := m.GetName(); name != "" && name != l.GetName() {
		return false
	}
	return m.GetPortNumber() == 0 || m.GetPortNumber() == l.GetAddress().GetSocketAddress().GetPortValue()
}

func (p *patch) matchesChain(fc *listenerv3.FilterChain) bool {
	m, have := p.listenerMatch().GetFilterChain(), fc.GetFilterChainMatch()
	switch {
	case m.GetName() != "" && m.GetName() != fc.GetName():
		return false
	case m.GetSni() != "" && !slices.Contains(have.GetServerNames(), m.GetSni()):
		return false
	case m.GetTransportProtocol() != "" && m.GetTransportProtocol() != have.GetTransportProtocol():
		return false
	case m.GetDestinationPort() > 0 && m.GetDestinationPort() != have.GetDestinationPort().GetValue():
		return false
	}
	if m.GetApplicationProtocols() == "" {
		return true
	}
	for protocol := range strings.SplitSeq(m.GetApplicationProtocols(), ",") {
		if !slices.Contains(have.GetApplicationProtocols(), protocol) {
			return false
		}
	}
	return true
}

func (p *patch) matchesListenerFilter(name string) bool {
	return !p.namesListenerFilter() || p.listenerMatch().GetListenerFilter() == name
}

func (p *patch) matchesFilter(name string) bool {
	return !p.namesFilter() || p.listenerMatch().GetFilterChain().GetFilter().GetName() == name
}

func (p *patch) matchesSubFilter(name string) bool {
	return !p.namesSubFilter() || p.listenerMatch().GetFilterChain().GetFilter().GetSubFilter().GetName() == name
}

// matchesRoutes goes by what istiod puts into the names of route configurations
// (model.ParseGatewayRDSRouteName).
func (p *patch) matchesRoutes(rc *routev3.RouteConfiguration) bool {
	m := p.routeMatch()
	if m == nil {
		return true
	}
	port, portName, gateway := parseRoutes(rc.GetName())
	return (m.GetName() == "" || m.GetName() == rc.GetName()) &&
		(m.GetPortName() == "" || m.GetPortName() == portName) &&
		(m.GetGateway() == "" || m.GetGateway() == gateway) &&
		(m.GetPortNumber() == 0 || int(m.GetPortNumber()) == port)
}

// parseRoutes reads http.PORT and https.PORT.PORTNAME.GATEWAY.NAMESPACE. The
// name of a server with a bind address is neither, and has port 0.
func parseRoutes(name string) (port int, portName, gateway string) {
	if number, ok := strings.CutPrefix(name, "http."); ok {
		port, _ = strconv.Atoi(number)
		return port, "", ""
	}
	parts := strings.Split(name, ".")
	if len(parts) != 5 || parts[0] != "https" {
		return 0, "", ""
	}
	port, _ = strconv.Atoi(parts[1])
	return port, parts[2], parts[4] + "/" + parts[3]
}

func (p *patch) matchesHost(vh *routev3.VirtualHost) bool {
	m := p.routeMatch().GetVhost()
	return (m.GetName() == "" || m.GetName() == vh.GetName()) &&
		(m.GetDomainName() == "" || slices.Contains(vh.GetDomains(), m.GetDomainName()))
}

func (p *patch) namesRoute() bool { return p.routeMatch().GetVhost().GetRoute() != nil }

func (p *patch) matchesRoute(r *routev3.Route) bool {
	m := p.routeMatch().GetVhost().GetRoute()
	if m.GetName() != "" && m.GetName() != r.GetName() {
		return false
	}
	want := m.GetAction()
	if want == networking.EnvoyFilter_RouteConfigurationMatch_RouteMatch_ANY {
		return true
	}
	switch r.GetAction().(type) {
	case *routev3.Route_Route:
		return want == networking.EnvoyFilter_RouteConfigurationMatch_RouteMatch_ROUTE
	case *routev3.Route_Redirect:
		return want == networking.EnvoyFilter_RouteConfigurationMatch_RouteMatch_REDIRECT
	case *routev3.Route_DirectResponse:
		return want == networking.EnvoyFilter_RouteConfigurationMatch_RouteMatch_DIRECT_RESPONSE
	}
	return true
}

// matchesCluster goes by the whole name, or else by its parts.
func (p *patch) matchesCluster(name string) bool {
	m := p.spec.GetMatch().GetCluster()
	if m.GetName() != "" {
		return m.GetName() == name
	}
	port, subset, host, _ := xds.ParseClusterName(name)
	return (m.GetSubset() == "" || m.GetSubset() == subset) &&
		(m.GetService() == "" || m.GetService() == host) &&
		(m.GetPortNumber() == 0 || m.GetPortNumber() == port)
}
