package resource

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"
)

func (v *validator) loadBalancer(lb *networking.LoadBalancerSettings, path string) {
	if lb == nil {
		return
	}
	v.consistentHash(lb.GetConsistentHash(), path+".consistentHash")
	if lb.LocalityLbSetting != nil && lb.ZoneAwareLbSetting != nil {
		v.errorf(path+".zoneAwareLbSetting", "a load balancer has localityLbSetting or zoneAwareLbSetting, not both")
	}
	v.locality(lb.LocalityLbSetting, path+".localityLbSetting")
	v.zoneAware(lb.ZoneAwareLbSetting, path+".zoneAwareLbSetting")
	if w := lb.Warmup; w != nil {
		v.needsDuration(w.Duration, path+".warmup.duration")
		if w.MinimumPercent.GetValue() > 100 {
			v.errorf(path+".warmup.minimumPercent", "the percentage %v is above 100", w.MinimumPercent.GetValue())
		}
		if w.Aggression != nil && w.Aggression.GetValue() <= 0 {
			v.errorf(path+".warmup.aggression", "the aggression %v is not above 0", w.Aggression.GetValue())
		}
	}
}

func (v *validator) consistentHash(h *networking.LoadBalancerSettings_ConsistentHashLB, path string) {
	if h == nil {
		return
	}
	if c := h.GetHttpCookie(); c != nil {
		v.hashCookie(c, path+".httpCookie")
	}
	//nolint:staticcheck // deprecated, and still in people's files
	if h.MinimumRingSize != 0 && h.GetHashAlgorithm() != nil {
		v.errorf(path+".minimumRingSize", "minimumRingSize is the old form of ringHash and cannot be together with ringHash or maglev")
	}
	if m := h.GetMaglev(); m != nil {
		v.check(path+".maglev.tableSize", tableSize(m.TableSize))
	}
}

func (v *validator) hashCookie(c *networking.LoadBalancerSettings_ConsistentHashLB_HTTPCookie, path string) {
	if c.Name == "" {
		v.errorf(path+".name", "a cookie needs a name")
	}
	names := make(map[string]bool)
	for i, a := range c.Attributes {
		p := at(path+".attributes", i) + ".name"
		switch {
		case a.GetName() == "":
			v.errorf(p, "an attribute of a cookie needs a name")
		case names[a.GetName()]:
			v.errorf(p, "the attribute %s is given twice", quote(a.GetName()))
		}
		names[a.GetName()] = true
	}
}

// tableSize checks the size of a Maglev table, which Envoy bounds and wants to be
// a prime number.
func tableSize(n uint64) error {
	const most = 5000011
	switch {
	case n == 0:
		return errors.New("maglev needs a tableSize")
	case n >= most:
		return fmt.Errorf("the table size %d is not below %d", n, most)
	case !isPrime(n):
		return fmt.Errorf("the table size %d is not a prime number", n)
	}
	return nil
}

// isPrime takes 1 for one, as Envoy does (Primes::isPrime).
func isPrime(n uint64) bool {
	for i := uint64(2); i*i <= n; i++ {
		if n%i == 0 {
			return false
		}
	}
	return n > 0
}

func (v *validator) locality(l *networking.LocalityLoadBalancerSetting, path string) {
	switch {
	case l == nil:
		return
	case len(l.Distribute) > 0 && len(l.Failover) > 0:
		v.errorf(path+".failover", "a locality setting has distribute or failover, not both")
		return
	case len(l.Failover) > 0:
		if i := slices.IndexFunc(l.FailoverPriority, isTopologyLabel); i >= 0 {
			v.errorf(at(path+".failoverPriority", i), "failover cannot be together with the label %s in failoverPriority", l.FailoverPriority[i])
			return
		}
	}
	var from localities
	for i, d := range l.Distribute {
		p := at(path+".distribute", i)
		v.check(p+".from", from.add(d.GetFrom()))
		v.distribution(d.GetTo(), p+".to")
	}
	for i, f := range l.Failover {
		v.failover(f, at(path+".failover", i))
	}
}

// distribution checks the shares of localities.
func (v *validator) distribution(to map[string]uint32, path string) {
	total, seen := uint64(0), localities{}
	for _, name := range slices.Sorted(maps.Keys(to)) {
		if share := to[name]; share < 1 || share > 100 {
			v.errorf(join(path, name), "the weight %d of a locality is not in 1..100", share)
		}
		total += uint64(to[name])
		v.check(join(path, name), seen.add(name))
	}
	if total != 100 {
		v.errorf(path, "the weights of the localities add up to %d, not to 100", total)
	}
}

func (v *validator) zoneAware(z *networking.ZoneAwareLoadBalancerSetting, path string) {
	for i, name := range z.GetFailoverPriority() {
		if isTopologyLabel(name) {
			v.errorf(at(path+".failoverPriority", i), "%s is what a zone-aware load balancer goes by without being told", name)
		}
	}
	for i, f := range z.GetFailover() {
		v.failover(f, at(path+".failover", i))
	}
}

func (v *validator) failover(f interface {
	GetFrom() string
	GetTo() string
}, path string,
) {
	switch {
	case f.GetFrom() == f.GetTo():
		v.errorf(path, "a failover leads from one region to another")
	case strings.Contains(f.GetFrom()+f.GetTo(), "/"):
		v.errorf(path, "a failover names regions only, without zones")
	case strings.Contains(f.GetFrom()+f.GetTo(), "*"):
		v.errorf(path, "the regions of a failover cannot have wildcards")
	}
}

func isTopologyLabel(name string) bool {
	switch name {
	case "topology.kubernetes.io/region", "topology.kubernetes.io/zone", "topology.istio.io/subzone":
		return true
	}
	return false
}

// localities are the places that a list names: region/zone/sub-zone, of which
// what is behind may be left out or be a wildcard.
type localities struct{ places []string }

// add checks a locality against those before it. One with a wildcard may come
// after the parts of it that are named: it is for the others.
func (l *localities) add(name string) error {
	if n := strings.Count(name, "*"); n > 1 || n == 1 && !strings.HasSuffix(name, "*") {
		return fmt.Errorf("%s: the wildcard of a locality stands at its end", quote(name))
	}
	if slices.Contains(strings.SplitN(name, "/", 3), "") {
		return fmt.Errorf("%s has an empty region, zone or sub-zone", quote(name))
	}
	for _, other := range l.places {
		if within(name, other) || !strings.HasSuffix(name, "*") && within(other, name) {
			return fmt.Errorf("the locality %s overlaps with %s", quote(name), quote(other))
		}
	}
	l.places = append(l.places, name)
	return nil
}

// within reports whether a locality is part of another one.
func within(name, other string) bool {
	if other == "*" {
		return true
	}
	other = strings.TrimSuffix(other, "/*")
	return name == other || strings.HasPrefix(name, other+"/")
}
