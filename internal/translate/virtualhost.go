package translate

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/crossgate/crossgate/internal/diag"
)

// virtualHost is a virtual host in the making.
type virtualHost struct {
	proto *routev3.VirtualHost
	pos   diag.Pos
}

// hostBuilder collects the virtual hosts of one route configuration.
type hostBuilder struct {
	t      *translator
	byHost map[string]*virtualHost
	// routes holds the routes made per VirtualService and Gateway: hosts with
	// the same routes are recognised by their being the same objects.
	routes map[*virtualService]map[string][]*routev3.Route
}

// server adds the hosts that a server offers to VirtualServices.
func (b *hostBuilder) server(s *server) {
	offers := map[string]*hostSet{} // by namespace
	for _, vs := range b.t.virtualServices {
		if !slices.Contains(vs.gateways, s.name) {
			continue
		}
		offered := offers[vs.Namespace]
		if offered == nil {
			offered = newHostSet(hostsForNamespace(s.hosts, vs.Namespace))
			offers[vs.Namespace] = offered
		}
		hosts := offered.intersect(vs.hosts)
		if len(hosts) == 0 {
			continue
		}
		for _, h := range vs.hosts {
			if len(offered.intersect([]string{h})) > 0 {
				vs.served[h] = true
			}
		}
		routes := b.routesFor(vs, s)
		if len(routes) == 0 {
			continue
		}
		for _, h := range hosts {
			b.add(strings.ToLower(h), s, vs, routes)
		}
	}
	if s.spec.GetTls().GetHttpsRedirect() {
		b.redirectToHTTPS(s)
	}
}

func (b *hostBuilder) routesFor(vs *virtualService, s *server) []*routev3.Route {
	if routes, ok := b.routes[vs][s.name]; ok {
		return routes
	}
	if b.routes[vs] == nil {
		b.routes[vs] = make(map[string][]*routev3.Route)
	}
	routes := b.t.routes(vs, s)
	b.routes[vs][s.name] = routes
	return routes
}

func (b *hostBuilder) add(host string, s *server, vs *virtualService, routes []*routev3.Route) {
	vh, ok := b.byHost[host]
	if !ok {
		vh = newVirtualHost(host, s.port(), vs.Resource.Position("spec.hosts"))
		b.byHost[host] = vh
	}
	vh.proto.Routes = append(vh.proto.Routes, routes...)
	if s.spec.GetTls().GetHttpsRedirect() {
		vh.proto.RequireTls = routev3.VirtualHost_ALL
	}
}

// redirectToHTTPS makes the redirect for hosts of the server that no
// VirtualService serves. Like istiod it takes a host of the form
// namespace/host as it stands.
func (b *hostBuilder) redirectToHTTPS(s *server) {
	for _, h := range s.hosts {
		h = strings.ToLower(h)
		if b.byHost[h] == nil {
			b.byHost[h] = newVirtualHost(h, s.port(), s.gateway.Position(s.path("tls.httpsRedirect")))
		}
		b.byHost[h].proto.RequireTls = routev3.VirtualHost_ALL
	}
}

func newVirtualHost(host string, port uint32, pos diag.Pos) *virtualHost {
	return &virtualHost{
		proto: &routev3.VirtualHost{
			Name:                       fmt.Sprintf("%s:%d", host, port),
			Domains:                    []string{host},
			IncludeRequestAttemptCount: true,
		},
		pos: pos,
	}
}

// collapse joins virtual hosts with the same routes; the most specific host
// gives the name.
func (b *hostBuilder) collapse() []*virtualHost {
	var out []*virtualHost
	// byFirst keeps the search short: equal routes begin with the same one.
	byFirst := make(map[*routev3.Route][]*virtualHost)
	for _, h := range slices.SortedFunc(maps.Keys(b.byHost), compareHosts) {
		vh := b.byHost[h]
		var first *routev3.Route
		if len(vh.proto.GetRoutes()) > 0 {
			first = vh.proto.GetRoutes()[0]
		}
		i := slices.IndexFunc(byFirst[first], func(o *virtualHost) bool {
			return o.proto.GetRequireTls() == vh.proto.GetRequireTls() && slices.Equal(o.proto.GetRoutes(), vh.proto.GetRoutes())
		})
		if i < 0 {
			byFirst[first] = append(byFirst[first], vh)
			out = append(out, vh)
			continue
		}
		same := byFirst[first][i].proto
		same.Domains = append(same.Domains, vh.proto.GetDomains()...)
	}
	return out
}
