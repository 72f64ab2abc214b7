package check

import (
	"fmt"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/resource"
)

// gatewayHost finds VirtualServices that no server of their Gateway takes. A
// Gateway that does not exist is the finding of the check reference.
func gatewayHost() *Check {
	return &Check{
		Name: "gateway-host",
		Code: CodeGatewayHost,
		Doc: "None of the hosts of a VirtualService is a host of the Gateway that it names, so that the Gateway does not serve it. Add the " +
			"host to a server of the Gateway, or name another Gateway; a host written as NAMESPACE/HOST is for that namespace alone.",
		Run: func(p *Pass) {
			known := make(map[resource.Key]scopedHosts)
			for _, r := range p.Set.Kind(resource.KindVirtualService) {
				vs := r.Spec.(*networking.VirtualService)
				for i, name := range vs.Gateways {
					key := gatewayKey(name, r.Namespace)
					g := p.Set.Get(key)
					if name == meshGateway || g == nil || len(vs.Hosts) == 0 {
						continue
					}
					if known[key] == nil {
						known[key] = gatewayHosts(g.Spec.(*networking.Gateway), g.Namespace)
					}
					if slices.ContainsFunc(vs.Hosts, func(h string) bool { return known[key].meets(r.Namespace, h) }) {
						continue
					}
					p.Report(r, fmt.Sprintf("spec.gateways[%d]", i), diag.Warning,
						"Gateway %s/%s has no server for %s", key.Namespace, key.Name, strings.Join(vs.Hosts, ", "))
				}
			}
		},
	}
}
