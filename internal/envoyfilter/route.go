package envoyfilter

import (
	"slices"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/proto"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/xds"
)

func (a *applier) routeConfigurations() {
	for _, rc := range a.snapshot.Routes {
		t := &routeTable{applier: a, rc: rc, origins: make(map[*routev3.Route]places)}
		t.forget()
		t.patch()
		t.remember()
	}
}

// routeTable is a route configuration that is being patched. The places of its
// routes go by their index, which patches change: they are taken out before and
// put back behind.
type routeTable struct {
	*applier
	rc      *routev3.RouteConfiguration
	origins map[*routev3.Route]places
}

// routeKeys are the keys that go by the index of a route.
var routeKeys = [...]func(string, string, int) string{xds.RouteKey, xds.CorsKey, xds.ForwardKey}

// places are what the keys lead to for one route; zero for nothing.
type places [len(routeKeys)]diag.Pos

func (t *routeTable) forget() {
	for _, vh := range t.rc.GetVirtualHosts() {
		for i, r := range vh.GetRoutes() {
			var found places
			for n, of := range routeKeys {
				key := of(t.rc.GetName(), vh.GetName(), i)
				found[n] = t.snapshot.Origins[key]
				delete(t.snapshot.Origins, key)
			}
			if found != (places{}) {
				t.origins[r] = found
			}
		}
	}
}

func (t *routeTable) remember() {
	for _, vh := range t.rc.GetVirtualHosts() {
		for i, r := range vh.GetRoutes() {
			for n, of := range routeKeys {
				if pos := t.origins[r][n]; pos != (diag.Pos{}) {
					t.snapshot.Origins[of(t.rc.GetName(), vh.GetName(), i)] = pos
				}
			}
		}
	}
}

// patch merges into the whole, then goes through the virtual hosts, then adds
// and removes virtual hosts. A removal goes by the name, and takes what was
// added with it.
func (t *routeTable) patch() {
	for _, p := range t.patches[networking.EnvoyFilter_ROUTE_CONFIGURATION] {
		if p.merges() && p.matchesRoutes(t.rc) {
			mergeInto(t.applier, p, t.rc)
			for _, vh := range t.rc.GetVirtualHosts() {
				t.placeHost(p, vh)
			}
		}
	}
	removed := make(map[string]bool)
	for i := range t.rc.GetVirtualHosts() {
		if !t.virtualHost(i) {
			removed[t.rc.GetVirtualHosts()[i].GetName()] = true
		}
	}
	for _, p := range t.patches[networking.EnvoyFilter_VIRTUAL_HOST] {
		if p.op == networking.EnvoyFilter_Patch_ADD && p.matchesRoutes(t.rc) {
			t.rc.VirtualHosts = append(t.rc.VirtualHosts, t.newHost(p))
		}
	}
	t.rc.VirtualHosts = slices.DeleteFunc(t.rc.VirtualHosts, func(vh *routev3.VirtualHost) bool {
		if removed[vh.GetName()] {
			delete(t.snapshot.Origins, xds.VirtualHostKey(t.rc.GetName(), vh.GetName()))
		}
		return removed[vh.GetName()]
	})
}

func (t *routeTable) newHost(p *patch) *routev3.VirtualHost {
	vh := proto.Clone(p.value).(*routev3.VirtualHost)
	t.apply(p)
	delete(t.snapshot.Origins, xds.VirtualHostKey(t.rc.GetName(), vh.GetName()))
	t.placeHost(p, vh)
	return vh
}

// placeHost notes the place of a virtual host and of routes that have none yet.
func (t *routeTable) placeHost(p *patch, vh *routev3.VirtualHost) {
	key := xds.VirtualHostKey(t.rc.GetName(), vh.GetName())
	if _, ok := t.snapshot.Origins[key]; !ok {
		t.snapshot.Origins[key] = p.pos()
	}
	t.placeRoutes(p, vh)
}

// virtualHost patches a virtual host and its routes; false means that it is
// removed.
func (t *routeTable) virtualHost(i int) bool {
	for _, p := range t.patches[networking.EnvoyFilter_VIRTUAL_HOST] {
		vh := t.rc.GetVirtualHosts()[i]
		switch {
		case !p.matchesRoutes(t.rc) || !p.matchesHost(vh):
		case p.op == networking.EnvoyFilter_Patch_REMOVE:
			t.apply(p)
			return false
		case p.op == networking.EnvoyFilter_Patch_REPLACE:
			t.rc.VirtualHosts[i] = t.newHost(p)
		case p.merges():
			t.mergeHost(p, vh)
		}
	}
	t.routes(t.rc.GetVirtualHosts()[i])
	return true
}

// mergeHost merges a virtual host; the routes that come with the patch have its
// place.
func (t *routeTable) mergeHost(p *patch, vh *routev3.VirtualHost) {
	mergeInto(t.applier, p, vh)
	t.placeRoutes(p, vh)
}

func (t *routeTable) placeRoutes(p *patch, vh *routev3.VirtualHost) {
	for _, r := range vh.GetRoutes() {
		if _, ok := t.origins[r]; !ok {
			t.origins[r] = places{p.pos()}
		}
	}
}

// routes patches the routes of a virtual host, then adds new ones. Virtual hosts
// may share routes: what is changed is a copy.
func (t *routeTable) routes(vh *routev3.VirtualHost) {
	var here []*patch
	for _, p := range t.patches[networking.EnvoyFilter_HTTP_ROUTE] {
		if p.matchesRoutes(t.rc) && p.matchesHost(vh) {
			here = append(here, p)
		}
	}
	if len(here) == 0 {
		return
	}
	var kept []*routev3.Route
	for _, r := range vh.GetRoutes() {
		if r = t.route(r, here); r != nil {
			kept = append(kept, r)
		}
	}
	vh.Routes = kept
	for _, p := range here {
		t.addRoute(p, vh)
	}
}

// route returns a patched route, or nil for one that is removed.
func (t *routeTable) route(r *routev3.Route, here []*patch) *routev3.Route {
	for _, p := range here {
		switch {
		case !p.matchesRoute(r):
		case p.op == networking.EnvoyFilter_Patch_REMOVE:
			t.apply(p)
			return nil
		case p.merges():
			merged := proto.CloneOf(r)
			t.origins[merged] = t.origins[r]
			mergeInto(t.applier, p, merged)
			r = merged
		}
	}
	return r
}

func (t *routeTable) addRoute(p *patch, vh *routev3.VirtualHost) {
	switch p.op {
	case networking.EnvoyFilter_Patch_ADD, networking.EnvoyFilter_Patch_INSERT_BEFORE, networking.EnvoyFilter_Patch_INSERT_AFTER:
	case networking.EnvoyFilter_Patch_INSERT_FIRST:
		// It stands first and not before the route that is named, which only
		// has to be there.
		if p.namesRoute() && !slices.ContainsFunc(vh.Routes, p.matchesRoute) {
			return
		}
	default:
		return
	}
	vh.Routes = edit(t.applier, p, slices.Clone(vh.GetRoutes()), p.namesRoute(), p.matchesRoute)
	t.placeRoutes(p, vh)
}
