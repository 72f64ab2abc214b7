package engine

import (
	"bytes"
	"regexp"
	"slices"
)

// routeList is routes in the order in which they are asked: the first one whose
// conditions all hold has the request. Routes that ask the same of the path stand in
// one chain, in their order, and a request asks the routes of those chains alone that
// its path can be for. So their number does not matter to it.
type routeList struct {
	entries []listedRoute
	loose   int32      // the first of the routes that no index finds
	index   *pathIndex // nil: all are loose
}

// listedRoute is a route in its chain. Neighbours often ask the same first, as the
// refusals in front of a route with a policy do; a request answers that once.
type listedRoute struct {
	route *route
	// shared is how many of the leading conditions are those of the route before.
	shared int32
	next   int32 // where the next of the chain is
}

// indexFrom is from how many routes on they are not asked one after the other.
const indexFrom = 16

func newRouteList(routes []*route) *routeList {
	l := &routeList{entries: make([]listedRoute, len(routes)), loose: chainEnd}
	if len(routes) >= indexFrom {
		l.index = newPathIndex(len(routes) + mostChanges)
	}
	for i, r := range slices.Backward(routes) {
		first := l.join(&r.match)
		l.entries[i] = listedRoute{route: r, next: *first}
		l.relate(*first, int32(i))
		*first = int32(i)
	}
	return l
}

// join is the beginning of the chain that a route with the match will stand in.
func (l *routeList) join(m *routeMatch) *int32 {
	if l.index == nil || !m.indexed() {
		return &l.loose
	}
	return l.index.join(m.path, m.kind == pathExact)
}

// indexed tells whether the path of a request says where to look for the route.
func (m *routeMatch) indexed() bool { return m.kind != pathRegex && m.kind != pathTemplate }

// maxCursors is how many chains are gone through side by side.
const maxCursors = 16

// cursor is a place in a chain.
type cursor struct {
	at   int32
	held int32 // leading conditions that hold, of the route that was asked last
}

// find returns the first route that matches, or nil.
func (l *routeList) find(s *stream) *route {
	var buf [maxCursors]cursor
	cursors := buf[:0]
	if l.loose != chainEnd {
		cursors = append(cursors, cursor{at: l.loose})
	}
	if l.index == nil {
		return l.at(l.search(s, cursors))
	}
	p := l.index.probe(s.pathOnly())
	for p.next() {
		if len(cursors) == maxCursors {
			break
		}
		cursors = append(cursors, cursor{at: p.first})
	}
	found := l.search(s, cursors)
	// Paths with more prefixes than that are rare: their chains come one by one.
	for len(cursors) == maxCursors && p.first != chainEnd {
		found = l.walk(s, &cursor{at: p.first}, found)
		p.next()
	}
	return l.at(found)
}

func (l *routeList) at(i int32) *route {
	if i == chainEnd {
		return nil
	}
	return l.entries[i].route
}

// search asks the routes of chains in their order, and returns where the first is that
// matches.
func (l *routeList) search(s *stream, cursors []cursor) int32 {
	for {
		first, bound := -1, int32(chainEnd)
		for i := range cursors {
			switch {
			case first < 0:
				first = i
			case cursors[i].at < cursors[first].at:
				first, bound = i, cursors[first].at
			default:
				bound = min(bound, cursors[i].at)
			}
		}
		if first < 0 || cursors[first].at == chainEnd {
			return chainEnd
		}
		if found := l.walk(s, &cursors[first], bound); found != bound {
			return found
		}
	}
}

// walk asks the routes of a chain that stand before bound, and returns where the first
// is that matches, or bound.
func (l *routeList) walk(s *stream, c *cursor, bound int32) int32 {
	for c.at < bound {
		e := &l.entries[c.at]
		// What the last one failed on may be a condition of this one, too.
		if c.held >= e.shared {
			m := &e.route.match
			held := m.leading(s, int(e.shared))
			if held == m.leads() && m.rest(s) {
				return c.at
			}
			c.held = int32(held)
		}
		c.at = e.next
	}
	return bound
}

// leads is the number of leading conditions: the path, and what is asked of headers one
// by one.
func (m *routeMatch) leads() int { return 1 + len(m.headers) }

// leading returns how many leading conditions hold before the first that does not, where
// the first known ones are known to hold.
func (m *routeMatch) leading(s *stream, known int) int {
	if known == 0 {
		if !m.matchesPath(s.pathOnly()) {
			return 0
		}
		known = 1
	}
	for known < m.leads() && m.headers[known-1].matches(s) {
		known++
	}
	return known
}

// shares returns how many leading conditions are those of another match.
func (m *routeMatch) shares(o *routeMatch) int {
	if m.kind != o.kind || m.fold != o.fold || !bytes.Equal(m.path, o.path) || !sameRegex(m.re, o.re) {
		return 0
	}
	n := 1
	for n < min(m.leads(), o.leads()) && m.headers[n-1].same(&o.headers[n-1]) {
		n++
	}
	return n
}

func (m *headerMatch) same(o *headerMatch) bool {
	a, b := *m, *o
	a.value, b.value = nil, nil
	return a == b && (m.value == o.value || m.value != nil && o.value != nil && m.value.same(o.value))
}

// same goes by the text of a regex: all else of one is made of that.
func (s *stringMatch) same(o *stringMatch) bool {
	return s.kind == o.kind && s.fold == o.fold && bytes.Equal(s.pattern, o.pattern) && sameRegex(s.re, o.re)
}

func sameRegex(a, b *regexp.Regexp) bool {
	return a == b || a != nil && b != nil && a.String() == b.String()
}
