package check

import (
	"fmt"
	"slices"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/resource"
)

// unboundPolicy finds policies of VirtualServices that no gateway serves.
func unboundPolicy() *Check {
	return &Check{
		Name: "unbound-policy",
		Code: CodeUnboundPolicy,
		Doc: "A policy stands in a VirtualService that no Gateway serves: it names none, and so is for sidecars alone, which browsers do not ask; " +
			"none that exists, or none with its hosts; or it has no hosts, and no other one delegates to it. Name the Gateway.",
		Run: func(p *Pass) {
			var delegates map[resource.Key]bool
			var last *resource.Resource
			for _, c := range p.corsPolicies() {
				if c.object == last {
					continue // One finding an object.
				}
				last = c.object
				vs := c.object.Spec.(*networking.VirtualService)
				if len(vs.Hosts) == 0 {
					if delegates == nil {
						delegates = delegated(p.Set)
					}
					if !delegates[c.object.Key] {
						p.Report(c.object, c.path, diag.Warning, "no VirtualService delegates to this one, which has no hosts")
					}
					continue
				}
				if why := p.unbound(vs, c.object.Namespace); why != "" {
					p.Report(c.object, c.path, diag.Warning, "no gateway has this policy: %s", why)
				}
			}
		},
	}
}

// unbound says why no gateway serves a VirtualService.
func (p *Pass) unbound(vs *networking.VirtualService, namespace string) string {
	why := "the VirtualService is for sidecars alone"
	for _, name := range vs.Gateways {
		if name == meshGateway {
			continue
		}
		key := gatewayKey(name, namespace)
		gateway := p.Set.Get(key)
		if gateway == nil {
			if p.Options.SynthesizeGateways {
				return "" // One is made.
			}
			why = fmt.Sprintf("there is no Gateway %s/%s", key.Namespace, key.Name)
			continue
		}
		served := p.shared.hostsOf(gateway)
		if slices.ContainsFunc(vs.Hosts, func(h string) bool { return served.meets(namespace, fullHost(h, namespace)) }) {
			return ""
		}
		why = fmt.Sprintf("no server of the Gateway %s/%s has the host %s", key.Namespace, key.Name, vs.Hosts[0])
	}
	return why
}

// hostsOf returns the hosts of a Gateway, read once.
func (s *shared) hostsOf(gateway *resource.Resource) scopedHosts {
	hosts, ok := s.gateways[gateway]
	if !ok {
		if s.gateways == nil {
			s.gateways = make(map[*resource.Resource]scopedHosts)
		}
		hosts = gatewayHosts(gateway.Spec.(*networking.Gateway), gateway.Namespace)
		s.gateways[gateway] = hosts
	}
	return hosts
}

// delegated are the VirtualServices that others delegate to.
func delegated(set *resource.Set) map[resource.Key]bool {
	out := make(map[resource.Key]bool)
	for _, r := range set.Kind(resource.KindVirtualService) {
		for _, route := range r.Spec.(*networking.VirtualService).Http {
			if d := route.GetDelegate(); d != nil {
				key := resource.Key{Kind: resource.KindVirtualService, Namespace: d.Namespace, Name: d.Name}
				if key.Namespace == "" {
					key.Namespace = r.Namespace
				}
				out[key] = true
			}
		}
	}
	return out
}
