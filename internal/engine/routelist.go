package engine

import (
	"bytes"
	"regexp"
)

// routeList is routes in the order in which they are asked. Neighbours often ask the
// same first, as the refusals in front of a route with a policy do; a request answers
// that once.
type routeList []listedRoute

type listedRoute struct {
	route *route
	// shared is how many of the leading conditions are those of the route before.
	shared int
}

func (l *routeList) add(r *route) {
	e := listedRoute{route: r}
	if n := len(*l); n > 0 {
		e.shared = r.match.shares(&(*l)[n-1].route.match)
	}
	*l = append(*l, e)
}

// find returns the first route that matches, or nil.
func (l routeList) find(s *stream) *route {
	held := 0 // leading conditions that hold, of the route that was asked last
	for i := range l {
		e := &l[i]
		if held < e.shared {
			continue // What the last one failed on is a condition of this one, too.
		}
		m := &e.route.match
		if held = m.leading(s, e.shared); held == m.leads() && m.rest(s) {
			return e.route
		}
	}
	return nil
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
