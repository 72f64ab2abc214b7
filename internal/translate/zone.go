package translate

import (
	"maps"
	"math"
	"slices"
	"strings"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"
	networking "istio.io/api/networking/v1alpha3"
)

// zoneAware reports whether a zone-aware setting is in force; without a word it is.
func zoneAware(in *networking.ZoneAwareLoadBalancerSetting) bool {
	return in.GetEnabled() == nil || in.GetEnabled().GetValue()
}

// zoneWeights lets Envoy keep requests in its own zone, or forbids it
// (ZoneAwareLBSettings of istiod's pilot/pkg/networking/core/loadbalancer).
func zoneWeights(c *clusterv3.Cluster, in *networking.ZoneAwareLoadBalancerSetting) {
	config := &clusterv3.Cluster_CommonLbConfig_ZoneAwareLbConfig{}
	if in.GetMinClusterSize() != nil {
		config.MinClusterSize = wrapperspb.UInt64(uint64(in.GetMinClusterSize().GetValue()))
	}
	if !zoneAware(in) {
		config.RoutingEnabled = &typev3.Percent{}
	}
	c.CommonLbConfig.LocalityConfigSpecifier = &clusterv3.Cluster_CommonLbConfig_ZoneAwareLbConfig_{ZoneAwareLbConfig: config}
}

// byRegion lets endpoints of other regions wait until those of the gateway's own
// fail: first the region to which its own fails over, then all others. The node has
// no region, so that endpoints without one are nearest.
func byRegion(groups []*endpointv3.LocalityLbEndpoints, in *networking.ZoneAwareLoadBalancerSetting) {
	const own, next, others = 0, 1, 2
	to, known := "", false
	for _, f := range in.GetFailover() {
		if f.GetFrom() == "" {
			to, known = f.GetTo(), true
			break
		}
	}
	var used []uint32
	for _, g := range groups {
		switch region := g.GetLocality().GetRegion(); {
		case region == "":
			g.Priority = own
		case known && region == to:
			g.Priority = next
		default:
			g.Priority = others
		}
		used = append(used, g.Priority)
	}
	slices.Sort(used)
	used = slices.Compact(used)
	for _, g := range groups {
		g.Priority = uint32(slices.Index(used, g.GetPriority()))
	}
}

// distribute gives localities the shares of the first rule that is for the place
// of the gateway, which is none; localities without a share get no requests. The
// places of a share divide it by their weights (applyLocalityWeights of istiod's
// pilot/pkg/networking/core/loadbalancer).
func distribute(groups []*endpointv3.LocalityLbEndpoints, in []*networking.LocalityLoadBalancerSetting_Distribute) {
	i := slices.IndexFunc(in, func(d *networking.LocalityLoadBalancerSetting_Distribute) bool { return covers(d.GetFrom(), nil) })
	if i < 0 {
		return
	}
	left := slices.Clone(groups)
	// The narrower first, where istiod has no order.
	for _, place := range slices.Backward(slices.Sorted(maps.Keys(in[i].GetTo()))) {
		var taken, rest []*endpointv3.LocalityLbEndpoints
		total := 0.0
		for _, g := range left {
			if covers(place, g.GetLocality()) {
				taken = append(taken, g)
				total += float64(g.GetLoadBalancingWeight().GetValue())
			} else {
				rest = append(rest, g)
			}
		}
		for _, g := range taken {
			if w := float64(g.GetLoadBalancingWeight().GetValue()) * float64(in[i].GetTo()[place]) / total; w > 0 {
				g.LoadBalancingWeight = wrapperspb.UInt32(uint32(math.Ceil(w)))
			}
		}
		left = rest
	}
	for _, g := range left {
		g.LbEndpoints = nil
	}
}

// covers reports whether a locality of a rule, region/zone/sub-zone with wildcards
// and ends left out, is that of a workload or contains it.
func covers(rule string, l *corev3.Locality) bool {
	parts := strings.SplitN(rule, "/", 3)
	for i, have := range []string{l.GetRegion(), l.GetZone(), l.GetSubZone()} {
		if i < len(parts) && parts[i] != "*" && parts[i] != have && (i == 0 || parts[i] != "") {
			return false
		}
	}
	return true
}
