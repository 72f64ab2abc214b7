package upstream

import (
	"math/rand/v2"
	"slices"

	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
)

// members are the hosts of a cluster at a time, those included that are ejected.
type members struct {
	list  []member
	hosts []*Host // of list
	all   *choice // when nobody is ejected
}

// member is a host of a cluster with what the configuration says of it there.
type member struct {
	host     *Host
	weight   uint32
	priority uint32 // 0 comes first
	endpoint *endpointv3.LbEndpoint
	group    *endpointv3.LocalityLbEndpoints // that endpoint stands in
}

func newMember(h *Host, e *endpointv3.LbEndpoint, group *endpointv3.LocalityLbEndpoints) member {
	return member{h, e.GetLoadBalancingWeight().GetValue(), group.GetPriority(), e, group}
}

// balance is how requests are spread over priorities and hosts.
type balance struct {
	// panicPercent of the hosts of a priority have to be usable, or all of them are
	// used (healthy_panic_threshold).
	panicPercent int
	// overprovision is how many percent of the load the hosts of a priority can
	// take, when all are usable (overprovisioning_factor).
	overprovision int
	// byLocality says that the weights of localities count.
	byLocality bool
}

// newMembers sorts the hosts of a cluster by priority; the order within one stays.
func newMembers(list []member, b balance) *members {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b member) int { return int(a.priority) - int(b.priority) })
	m := &members{list: list}
	for _, e := range list {
		m.hosts = append(m.hosts, e.host)
	}
	m.all = m.choice(b, func(*Host) bool { return true })
	return m
}

// choice is the hosts of a cluster that can be chosen at a time.
type choice struct {
	version uint32
	levels  []level // that get requests
}

// level is the hosts of one priority that can be chosen.
type level struct {
	share    int // of the requests, in percent
	hosts    []*Host
	schedule []uint32
	panic    bool // those included that are not usable
}

// level takes one by its share.
func (c *choice) level() *level {
	switch len(c.levels) {
	case 0:
		return nil
	case 1:
		return &c.levels[0]
	}
	n := rand.IntN(100)
	for i := range c.levels {
		if n -= c.levels[i].share; n < 0 {
			return &c.levels[i]
		}
	}
	return &c.levels[len(c.levels)-1]
}

// priority is the hosts of one priority while the shares are found.
type priority struct {
	members, usable []member
	health, share   int // percent
	panic           bool
}

// choice spreads the requests over the priorities as Envoy does: a priority takes
// what its usable hosts can carry, the next one what is left. When all together
// cannot carry all, a priority with few usable hosts takes all of its hosts for
// usable; when all priorities are so, each gets requests by how many hosts it has.
func (m *members) choice(b balance, usable func(*Host) bool) *choice {
	levels := m.priorities(usable)
	total := 0
	for i := range levels {
		p := &levels[i]
		p.health = min(100, b.overprovision*len(p.usable)/len(p.members))
		total += p.health
	}
	total = min(total, 100)
	left := 100
	for i := range levels {
		if total > 0 {
			levels[i].share = min(left, levels[i].health*100/total)
			left -= levels[i].share
		}
	}
	for i := range levels {
		if levels[i].share > 0 { // what rounding has left over
			levels[i].share += left
			break
		}
	}
	if total < 100 {
		panicking(levels, b.panicPercent, len(m.list))
	}
	out := &choice{}
	for _, p := range levels {
		if p.share > 0 && len(p.usable) > 0 {
			out.levels = append(out.levels, newLevel(p, b))
		}
	}
	return out
}

// priorities groups the hosts.
func (m *members) priorities(usable func(*Host) bool) (out []priority) {
	for i, e := range m.list {
		if i == 0 || e.priority != m.list[i-1].priority {
			out = append(out, priority{})
		}
		p := &out[len(out)-1]
		p.members = append(p.members, e)
		if usable(e.host) {
			p.usable = append(p.usable, e)
		}
	}
	return out
}

// panicking makes all hosts usable where fewer than percent are.
func panicking(levels []priority, percent, hosts int) {
	everywhere := true
	for i := range levels {
		if p := &levels[i]; len(p.usable)*100 < percent*len(p.members) {
			p.usable, p.panic = p.members, true
		} else {
			everywhere = false
		}
	}
	if !everywhere {
		return
	}
	left := 100
	for i := range levels {
		levels[i].share = len(levels[i].members) * 100 / hosts
		left -= levels[i].share
	}
	if len(levels) > 0 {
		levels[0].share += left
	}
}

func newLevel(p priority, b balance) level {
	l := level{share: p.share, panic: p.panic}
	var localities, weights []uint32
	if b.byLocality {
		localities = localityWeights(p, b.overprovision)
	}
	for i, e := range p.usable {
		weight := e.weight
		if localities != nil {
			if weight = localities[i]; weight == 0 {
				continue
			}
		}
		l.hosts = append(l.hosts, e.host)
		weights = append(weights, weight)
	}
	l.schedule = newSchedule(weights)
	return l
}
