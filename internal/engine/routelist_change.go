package engine

import "slices"

// mostChanges is how many routes a list may differ in from an earlier one to be made of
// that: each costs a walk along its chain.
const mostChanges = 64

// with is the list of other routes. Where few of them are not l's, as after most changes
// of a configuration, the rest of l is copied as it is.
func (l *routeList) with(routes []*route) *routeList {
	if l == nil || l.index == nil {
		return newRouteList(routes)
	}
	from, tail := l.sameEnds(routes)
	gone, come := len(l.entries)-tail-from, len(routes)-tail-from
	switch {
	case gone+come == 0:
		return l
	case gone+come > mostChanges || len(routes) < indexFrom || !l.index.chains.hasRoom(come):
		return newRouteList(routes)
	}
	next := l.clone()
	for i := from; i < from+gone; i++ {
		next.unlink(int32(i))
	}
	next.move(int32(from+gone), int32(come-gone))
	fresh := make([]listedRoute, come)
	for i := range fresh {
		fresh[i].route = routes[from+i]
	}
	next.entries = slices.Replace(next.entries, from, from+gone, fresh...)
	for i := from; i < from+come; i++ {
		next.link(int32(i))
	}
	return next
}

// copied is the list with entries of its own: other routes of the same matches can be put
// in the places of those.
func (l *routeList) copied() *routeList {
	next := *l
	next.entries = slices.Clone(l.entries)
	return &next
}

// sameEnds is sameEnds for what the entries are of.
func (l *routeList) sameEnds(routes []*route) (from, tail int) {
	shorter := min(len(routes), len(l.entries))
	for from < shorter && routes[from] == l.entries[from].route {
		from++
	}
	for tail < shorter-from && routes[len(routes)-1-tail] == l.entries[len(l.entries)-1-tail].route {
		tail++
	}
	return from, tail
}

func (l *routeList) clone() *routeList {
	x := *l.index
	x.chains.slots, x.lengths = slices.Clone(x.chains.slots), slices.Clone(x.lengths)
	entries := make([]listedRoute, len(l.entries), len(l.entries)+mostChanges)
	copy(entries, l.entries)
	return &routeList{entries: entries, loose: l.loose, index: &x}
}

// unlink takes a route out of its chain.
func (l *routeList) unlink(i int32) {
	e := &l.entries[i]
	m := &e.route.match
	first := &l.loose
	if m.indexed() {
		first = l.index.leave(m.path, m.kind == pathExact)
	}
	link, before := l.seek(first, i)
	*link = e.next
	l.relate(e.next, before)
}

// link puts a route into its chain.
func (l *routeList) link(i int32) {
	e := &l.entries[i]
	link, before := l.seek(l.join(&e.route.match), i)
	e.next, *link = *link, i
	l.relate(i, before)
	l.relate(e.next, i)
}

// seek returns the link of a chain that leads, or would lead, to the route at i, and
// where the route before that is; chainEnd if there is none. first is the link to the
// chain.
func (l *routeList) seek(first *int32, i int32) (link *int32, before int32) {
	link, before = first, chainEnd
	for *link < i {
		before = *link
		link = &l.entries[before].next
	}
	return link, before
}

// relate notes what a route has in common with the one before it in its chain.
func (l *routeList) relate(i, before int32) {
	if i == chainEnd {
		return
	}
	e := &l.entries[i]
	e.shared = 0
	if before != chainEnd {
		e.shared = int32(e.route.match.shares(&l.entries[before].route.match))
	}
}

// move makes the links to the routes from an index on lead to where these will be.
func (l *routeList) move(from, by int32) {
	if by == 0 {
		return
	}
	to := func(link *int32) {
		if *link >= from && *link != chainEnd {
			*link += by
		}
	}
	to(&l.loose)
	for i := range l.entries {
		to(&l.entries[i].next)
	}
	for i := range l.index.chains.slots {
		to(&l.index.chains.slots[i].first)
	}
}
