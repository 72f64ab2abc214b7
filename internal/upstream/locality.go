package upstream

import endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"

// localityScale is how fine the weights of hosts are once those of localities are in
// them.
const localityScale = 1000

// localityWeights are the weights of the usable hosts of a priority when those of
// localities count (locality_weighted_lb_config): a locality gets its weight, less when
// fewer of its hosts are usable than can carry the load of all, and its hosts share
// that by their own. A locality without a weight gets no requests, unless none has
// one: then localities do not count, and the weights are nil.
func localityWeights(p priority, overprovision int) []uint32 {
	type locality struct {
		all, usable int
		weights     uint64 // of the usable hosts
	}
	localities := map[*endpointv3.LocalityLbEndpoints]*locality{}
	for _, e := range p.members {
		if localities[e.group] == nil {
			localities[e.group] = &locality{}
		}
		localities[e.group].all++
	}
	for _, e := range p.usable {
		l := localities[e.group]
		l.usable++
		l.weights += uint64(max(e.weight, 1))
	}
	shares := make([]float64, len(p.usable))
	most := 0.0
	for i, e := range p.usable {
		l := localities[e.group]
		available := min(1, float64(overprovision)/100*float64(l.usable)/float64(l.all))
		shares[i] = available * float64(e.group.GetLoadBalancingWeight().GetValue()) * float64(max(e.weight, 1)) / float64(l.weights)
		most = max(most, shares[i])
	}
	if most == 0 {
		return nil
	}
	out := make([]uint32, len(shares))
	for i, s := range shares {
		if s > 0 {
			out[i] = max(1, uint32(s/most*localityScale))
		}
	}
	return out
}
