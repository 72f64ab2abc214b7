package cli

import (
	"fmt"
	"strings"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	corsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/cors/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"

	"github.com/crossgate/crossgate/internal/xds"
)

// entry is one way through a snapshot: a host on a listener, a route, and where
// it leads.
type entry struct {
	host  string // a domain of a virtual host: api.example.com, *.example.com, *
	port  uint32 // where the gateway really listens
	tls   bool
	cert  string // the name of the Secret, with tls
	route *routev3.Route
	cors  *corsv3.CorsPolicy // nil: none
}

// entries lists the ways through a snapshot that users have written, in the order of
// its listeners, virtual hosts and routes.
func entries(s *xds.Snapshot, ports xds.Ports) []entry {
	routes := make(map[string]*routev3.RouteConfiguration, len(s.Routes))
	for _, rc := range s.Routes {
		routes[rc.GetName()] = rc
	}
	var list []entry
	for _, l := range s.Listeners {
		sock := l.GetAddress().GetSocketAddress()
		_, port := ports.Map(sock.GetAddress(), sock.GetPortValue())
		for _, chain := range l.GetFilterChains() {
			first := len(list)
			list = appendVirtualHosts(list, routeConfiguration(chain, routes))
			cert, tls := certificateName(chain)
			for i := range list[first:] {
				e := &list[first+i]
				e.port, e.tls, e.cert = port, tls, cert
			}
		}
	}
	return list
}

func appendVirtualHosts(list []entry, rc *routev3.RouteConfiguration) []entry {
	for _, vh := range rc.GetVirtualHosts() {
		for _, domain := range vh.GetDomains() {
			for _, r := range vh.GetRoutes() {
				if xds.RouteMetadata(r, xds.MetadataReason) != "" {
					continue // made beside the user's own
				}
				policy, _ := xds.CorsPolicy(r.GetTypedPerFilterConfig()) // what cannot be read is reported where it is compiled
				list = append(list, entry{host: domain, route: r, cors: policy})
			}
		}
	}
	return list
}

// routeConfiguration returns the routes of a filter chain, nil if it has no
// HTTP connection manager.
func routeConfiguration(chain *listenerv3.FilterChain, byName map[string]*routev3.RouteConfiguration) *routev3.RouteConfiguration {
	for _, f := range chain.GetFilters() {
		var hcm hcmv3.HttpConnectionManager
		if f.GetTypedConfig().UnmarshalTo(&hcm) != nil {
			continue
		}
		if rc := hcm.GetRouteConfig(); rc != nil {
			return rc
		}
		return byName[hcm.GetRds().GetRouteConfigName()]
	}
	return nil
}

// certificateName returns the name of the Secret that a filter chain answers
// TLS with, and whether it speaks TLS at all.
func certificateName(chain *listenerv3.FilterChain) (string, bool) {
	any := chain.GetTransportSocket().GetTypedConfig()
	if any == nil {
		return "", false
	}
	var ctx tlsv3.DownstreamTlsContext
	if any.UnmarshalTo(&ctx) != nil {
		return "", true
	}
	for _, c := range ctx.GetCommonTlsContext().GetTlsCertificateSdsSecretConfigs() {
		return c.GetName(), true
	}
	return "", true
}

// url returns an address under which the entry answers, with a name for a
// wildcard host.
func (e entry) url(path string) string {
	scheme := "http"
	if e.tls {
		scheme = "https"
	}
	return scheme + "://" + xds.HostPort(e.exampleHost(), e.port) + path
}

func (e entry) exampleHost() string {
	if e.host == "*" {
		return "localhost"
	}
	if rest, ok := strings.CutPrefix(e.host, "*."); ok {
		return "www." + rest
	}
	return e.host
}

// describeMatch renders a route's match as people write paths.
func describeMatch(m *routev3.RouteMatch) string {
	var b strings.Builder
	switch p := m.GetPathSpecifier().(type) {
	case *routev3.RouteMatch_Prefix:
		b.WriteString(p.Prefix + "*")
	case *routev3.RouteMatch_Path:
		b.WriteString(p.Path)
	case *routev3.RouteMatch_PathSeparatedPrefix:
		b.WriteString(p.PathSeparatedPrefix + "[/*]")
	case *routev3.RouteMatch_SafeRegex:
		b.WriteString("~" + p.SafeRegex.GetRegex())
	}
	for _, h := range m.GetHeaders() {
		if h.GetName() == ":method" {
			b.WriteString(" " + h.GetStringMatch().GetExact())
		} else {
			b.WriteString(" +" + h.GetName())
		}
	}
	return b.String()
}

// destinations knows where the clusters of a snapshot lead.
type destinations struct {
	clusters  map[string]*clusterv3.Cluster
	endpoints map[string]*endpointv3.ClusterLoadAssignment
}

func newDestinations(s *xds.Snapshot) destinations {
	d := destinations{map[string]*clusterv3.Cluster{}, map[string]*endpointv3.ClusterLoadAssignment{}}
	for _, c := range s.Clusters {
		d.clusters[c.GetName()] = c
	}
	for _, e := range s.Endpoints {
		d.endpoints[e.GetClusterName()] = e
	}
	return d
}

// describe renders where a route leads.
func (d destinations) describe(r *routev3.Route) string {
	switch a := r.GetAction().(type) {
	case *routev3.Route_Redirect:
		return "redirect"
	case *routev3.Route_DirectResponse:
		return fmt.Sprintf("answers %d", a.DirectResponse.GetStatus())
	case *routev3.Route_Route:
		if w := a.Route.GetWeightedClusters(); w != nil {
			var parts []string
			for _, c := range w.GetClusters() {
				parts = append(parts, fmt.Sprintf("%d: %s", c.GetWeight().GetValue(), d.cluster(c.GetName())))
			}
			return strings.Join(parts, ", ")
		}
		return d.cluster(a.Route.GetCluster())
	}
	return "-"
}

func (d destinations) cluster(name string) string {
	label := name
	if port, subset, host, ok := xds.ParseClusterName(name); ok {
		label = xds.HostPort(host, port)
		if subset != "" {
			label += " (" + subset + ")"
		}
	}
	return label + " → " + d.where(name)
}

// where names the first endpoint of a cluster, and how many more there are.
func (d destinations) where(cluster string) string {
	c := d.clusters[cluster]
	load := c.GetLoadAssignment()
	if name := c.GetEdsClusterConfig().GetServiceName(); load == nil && name != "" {
		load = d.endpoints[name]
	} else if load == nil {
		load = d.endpoints[cluster]
	}
	var addresses []string
	for _, group := range load.GetEndpoints() {
		for _, e := range group.GetLbEndpoints() {
			addresses = append(addresses, xds.AddressText(e.GetEndpoint().GetAddress().GetSocketAddress()))
		}
	}
	switch len(addresses) {
	case 0:
		return "nothing, answers 503"
	case 1:
		return addresses[0]
	}
	return fmt.Sprintf("%s and %d more", addresses[0], len(addresses)-1)
}
