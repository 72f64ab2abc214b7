package translate

import (
	"cmp"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/crossgate/crossgate/internal/resource"
)

// loadBalancing sets how the cluster chooses among its hosts; istiod's default
// is the less loaded of two (applyLoadBalancer of its pilot/pkg/networking/core).
func (b *clusterBuilder) loadBalancing(c *clusterv3.Cluster, lb *networking.LoadBalancerSettings) {
	if z := lb.GetZoneAwareLbSetting(); z != nil {
		zoneWeights(c, z)
	} else {
		localityWeights(c, lb.GetLocalityLbSetting())
	}
	if passthrough(b.wholeService()) {
		originalDestination(c)
		return
	}
	switch lb.GetSimple() {
	case networking.LoadBalancerSettings_RANDOM:
		c.LbPolicy = clusterv3.Cluster_RANDOM
	case networking.LoadBalancerSettings_ROUND_ROBIN:
		c.LbPolicy = clusterv3.Cluster_ROUND_ROBIN
		if slow := slowStart(lb); slow != nil {
			c.LbConfig = &clusterv3.Cluster_RoundRobinLbConfig_{RoundRobinLbConfig: &clusterv3.Cluster_RoundRobinLbConfig{SlowStartConfig: slow}}
		}
	case networking.LoadBalancerSettings_PASSTHROUGH:
		originalDestination(c)
	default:
		c.LbPolicy = clusterv3.Cluster_LEAST_REQUEST
		if slow := slowStart(lb); slow != nil {
			c.LbConfig = &clusterv3.Cluster_LeastRequestLbConfig_{LeastRequestLbConfig: &clusterv3.Cluster_LeastRequestLbConfig{SlowStartConfig: slow}}
		}
	}
	consistentHash(c, lb.GetConsistentHash())
}

// wholeService is the policy that holds for all endpoints of the service of a
// subset, nil without one. A subset is found as the whole service is.
func (b *clusterBuilder) wholeService() *networking.TrafficPolicy {
	if b.sub.name == "" || b.rule == nil {
		return nil
	}
	return effectivePolicy(b.rule.policy, nil, b.port.number)
}

// byDestination returns the settings that send requests to the address that the
// client connected to, or nil if none do.
func (b *clusterBuilder) byDestination() *networking.LoadBalancerSettings {
	if b.svc.resolution == networking.ServiceEntry_DYNAMIC_DNS {
		return nil // The request names the address.
	}
	for _, p := range []*networking.TrafficPolicy{b.wholeService(), b.policy} {
		if passthrough(p) {
			return p.GetLoadBalancer()
		}
	}
	return nil
}

// balancedAt is where the kind of balancing is written.
func (b *clusterBuilder) balancedAt(lb *networking.LoadBalancerSettings) (*resource.Resource, string) {
	from, path := b.written(func(s settings) bool { return s.GetLoadBalancer() == lb })
	return from, path + ".loadBalancer.simple"
}

// passthrough reports whether a policy sends requests to the address that the
// client connected to.
func passthrough(p *networking.TrafficPolicy) bool {
	return p.GetLoadBalancer().GetSimple() == networking.LoadBalancerSettings_PASSTHROUGH
}

// originalDestination sends requests to the address that the client connected
// to, which at a gateway is its own.
func originalDestination(c *clusterv3.Cluster) {
	c.LbPolicy = clusterv3.Cluster_CLUSTER_PROVIDED
	c.ClusterDiscoveryType = &clusterv3.Cluster_Type{Type: clusterv3.Cluster_ORIGINAL_DST}
	c.LoadAssignment = nil
}

// localityWeights lets the weights of localities count where they are set or
// failover is asked for, which has no effect without outlier detection.
func localityWeights(c *clusterv3.Cluster, in *networking.LocalityLoadBalancerSetting) {
	if in == nil || in.GetEnabled() != nil && !in.GetEnabled().GetValue() {
		return
	}
	failover := c.GetOutlierDetection() != nil && (in.GetFailover() != nil || in.GetFailoverPriority() != nil)
	if failover || in.GetDistribute() != nil {
		c.CommonLbConfig.LocalityConfigSpecifier = &clusterv3.Cluster_CommonLbConfig_LocalityWeightedLbConfig_{
			LocalityWeightedLbConfig: &clusterv3.Cluster_CommonLbConfig_LocalityWeightedLbConfig{},
		}
	}
}

// slowStart gives new hosts less at first; nil without a warm-up.
func slowStart(lb *networking.LoadBalancerSettings) *clusterv3.Cluster_SlowStartConfig {
	w := lb.GetWarmup()
	if w == nil {
		if d := lb.GetWarmupDurationSecs(); d != nil { //nolint:staticcheck // Deprecated, and still in use.
			return &clusterv3.Cluster_SlowStartConfig{SlowStartWindow: d}
		}
		return nil
	}
	out := &clusterv3.Cluster_SlowStartConfig{
		SlowStartWindow: w.GetDuration(),
		// Envoy wants a runtime key; this one, which istiod sends, cannot be set.
		Aggression:       &corev3.RuntimeDouble{DefaultValue: 1, RuntimeKey: "("},
		MinWeightPercent: &typev3.Percent{Value: 10},
	}
	if w.GetAggression() != nil {
		out.Aggression.DefaultValue = w.GetAggression().GetValue()
	}
	if w.GetMinimumPercent() != nil {
		out.MinWeightPercent.Value = w.GetMinimumPercent().GetValue()
	}
	return out
}

// defaultRingSize is Envoy's own, which istiod sends all the same.
const defaultRingSize = 1024

func consistentHash(c *clusterv3.Cluster, in *networking.LoadBalancerSettings_ConsistentHashLB) {
	ring := func(size uint64) {
		c.LbConfig = &clusterv3.Cluster_RingHashLbConfig_{
			RingHashLbConfig: &clusterv3.Cluster_RingHashLbConfig{MinimumRingSize: wrapperspb.UInt64(size)},
		}
	}
	switch {
	case in == nil:
	case in.GetMaglev() != nil:
		c.LbPolicy = clusterv3.Cluster_MAGLEV
		if size := in.GetMaglev().GetTableSize(); size != 0 {
			c.LbConfig = &clusterv3.Cluster_MaglevLbConfig_{MaglevLbConfig: &clusterv3.Cluster_MaglevLbConfig{TableSize: wrapperspb.UInt64(size)}}
		}
	case in.GetRingHash() != nil:
		c.LbPolicy = clusterv3.Cluster_RING_HASH
		if size := in.GetRingHash().GetMinimumRingSize(); size != 0 {
			ring(size)
		}
	default:
		c.LbPolicy = clusterv3.Cluster_RING_HASH
		ring(cmp.Or(in.GetMinimumRingSize(), defaultRingSize)) //nolint:staticcheck // Deprecated, and still in use.
	}
}

// hashPolicy says which part of a request the hash is made of.
func hashPolicy(in *networking.LoadBalancerSettings_ConsistentHashLB) *routev3.RouteAction_HashPolicy {
	switch key := in.GetHashKey().(type) {
	case *networking.LoadBalancerSettings_ConsistentHashLB_HttpHeaderName:
		return &routev3.RouteAction_HashPolicy{PolicySpecifier: &routev3.RouteAction_HashPolicy_Header_{
			Header: &routev3.RouteAction_HashPolicy_Header{HeaderName: key.HttpHeaderName},
		}}
	case *networking.LoadBalancerSettings_ConsistentHashLB_HttpCookie:
		cookie := &routev3.RouteAction_HashPolicy_Cookie{
			Name: key.HttpCookie.GetName(), Ttl: key.HttpCookie.GetTtl(), Path: key.HttpCookie.GetPath(),
		}
		for _, a := range key.HttpCookie.GetAttributes() {
			cookie.Attributes = append(cookie.Attributes, &routev3.RouteAction_HashPolicy_CookieAttribute{Name: a.GetName(), Value: a.GetValue()})
		}
		return &routev3.RouteAction_HashPolicy{PolicySpecifier: &routev3.RouteAction_HashPolicy_Cookie_{Cookie: cookie}}
	case *networking.LoadBalancerSettings_ConsistentHashLB_UseSourceIp:
		return &routev3.RouteAction_HashPolicy{PolicySpecifier: &routev3.RouteAction_HashPolicy_ConnectionProperties_{
			ConnectionProperties: &routev3.RouteAction_HashPolicy_ConnectionProperties{SourceIp: key.UseSourceIp},
		}}
	case *networking.LoadBalancerSettings_ConsistentHashLB_HttpQueryParameterName:
		return &routev3.RouteAction_HashPolicy{PolicySpecifier: &routev3.RouteAction_HashPolicy_QueryParameter_{
			QueryParameter: &routev3.RouteAction_HashPolicy_QueryParameter{Name: key.HttpQueryParameterName},
		}}
	}
	return nil
}

// hash adds to a route how the hash for a destination is made, if its
// DestinationRule balances by one.
func (b *routeBuilder) hash(a *routev3.RouteAction, dst *networking.HTTPRouteDestination) {
	if p := hashPolicy(b.t.hashOf(dst.GetDestination(), b.vs.Namespace)); p != nil {
		a.HashPolicy = append(a.HashPolicy, p)
	}
}

// hashOf returns the hash that balances requests to a destination: of the
// subset's port, the subset, the rule's port, the rule. A port counts where the
// destination names it.
func (t *translator) hashOf(dst *networking.Destination, namespace string) *networking.LoadBalancerSettings_ConsistentHashLB {
	svc := t.services.find(dst.GetHost(), namespace)
	if svc == nil {
		return nil
	}
	r := t.ruleFor(svc.host, svc.Namespace)
	if r == nil {
		return nil
	}
	policies := []*networking.TrafficPolicy{r.policy}
	for _, s := range r.subsets {
		if s.name == dst.GetSubset() {
			policies = []*networking.TrafficPolicy{s.policy, r.policy}
			break
		}
	}
	for i, p := range policies {
		last := i == len(policies)-1
		for _, ps := range p.GetPortLevelSettings() {
			if h := ps.GetLoadBalancer().GetConsistentHash(); h != nil && dst.GetPort() != nil && ps.GetPort().GetNumber() == dst.GetPort().GetNumber() {
				return h
			}
		}
		if h := p.GetLoadBalancer().GetConsistentHash(); h != nil || last {
			return h
		}
	}
	return nil
}
