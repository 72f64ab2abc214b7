package translate

import (
	"fmt"
	"slices"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/resource"
)

// rule is a DestinationRule with its host resolved.
type rule struct {
	*resource.Resource
	spec *networking.DestinationRule
	host string
}

// serviceSubset is a named part of a service's endpoints; the zero value is
// the whole service.
type serviceSubset struct {
	name   string
	labels map[string]string
	policy *networking.TrafficPolicy
	// path is where it is written: spec.subsets[1].
	path string
}

// collectRules returns the DestinationRules that the node sees.
func (t *translator) collectRules() []*rule {
	var out []*rule
	for _, r := range t.set.Kind("DestinationRule") {
		spec, ok := r.Spec.(*networking.DestinationRule)
		if !ok {
			continue
		}
		if !t.node.sees(spec.GetExportTo(), r.Namespace) {
			t.report(diag.Info, CodeNotServed, r, "spec.exportTo", "not used here: it is not exported to namespace %s", t.node.Namespace)
			continue
		}
		if !subset(spec.GetWorkloadSelector().GetMatchLabels(), t.node.Labels) {
			t.report(diag.Info, CodeNotServed, r, "spec.workloadSelector", "not used here: it is for other workloads")
			continue
		}
		out = append(out, &rule{Resource: r, spec: spec, host: fullName(spec.GetHost(), r.Namespace, t.domain)})
	}
	return out
}

// rootNamespace holds what is meant for the whole mesh.
const rootNamespace = "istio-system"

// rulesFor returns the rules in effect for a service: of the first namespace
// that has any (the node's, the service's, the root), those with the most
// specific host.
func (t *translator) rulesFor(s *service) []*rule {
	for _, ns := range []string{t.node.Namespace, s.Namespace, rootNamespace} {
		var found []*rule
		for _, r := range t.rules {
			if r.Namespace == ns && hostSubset(s.host, r.host) {
				found = append(found, r)
			}
		}
		if len(found) == 0 {
			continue
		}
		best := slices.MinFunc(found, func(a, b *rule) int { return compareHosts(a.host, b.host) }).host
		return slices.DeleteFunc(found, func(r *rule) bool { return r.host != best })
	}
	return nil
}

// subsets returns the subsets of a service by all its rules; of two with one
// name the first counts.
func (t *translator) subsets(s *service) []serviceSubset {
	var out []serviceSubset
	for _, r := range t.rulesFor(s) {
		for i, sub := range r.spec.GetSubsets() {
			if slices.ContainsFunc(out, func(o serviceSubset) bool { return o.name == sub.GetName() }) {
				continue
			}
			out = append(out, serviceSubset{
				name: sub.GetName(), labels: sub.GetLabels(), policy: sub.GetTrafficPolicy(), path: fmt.Sprintf("spec.subsets[%d]", i),
			})
		}
	}
	return out
}

// subset returns the subset of a service by its name; the empty name is the
// whole service.
func (t *translator) subset(s *service, name string) (serviceSubset, bool) {
	if name == "" {
		return serviceSubset{}, true
	}
	for _, sub := range t.subsets(s) {
		if sub.name == name {
			return sub, true
		}
	}
	return serviceSubset{}, false
}

// endpointsFor returns the endpoints of a subset that have a port.
func (s *service) endpointsFor(port servicePort, sub serviceSubset) []endpoint {
	if u, ok := s.upstream(port.number); ok {
		return []endpoint{{address: u.Address, ports: map[uint32]uint32{port.number: u.AddressPort}, weight: 1}}
	}
	var out []endpoint
	for _, e := range s.endpoints {
		if e.ports[port.number] != 0 && subset(sub.labels, e.labels) {
			out = append(out, e)
		}
	}
	return out
}

// effectivePolicy merges the policies for a port: a subset's fields go before
// the rule's, and settings for the port replace all, without inheritance.
func effectivePolicy(rule, sub *networking.TrafficPolicy, port uint32) *networking.TrafficPolicy {
	out := &networking.TrafficPolicy{}
	for _, p := range []*networking.TrafficPolicy{rule, sub} {
		if p == nil {
			continue
		}
		if p.GetLoadBalancer() != nil {
			out.LoadBalancer = p.GetLoadBalancer()
		}
		if p.GetConnectionPool() != nil {
			out.ConnectionPool = p.GetConnectionPool()
		}
		if p.GetOutlierDetection() != nil {
			out.OutlierDetection = p.GetOutlierDetection()
		}
		if p.GetTls() != nil {
			out.Tls = p.GetTls()
		}
		for _, ps := range p.GetPortLevelSettings() {
			if ps.GetPort().GetNumber() == port {
				out = &networking.TrafficPolicy{
					LoadBalancer: ps.GetLoadBalancer(), ConnectionPool: ps.GetConnectionPool(),
					OutlierDetection: ps.GetOutlierDetection(), Tls: ps.GetTls(),
				}
			}
		}
	}
	return out
}
