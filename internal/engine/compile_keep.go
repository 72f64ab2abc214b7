package engine

import (
	"bytes"
	"maps"
	goruntime "runtime"
	"slices"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/crossgate/crossgate/internal/stats"
)

// A change of a configuration is a change of a few routes, and what is compiled of the
// others stands as it is. What is the same is told by the messages: by their being the
// same ones, which costs nothing, or else by their bytes.

// earlier is what the program that is served has for the next one.
type earlier struct {
	program *Program // nil: none
	// tables are by name; none if what all routes depend on has changed.
	tables map[string]*routeTable
	// clusters tells that all are those of the program, by name and by what they are called.
	clusters bool
	counted  map[*verdictStats]bool // that the new program counts in
}

// takeOver finds out what can be.
func (c *compiler) takeOver() {
	c.earlier.counted = map[*verdictStats]bool{}
	p := c.earlier.program
	if p == nil || !maps.Equal(p.slots, c.slots) || !maps.EqualFunc(p.runtime, c.runtime, sameValue) {
		return
	}
	c.earlier.tables = p.tables
	c.earlier.clusters = c.prog.clusters.Same(p.clusters) && maps.Equal(p.altNames, c.prog.altNames)
}

func sameValue(a, b *structpb.Value) bool { return proto.Equal(a, b) }

// keepTable returns the table of the program that is served if it stands as it is.
func (c *compiler) keepTable(rc *routev3.RouteConfiguration) *routeTable {
	t := c.earlier.tables[rc.GetName()]
	if t == nil || t.source != rc || !t.sound || !c.earlier.clusters {
		return nil
	}
	for _, v := range t.hosts.hosts {
		if !v.sound {
			return nil
		}
		c.count(v.verdicts)
		c.breathe(costOfKept)
	}
	return t
}

// earlierTable returns the table of which parts may stand, and its level; nil if the new
// one says something else of all of its virtual hosts.
func (c *compiler) earlierTable(rc *routev3.RouteConfiguration) *routeTable {
	t := c.earlier.tables[rc.GetName()]
	if t == nil || !equalBut(t.source, rc, "virtual_hosts") {
		return nil
	}
	return t
}

// keptHosts finds the virtual hosts of an earlier table.
type keptHosts struct {
	of     *routeTable // nil: there is none
	now    int         // how many there are now
	byName map[string]int
}

// at returns what the table had for the virtual host that now stands at an index, or nil.
func (k *keptHosts) at(i int, vh *routev3.VirtualHost) *virtualHost {
	if k.of == nil {
		return nil
	}
	list := k.of.source.GetVirtualHosts()
	// Most changes leave the others where they were, from the beginning or from the end.
	for _, j := range [...]int{i, i - k.now + len(list)} {
		if j >= 0 && j < len(list) && (list[j] == vh || list[j].GetName() == vh.GetName()) {
			return k.of.hosts.hosts[j]
		}
	}
	if k.byName == nil {
		k.byName = make(map[string]int, len(list))
		for j, old := range list {
			k.byName[old.GetName()] = j
		}
	}
	if j, ok := k.byName[vh.GetName()]; ok {
		return k.of.hosts.hosts[j]
	}
	return nil
}

// sameNames tells whether the virtual hosts of a route configuration have, one by one,
// the domains that those of the table have.
func (t *routeTable) sameNames(rc *routev3.RouteConfiguration) bool {
	return t != nil && t.sound && slices.EqualFunc(t.source.GetVirtualHosts(), rc.GetVirtualHosts(), func(a, b *routev3.VirtualHost) bool {
		return a == b || slices.Equal(a.GetDomains(), b.GetDomains())
	})
}

// keepHost returns a virtual host that says what it did: as it is, or with the clusters
// of the day; nil if it has to be compiled.
func (c *compiler) keepHost(v *virtualHost, vh *routev3.VirtualHost) *virtualHost {
	if v == nil || !v.sound || !c.sameHost(v.source, vh) {
		return nil
	}
	if !c.earlier.clusters {
		v = c.rebindHost(v)
	}
	if v.source != vh {
		// The next comparison is with this message, and that one can go.
		n := *v
		n.source = vh
		v = &n
	}
	c.count(v.verdicts)
	return v
}

// sameHost tells whether two messages say the same. Of those with many routes that is
// found out by route.
func (c *compiler) sameHost(a, b *routev3.VirtualHost) bool {
	return a == b || len(a.GetRoutes()) == len(b.GetRoutes()) && len(a.GetRoutes()) <= 16 && c.equal(a, b)
}

// equal compares messages by their bytes, which is several times faster than field by
// field. Where it fails to, they are not equal.
func (c *compiler) equal(a, b proto.Message) bool {
	c.breathe(costOfCompared)
	o := proto.MarshalOptions{Deterministic: true}
	var errA, errB error
	c.bytes[0], errA = o.MarshalAppend(c.bytes[0][:0], a)
	c.bytes[1], errB = o.MarshalAppend(c.bytes[1][:0], b)
	return errA == nil && errB == nil && bytes.Equal(c.bytes[0], c.bytes[1])
}

// stands tells whether the clusters of a route are what they were.
func (c *compiler) stands(r *route) bool {
	if c.earlier.clusters {
		return true
	}
	for _, t := range r.targets {
		if c.prog.clusters.Cluster(t.name) != t.cluster || c.prog.altNames[t.name] != t.altName {
			return false
		}
	}
	for _, m := range r.mirrors {
		if c.prog.clusters.Cluster(m.target.name) != m.target.cluster {
			return false
		}
	}
	return r.verdict == nil || c.prog.clusters.Cluster(r.verdict.clusterName) == r.verdict.cluster
}

// rebind returns a route that goes to the clusters of the day; r if it does.
func (c *compiler) rebind(r *route) *route {
	if c.stands(r) {
		return r
	}
	out := *r
	out.targets, out.mirrors = slices.Clone(r.targets), slices.Clone(r.mirrors)
	for i, t := range r.targets {
		n := *t
		n.cluster, n.altName, n.metrics = c.prog.clusters.Cluster(t.name), c.prog.altNames[t.name], &requestMetrics{}
		out.targets[i] = &n
	}
	for i, m := range r.mirrors {
		n, t := *m, *m.target
		t.cluster = c.prog.clusters.Cluster(t.name)
		n.target = &t
		out.mirrors[i] = &n
	}
	if v := r.verdict; v != nil {
		out.verdict = &verdict{
			reason: v.reason, policy: v.policy, position: v.position, stats: v.stats, scope: v.scope,
			clusterName: v.clusterName, cluster: c.prog.clusters.Cluster(v.clusterName),
		}
	}
	return &out
}

// rebindHost does it with all routes of a virtual host: the lists stay what they are, but
// for the routes in them.
func (c *compiler) rebindHost(v *virtualHost) *virtualHost {
	if !slices.ContainsFunc(v.routes.entries, func(e listedRoute) bool { return !c.stands(e.route) }) {
		return v
	}
	out := *v
	out.routes, out.verdicts = v.routes.copied(), nil
	out.others = out.routes
	if v.others != v.routes {
		out.others = v.others.copied()
	}
	counted := map[*verdictStats]bool{}
	other := 0
	for i := range out.routes.entries {
		old := v.routes.entries[i].route
		r := c.rebind(old)
		out.routes.entries[i].route = r
		if other < len(out.others.entries) && v.others.entries[other].route == old {
			out.others.entries[other].route = r
			other++
		}
		out.add(r, counted)
		c.breathe(costOfRebound)
	}
	return &out
}

// count makes the program count what verdicts that stand count.
func (c *compiler) count(list []*verdict) {
	for _, v := range list {
		if !c.earlier.counted[v.stats] {
			stats.Use[verdictStats](c.prog.counted, v.scope)
			c.earlier.counted[v.stats] = true
		}
	}
}

// keptRoutes are the routes that an earlier version of a virtual host has for a new one.
type keptRoutes struct {
	c    *compiler
	of   *virtualHost // nil: none
	list []*routev3.Route
	// from and tail are how many at the beginning and at the end are the same messages.
	from, tail int
	// whole tells that all of the earlier ones stand, and have no verdict.
	whole bool
}

func (c *compiler) keepRoutes(of *virtualHost, list []*routev3.Route) keptRoutes {
	k := keptRoutes{c: c, of: of, list: list}
	if of == nil {
		return k
	}
	old := of.source.GetRoutes()
	k.from, k.tail = sameEnds(old, list)
	k.whole = of.sound && c.earlier.clusters && len(of.verdicts) == 0
	return k
}

// sameEnds returns how many elements are the same at the beginnings and at the ends of
// two lists; none counts for both.
func sameEnds[T comparable](a, b []T) (from, tail int) {
	shorter := min(len(a), len(b))
	for from < shorter && a[from] == b[from] {
		from++
	}
	for tail < shorter-from && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	return from, tail
}

// at returns the earlier route for the one at an index, or nil.
func (k *keptRoutes) at(i int) *route {
	if k.of == nil {
		return nil
	}
	old, entries := k.of.source.GetRoutes(), k.of.routes.entries
	fromEnd := i - len(k.list) + len(old)
	switch {
	case i < k.from:
		return entries[i].route
	case i >= len(k.list)-k.tail:
		return entries[fromEnd].route
	}
	for _, j := range [...]int{i, fromEnd} {
		if j >= 0 && j < len(old) && k.c.equal(old[j], k.list[i]) {
			return entries[j].route
		}
	}
	return nil
}

// equalBut compares two messages of one kind, but for some fields.
func equalBut(a, b proto.Message, names ...protoreflect.Name) bool {
	x, y := a.ProtoReflect(), b.ProtoReflect()
	fields := x.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		if slices.Contains(names, fd.Name()) {
			continue
		}
		if x.Has(fd) != y.Has(fd) || !x.Get(fd).Equal(y.Get(fd)) {
			return false
		}
	}
	return true
}

// What the steps of a compilation cost, in units of about 10 nanoseconds.
const (
	costOfKept     = 1
	costOfName     = 20
	costOfRebound  = 50
	costOfCompared = 100
	costOfMade     = 400
	// breath is how much is done before others have their turn.
	breath = 20_000
)

// breathe lets requests go on from time to time: on one core they would wait for all of a
// large table, or for as long as the scheduler lets a goroutine run.
func (c *compiler) breathe(cost int) {
	if c.spent += cost; c.spent >= breath {
		c.spent = 0
		goruntime.Gosched()
	}
}
