package translate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/resource"
)

// virtualService is a VirtualService with its names resolved.
type virtualService struct {
	*resource.Resource
	spec *networking.VirtualService
	// http are the routes, those of delegates in their places.
	http []httpRoute
	// hosts are full names; gateways are "namespace/name".
	hosts, gateways []string
	// served are those of hosts that some server serves, in whole or in part.
	served map[string]bool
}

// collectVirtualServices returns the VirtualServices that the node sees, in
// the order in which their routes are joined: those exported to the node's
// namespace alone, those that name it, then the public ones
// (VirtualServicesForGateway in istiod's pilot/pkg/model/push_context.go).
func (t *translator) collectVirtualServices() []*virtualService {
	var out []*virtualService
	for _, r := range t.set.Kind("VirtualService") {
		spec, ok := r.Spec.(*networking.VirtualService)
		if !ok || len(spec.GetHosts()) == 0 {
			continue // A delegate has no hosts; its root brings it in.
		}
		if !t.node.sees(spec.GetExportTo(), r.Namespace) {
			t.report(diag.Info, CodeNotServed, r, "spec.exportTo", "not served here: it is not exported to namespace %s", t.node.Namespace)
			continue
		}
		vs := &virtualService{Resource: r, spec: spec, served: make(map[string]bool)}
		for _, h := range spec.GetHosts() {
			vs.hosts = append(vs.hosts, fullName(h, r.Namespace, t.domain))
		}
		for _, g := range spec.GetGateways() {
			vs.gateways = append(vs.gateways, gatewayName(g, r.Namespace))
		}
		vs.http = t.httpRoutes(r, spec)
		for i := range spec.GetTls() {
			t.report(diag.Warning, CodeUnsupported, r, fmt.Sprintf("spec.tls[%d]", i), "TLS routes are not supported yet")
		}
		for i := range spec.GetTcp() {
			t.report(diag.Warning, CodeUnsupported, r, fmt.Sprintf("spec.tcp[%d]", i), "TCP routes are not supported yet")
		}
		out = append(out, vs)
	}
	slices.SortStableFunc(out, func(a, b *virtualService) int {
		return cmp.Compare(t.publicity(a), t.publicity(b))
	})
	return out
}

func (t *translator) publicity(vs *virtualService) int {
	to := vs.spec.GetExportTo()
	switch {
	case len(to) == 0 || slices.Contains(to, "*"):
		return 2
	case slices.Contains(to, "."):
		return 0
	}
	return 1
}

// synthesize makes a Gateway on port 80 for each one that VirtualServices bind
// to and that does not exist. A Gateway that exists but selects other workloads
// is not replaced: somebody decided that. The check of references says so, and why.
func (t *translator) synthesize() []*resource.Resource {
	hosts := make(map[string][]string)
	first := make(map[string]diag.Pos)
	var names []string
	for _, vs := range t.virtualServices {
		for i, name := range vs.gateways {
			ns, short, _ := strings.Cut(name, "/")
			if name == meshGateway || t.set.Get(resource.Key{Kind: "Gateway", Namespace: ns, Name: short}) != nil {
				continue
			}
			if hosts[name] == nil {
				names = append(names, name)
				first[name] = vs.Resource.Position(fmt.Sprintf("spec.gateways[%d]", i))
			}
			hosts[name] = append(hosts[name], vs.hosts...)
		}
	}
	slices.Sort(names)
	var out []*resource.Resource
	for _, name := range names {
		ns, short, _ := strings.Cut(name, "/")
		slices.Sort(hosts[name])
		out = append(out, &resource.Resource{
			Key: resource.Key{Kind: "Gateway", Namespace: ns, Name: short},
			Pos: first[name],
			Spec: &networking.Gateway{Servers: []*networking.Server{{
				Port:  &networking.Port{Number: 80, Name: "http", Protocol: "HTTP"},
				Hosts: slices.Compact(hosts[name]),
			}}},
		})
	}
	return out
}

// reportUnserved says which hosts of VirtualServices are not served, and why.
func (t *translator) reportUnserved() {
	for _, vs := range t.virtualServices {
		if len(vs.served) == len(vs.hosts) || len(vs.spec.GetHttp()) == 0 {
			continue
		}
		if !slices.ContainsFunc(vs.gateways, func(g string) bool { return g != meshGateway }) {
			t.report(diag.Info, CodeNotServed, vs.Resource, "spec.gateways", "not served here: it names no Gateway, so it is for sidecars")
			continue
		}
		if here := t.reportGateways(vs); !here {
			continue
		}
		severity := diag.Warning
		if slices.Contains(vs.gateways, meshGateway) {
			severity = diag.Info // The host may well be meant for sidecars.
		}
		for i, h := range vs.hosts {
			if !vs.served[h] {
				t.report(severity, CodeNotServed, vs.Resource, fmt.Sprintf("spec.hosts[%d]", i),
					"not served: no server of its Gateways (%s) has the host %s", strings.Join(vs.gateways, ", "), h)
			}
		}
	}
}

// reportGateways reports the Gateways of a VirtualService that are for other
// workloads. It returns whether any is for this one; of those that do not exist
// the check of references tells.
func (t *translator) reportGateways(vs *virtualService) bool {
	here := false
	for i, name := range vs.gateways {
		ns, short, _ := strings.Cut(name, "/")
		r := t.set.Get(resource.Key{Kind: "Gateway", Namespace: ns, Name: short})
		if r == nil {
			continue
		}
		if gw, ok := r.Spec.(*networking.Gateway); ok && t.node.matches(gw.GetSelector()) {
			here = true
			continue
		}
		t.report(diag.Info, CodeNotServed, vs.Resource, fmt.Sprintf("spec.gateways[%d]", i),
			"not served here: Gateway %s is for other workloads", name)
	}
	return here
}
