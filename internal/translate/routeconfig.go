package translate

import (
	"fmt"
	"slices"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/crossgate/crossgate/internal/xds"
)

// maxDirectResponseBody is the limit that istiod gives to the bodies of direct
// responses, in bytes.
const maxDirectResponseBody = 1 << 20

// routeConfig makes the route configuration that servers share, as
// buildGatewayHTTPRouteConfig of istiod's pilot/pkg/networking/core/gateway.go
// does: one virtual host per host, routes of several VirtualServices joined in
// order, hosts with the same routes collapsed into one virtual host.
func (t *translator) routeConfig(name string, servers []*server) {
	b := &hostBuilder{t: t, byHost: make(map[string]*virtualHost), routes: make(map[*virtualService]map[string][]*routev3.Route)}
	for _, s := range servers {
		b.server(s)
	}
	rc := &routev3.RouteConfiguration{
		Name:                           name,
		ValidateClusters:               wrapperspb.Bool(false),
		MaxDirectResponseBodySizeBytes: wrapperspb.UInt32(maxDirectResponseBody),
		IgnorePortInHostMatching:       true,
	}
	if len(b.byHost) == 0 {
		// Without routes Envoy answers everything with 404.
		vh := &routev3.VirtualHost{Name: fmt.Sprintf("blackhole:%d", servers[0].port()), Domains: []string{"*"}}
		rc.VirtualHosts = append(rc.VirtualHosts, vh)
	}
	for _, vh := range b.collapse() {
		sortCatchAllLast(vh.proto.Routes)
		rc.VirtualHosts = append(rc.VirtualHosts, vh.proto)
		t.out.Origins[xds.VirtualHostKey(name, vh.proto.GetName())] = vh.pos
		for i, r := range vh.proto.GetRoutes() {
			t.out.Origins[xds.RouteKey(name, vh.proto.GetName(), i)] = t.origin[r]
			if pos, ok := t.policyOrigin[r]; ok {
				t.out.Origins[xds.CorsKey(name, vh.proto.GetName(), i)] = pos
			}
			if pos, ok := t.forwardOrigin[r]; ok {
				t.out.Origins[xds.ForwardKey(name, vh.proto.GetName(), i)] = pos
			}
		}
	}
	slices.SortStableFunc(rc.VirtualHosts, func(a, b *routev3.VirtualHost) int {
		return strings.Compare(a.GetName(), b.GetName())
	})
	t.out.Origins[xds.RouteConfigKey(name)] = servers[0].gateway.Position(servers[0].path("port"))
	t.out.Routes = append(t.out.Routes, rc)
}

// isCatchAll reports whether nothing behind the route can be reached.
func isCatchAll(r *routev3.Route) bool {
	m := r.GetMatch()
	all := m.GetPrefix() == "/" || m.GetSafeRegex().GetRegex() == "*"
	return all && len(m.GetHeaders()) == 0 && len(m.GetQueryParameters()) == 0
}

// sortCatchAllLast moves the routes that match everything behind the others,
// which matters when several VirtualServices share a host.
func sortCatchAllLast(routes []*routev3.Route) {
	slices.SortStableFunc(routes, func(a, b *routev3.Route) int {
		switch x, y := isCatchAll(a), isCatchAll(b); {
		case x == y:
			return 0
		case y:
			return -1
		}
		return 1
	})
}
