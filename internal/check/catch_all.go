package check

import (
	"fmt"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/resource"
)

// catchAll finds routes that another VirtualService of the same host takes the
// requests from: istiod joins the routes of all of them in the order of their names,
// those for everything at the end, and drops what comes after the first of those
// (mergeHTTPRoutes and IsCatchAllRoute in its pilot/pkg/networking/core).
func catchAll() *Check {
	return &Check{
		Name: "catch-all",
		Code: CodeCatchAll,
		Doc: "Two VirtualServices of one host on one Gateway have a route for every path, and only the first in the order of their names gets requests. " +
			"Merge them into one VirtualService, or give one of the routes a match.",
		Run: func(p *Pass) {
			type site struct {
				gateway resource.Key
				host    string
			}
			first := make(map[site]*resource.Resource)
			firstPath := make(map[*resource.Resource]string)
			for _, r := range p.Set.Kind(resource.KindVirtualService) {
				vs := r.Spec.(*networking.VirtualService)
				path := catchAllRoute(vs)
				if path == "" {
					continue
				}
				firstPath[r] = path
				var before *resource.Resource
				var shared site
				for _, name := range vs.Gateways {
					for _, h := range vs.Hosts {
						at := site{gatewayKey(name, r.Namespace), fullHost(h, r.Namespace)}
						if other := first[at]; name == meshGateway || other == r {
							continue
						} else if other == nil {
							first[at] = r
						} else if before == nil {
							before, shared = other, at
						}
					}
				}
				if before != nil {
					p.ReportBeside(r, path, diag.Related{Pos: before.Position(firstPath[before]), Message: "the route that takes them"}, diag.Warning,
						"gets no request: VirtualService %s/%s has a route for every path of %s on Gateway %s/%s too",
						before.Namespace, before.Name, shared.host, shared.gateway.Namespace, shared.gateway.Name)
				}
			}
		},
	}
}

// catchAllRoute returns the path of the first route for everything, or nothing.
func catchAllRoute(vs *networking.VirtualService) string {
	for i, route := range vs.Http {
		path := fmt.Sprintf("spec.http[%d]", i)
		if len(route.GetMatch()) == 0 {
			return path
		}
		for j, m := range route.Match {
			if m.GetUri().GetPrefix() == "/" && matchKey(m) == matchKey(&networking.HTTPMatchRequest{Uri: m.Uri}) {
				return fmt.Sprintf("%s.match[%d]", path, j)
			}
		}
	}
	return ""
}
