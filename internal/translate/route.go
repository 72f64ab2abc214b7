package translate

import (
	"fmt"
	"slices"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/structpb"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/resource"
	"github.com/crossgate/crossgate/internal/xds"
)

// routes makes the routes of a VirtualService for a server: one per match, up
// to the first that matches everything.
func (t *translator) routes(vs *virtualService, s *server) []*routev3.Route {
	var out []*routev3.Route
	for _, h := range vs.http {
		b := &routeBuilder{t: t, vs: vs, server: s, in: h.spec, from: h.from, path: h.path}
		if len(h.spec.GetMatch()) == 0 {
			if r := b.build(nil, b.path); r != nil {
				out = append(out, r)
			}
			return out
		}
		for j, m := range h.spec.GetMatch() {
			r := b.build(m, h.matches[j])
			if r == nil {
				continue
			}
			out = append(out, r)
			if isCatchAll(r) {
				return out
			}
		}
	}
	return out
}

// routeBuilder makes the routes of one HTTPRoute.
type routeBuilder struct {
	t      *translator
	vs     *virtualService
	server *server
	in     *networking.HTTPRoute
	// from and path are where the HTTPRoute is written: spec.http[2], of the
	// VirtualService or its delegate.
	from *resource.Resource
	path string
}

// build makes the route for one match, or for none; nil if it is not for this
// server or cannot be made.
func (b *routeBuilder) build(m *networking.HTTPMatchRequest, matchPath string) *routev3.Route {
	if !b.applies(m) || !b.supported() {
		return nil
	}
	match, ok := b.match(m, matchPath)
	if !ok {
		return nil
	}
	out := &routev3.Route{
		Name:       b.in.GetName(),
		Match:      match,
		Metadata:   configMetadata(b.vs.Resource, "virtual-service"),
		StatPrefix: m.GetStatPrefix(),
	}
	if m.GetName() != "" {
		out.Name += "." + m.GetName()
	}
	ops := headerOperations(b.in.GetHeaders())
	ops.applyTo(out)
	if !b.action(out, ops.authority) || !b.filters(out) {
		return nil
	}
	out.Decorator = &routev3.Decorator{Operation: operation(out, b.vs.Name, b.server.port())}
	b.t.origin[out] = b.from.Position(matchPath)
	return out
}

// applies reports whether a match is meant for this server and node.
func (b *routeBuilder) applies(m *networking.HTTPMatchRequest) bool {
	if m == nil {
		return true
	}
	if m.GetPort() != 0 && m.GetPort() != b.server.port() {
		return false
	}
	if len(m.GetGateways()) > 0 {
		return slices.Contains(m.GetGateways(), b.server.name)
	}
	return subset(m.GetSourceLabels(), b.t.node.Labels) &&
		(m.GetSourceNamespace() == "" || m.GetSourceNamespace() == b.t.node.Namespace)
}

// supported refuses a route that asks for what is not translated yet: without
// it the route would do something else than was written.
func (b *routeBuilder) supported() bool {
	refuse := func(field, format string, args ...any) bool {
		b.t.report(diag.Error, CodeUnsupported, b.from, b.path+field, "route left out: "+format, args...)
		return false
	}
	switch in := b.in; {
	case in.GetDelegate() != nil:
		return refuse(".delegate", "a delegate cannot delegate further")
	case in.GetRedirect() == nil && in.GetDirectResponse() == nil && len(in.GetRoute()) == 0:
		return refuse("", "it has no destination, redirect or direct response")
	}
	return true
}

// filters adds the per-route configuration of the fault and CORS filters.
func (b *routeBuilder) filters(out *routev3.Route) bool {
	add := func(name string, a *anypb.Any) bool {
		if a == nil {
			return false
		}
		if out.TypedPerFilterConfig == nil {
			out.TypedPerFilterConfig = make(map[string]*anypb.Any)
		}
		out.TypedPerFilterConfig[name] = a
		return true
	}
	if b.in.GetFault() != nil {
		fault, ok := b.fault()
		if !ok || !add(filterFault, b.t.pack(b.from, b.path+".fault", fault)) {
			return false
		}
	}
	if p := b.in.GetCorsPolicy(); p != nil {
		b.t.policyOrigin[out] = b.from.Position(b.path + ".corsPolicy")
		if p.GetUnmatchedPreflights() == networking.CorsPolicy_FORWARD {
			b.t.forwardOrigin[out] = b.from.Position(b.path + ".corsPolicy.unmatchedPreflights")
		}
		return add(xds.CorsFilter, b.t.pack(b.from, b.path+".corsPolicy", corsPolicy(p)))
	}
	return true
}

// operation names a route in traces: the destination, if there is just one, or
// the VirtualService, and the path.
func operation(r *routev3.Route, name string, port uint32) string {
	path := "/*"
	switch p := r.GetMatch().GetPathSpecifier().(type) {
	case *routev3.RouteMatch_Prefix:
		path = p.Prefix + "*"
	case *routev3.RouteMatch_Path:
		path = p.Path
	case *routev3.RouteMatch_SafeRegex:
		path = p.SafeRegex.GetRegex()
	}
	if p, _, host, ok := xds.ParseClusterName(r.GetRoute().GetCluster()); ok {
		name, port = host, p
	}
	return fmt.Sprintf("%s:%d%s", name, port, path)
}

// configMetadata names the object that a route or cluster comes from, as
// istiod does in filter_metadata.istio.config. The path says v1 whatever the
// version of the document.
func configMetadata(r *resource.Resource, kind string) *corev3.Metadata {
	path := fmt.Sprintf("/apis/networking.istio.io/v1/namespaces/%s/%s/%s", r.Namespace, kind, r.Name)
	return &corev3.Metadata{FilterMetadata: map[string]*structpb.Struct{
		"istio": {Fields: map[string]*structpb.Value{"config": structpb.NewStringValue(path)}},
	}}
}
