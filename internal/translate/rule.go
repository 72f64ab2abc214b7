package translate

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/resource"
)

// rule is a DestinationRule with its host resolved, and what later rules for the
// same host add to it. The embedded Resource is the first of them.
type rule struct {
	*resource.Resource
	host string
	// policy is that of the first rule which has one; policyFrom is that rule.
	policy     *networking.TrafficPolicy
	policyFrom *resource.Resource
	subsets    []serviceSubset
	// exportTo are the namespaces that may use it; none is all.
	exportTo map[string]bool
	// selector narrows the rule to workloads, nil for none.
	selector *selector
}

// selector is the labels of workloads.
type selector struct{ labels map[string]string }

func (s *selector) equal(o *selector) bool {
	return s != nil && o != nil && maps.Equal(s.labels, o.labels)
}

// serviceSubset is a named part of a service's endpoints; the zero value is
// the whole service.
type serviceSubset struct {
	name   string
	labels map[string]string
	policy *networking.TrafficPolicy
	// from and path are where it is written: spec.subsets[1].
	from *resource.Resource
	path string
}

// ruleIndex finds the rules of a service (destinationRuleIndex in istiod's
// pilot/pkg/model/push_context.go).
type ruleIndex struct {
	// local are the rules of the node's namespace, exported or not; exported
	// those that others may see, by namespace; rootLocal the private ones of the
	// root namespace.
	local, rootLocal rulesByHost
	exported         map[string]rulesByHost
}

// rulesByHost are the rules of one namespace.
type rulesByHost map[string][]*rule

// collectRules indexes the DestinationRules. Those for workloads come after the
// others.
func (t *translator) collectRules() *ruleIndex {
	x := &ruleIndex{local: make(rulesByHost), rootLocal: make(rulesByHost), exported: make(map[string]rulesByHost)}
	for _, selective := range []bool{true, false} {
		for _, r := range t.set.Kind("DestinationRule") {
			spec, ok := r.Spec.(*networking.DestinationRule)
			if !ok || (spec.GetWorkloadSelector() != nil) != selective {
				continue
			}
			t.reportUnusedRule(r, spec)
			x.add(newRule(r, spec, fullName(spec.GetHost(), r.Namespace, t.domain)), t.node.Namespace)
		}
	}
	return x
}

func newRule(r *resource.Resource, spec *networking.DestinationRule, host string) *rule {
	out := &rule{Resource: r, host: host, policy: spec.GetTrafficPolicy(), policyFrom: r, exportTo: make(map[string]bool)}
	for i, s := range spec.GetSubsets() {
		out.subsets = append(out.subsets, serviceSubset{
			name: s.GetName(), labels: s.GetLabels(), policy: s.GetTrafficPolicy(), from: r, path: fmt.Sprintf("spec.subsets[%d]", i),
		})
	}
	for _, ns := range spec.GetExportTo() {
		out.exportTo[ns] = true
	}
	if w := spec.GetWorkloadSelector(); w != nil {
		// Such a rule is for its own namespace, whatever it exports.
		out.selector, out.exportTo = &selector{w.GetMatchLabels()}, map[string]bool{".": true}
	}
	return out
}

// reportUnusedRule says which rules are not for this node.
func (t *translator) reportUnusedRule(r *resource.Resource, spec *networking.DestinationRule) {
	switch {
	case !subset(spec.GetWorkloadSelector().GetMatchLabels(), t.node.Labels) || spec.GetWorkloadSelector() != nil && r.Namespace != t.node.Namespace:
		t.report(diag.Info, CodeNotServed, r, "spec.workloadSelector", "not used here: it is for other workloads")
	case !t.node.sees(spec.GetExportTo(), r.Namespace):
		t.report(diag.Info, CodeNotServed, r, "spec.exportTo", "not used here: it is not exported to namespace %s", t.node.Namespace)
	}
}

func (x *ruleIndex) add(r *rule, node string) {
	own := len(r.exportTo) == 0 || r.exportTo["*"] || r.exportTo["."] || r.exportTo[r.Namespace]
	if own && r.Namespace == node {
		x.local.merge(r)
	}
	switch private := len(r.exportTo) == 1 && (r.exportTo["."] || r.exportTo[r.Namespace]); {
	case !private:
		if x.exported[r.Namespace] == nil {
			x.exported[r.Namespace] = make(rulesByHost)
		}
		x.exported[r.Namespace].merge(r)
	case r.Namespace == resource.RootNamespace:
		x.rootLocal.merge(r)
	}
}

// merge adds a rule to those of its host: what an earlier one of the same
// visibility and workloads does not say, it adds (mergeDestinationRule of
// istiod's pilot/pkg/model/destination_rule.go).
func (m rulesByHost) merge(r *rule) {
	separate := true
	for i, first := range m[r.host] {
		if !maps.Equal(r.exportTo, first.exportTo) && (len(first.exportTo) == 0 || !superset(r.exportTo, first.exportTo)) {
			separate = true
			continue
		}
		separate = !maps.Equal(r.exportTo, first.exportTo)
		if r.selector != nil && first.selector != nil && !r.selector.equal(first.selector) {
			separate = true
			continue
		}
		if r.selector == nil && first.selector == nil || r.selector.equal(first.selector) {
			separate = false
		}
		m[r.host][i] = first.with(r)
	}
	if separate {
		m[r.host] = append(m[r.host], r)
	}
}

func superset(a, b map[string]bool) bool {
	for k := range b {
		if !a[k] {
			return false
		}
	}
	return true
}

// with returns the rule with what another one adds to it.
func (r *rule) with(o *rule) *rule {
	out := *r
	out.subsets = slices.Clone(r.subsets)
	for _, s := range o.subsets {
		if !slices.ContainsFunc(out.subsets, func(have serviceSubset) bool { return have.name == s.name }) {
			out.subsets = append(out.subsets, s)
		}
	}
	if out.policy == nil && o.policy != nil {
		out.policy, out.policyFrom = o.policy, o.Resource
	}
	return &out
}

// match returns the rules for the most specific host that covers a name.
func (m rulesByHost) match(host string) []*rule {
	if found := m[host]; found != nil {
		return found
	}
	best := ""
	for h := range m {
		if isWildcard(h) && strings.HasSuffix(strings.TrimPrefix(host, "*"), h[1:]) && (best == "" || compareHosts(h, best) < 0) {
			best = h
		}
	}
	return m[best]
}

// ruleFor returns the rule in effect for a service, or nil: of the node's own
// namespace, of the service's, of the root namespace. Where the node lives in
// the root namespace, only its private rules go before those of the service.
func (t *translator) ruleFor(host, namespace string) *rule {
	x, node := t.rules, t.node.Namespace
	own := x.local
	if node == resource.RootNamespace {
		own = x.rootLocal
	}
	found := own.match(host)
	for _, ns := range []string{namespace, resource.RootNamespace} {
		if len(found) > 0 {
			break
		}
		for _, r := range x.exported[ns].match(host) {
			if len(r.exportTo) == 0 || r.exportTo["*"] || r.exportTo[node] {
				found = append(found, r)
			}
		}
	}
	return t.selectRule(found)
}

// selectRule prefers a rule for this workload to one for all.
func (t *translator) selectRule(rules []*rule) *rule {
	var all *rule
	for _, r := range rules {
		switch {
		case r.selector == nil:
			all = r
		case r.Namespace == t.node.Namespace && subset(r.selector.labels, t.node.Labels):
			return r
		}
	}
	return all
}

// subset returns the subset of a service by its name; the empty name is the
// whole service.
func (t *translator) subset(s *service, name string) (serviceSubset, bool) {
	if name == "" {
		return serviceSubset{}, true
	}
	if r := t.ruleFor(s.host, s.Namespace); r != nil {
		for _, sub := range r.subsets {
			if sub.name == name {
				return sub, true
			}
		}
	}
	return serviceSubset{}, false
}

// effectivePolicy merges the policies for a port: a subset's fields go before
// the rule's, and settings for the port replace the four that they have,
// without inheritance.
func effectivePolicy(rule, sub *networking.TrafficPolicy, port uint32) *networking.TrafficPolicy {
	out, _ := portPolicy(rule, port)
	if sub == nil {
		return out
	}
	own, hasPort := portPolicy(sub, port)
	if own.GetConnectionPool() != nil || hasPort {
		out.ConnectionPool = own.GetConnectionPool()
	}
	if own.GetOutlierDetection() != nil || hasPort {
		out.OutlierDetection = own.GetOutlierDetection()
	}
	if own.GetLoadBalancer() != nil || hasPort {
		out.LoadBalancer = own.GetLoadBalancer()
	}
	if own.GetTls() != nil || hasPort {
		out.Tls = own.GetTls()
	}
	if own.GetProxyProtocol() != nil {
		out.ProxyProtocol = own.GetProxyProtocol()
	}
	if own.GetRetryBudget() != nil {
		out.RetryBudget = own.GetRetryBudget()
	}
	return out
}

// portPolicy returns the part of a policy for a port: the settings of the port
// alone, if it has any, and whether it has.
func portPolicy(p *networking.TrafficPolicy, port uint32) (*networking.TrafficPolicy, bool) {
	for _, ps := range p.GetPortLevelSettings() {
		if ps.GetPort() != nil && ps.GetPort().GetNumber() == port {
			return &networking.TrafficPolicy{
				LoadBalancer: ps.GetLoadBalancer(), ConnectionPool: ps.GetConnectionPool(),
				OutlierDetection: ps.GetOutlierDetection(), Tls: ps.GetTls(),
			}, true
		}
	}
	return &networking.TrafficPolicy{
		LoadBalancer: p.GetLoadBalancer(), ConnectionPool: p.GetConnectionPool(), OutlierDetection: p.GetOutlierDetection(),
		Tls: p.GetTls(), ProxyProtocol: p.GetProxyProtocol(), RetryBudget: p.GetRetryBudget(),
	}, false
}

// settings are what a policy and its settings for a port both have.
type settings interface {
	GetConnectionPool() *networking.ConnectionPoolSettings
	GetLoadBalancer() *networking.LoadBalancerSettings
	GetTls() *networking.ClientTLSSettings
}

// written finds the settings that hold what is in effect, and is shared with the
// policy that is: the object and the path there. Without them the path is empty.
func (b *clusterBuilder) written(holds func(settings) bool) (*resource.Resource, string) {
	for _, p := range []struct {
		policy *networking.TrafficPolicy
		from   *resource.Resource
		path   string
	}{{b.sub.policy, b.sub.from, b.sub.path + ".trafficPolicy"}, {b.rule.policy, b.rule.policyFrom, "spec.trafficPolicy"}} {
		if holds(p.policy) {
			return p.from, p.path
		}
		for i, ps := range p.policy.GetPortLevelSettings() {
			if holds(ps) {
				return p.from, at(p.path+".portLevelSettings", i)
			}
		}
	}
	return b.rule.Resource, ""
}
