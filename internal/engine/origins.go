package engine

import (
	"fmt"
	"slices"

	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
)

// originMatch is the origins of a policy, or other values of a header. Exact ones are
// looked up at once, patterns by the text that they end or begin with. What is left is
// tried in turn, and what came of many trials is remembered: so neither the number of
// patterns nor their shapes matter to the requests of the same few origins.
type originMatch struct {
	// all is set when a matcher matches the one character "*": Envoy then
	// allows every origin, whatever the matcher was meant to say.
	all    bool
	exact  map[string]struct{}
	filed  []filedPattern
	tails  affixIndex // of filed, by their ends
	heads  affixIndex // and by their beginnings
	rest   int32      // the first of filed that has neither
	recent *recentOrigins
}

// filedPattern is a pattern in the chain of those with the same literal end or beginning.
type filedPattern struct {
	stringMatch
	next int32
}

func compileOrigins(list []*matcherv3.StringMatcher) (originMatch, error) {
	patterns := make([]stringMatch, 0, len(list))
	all := false
	for i, sm := range list {
		c, err := compileString(sm)
		if err != nil {
			return originMatch{}, fmt.Errorf("allow_origin_string_match[%d]: %w", i, err)
		}
		all = all || c.match([]byte("*"))
		patterns = append(patterns, c)
	}
	m := newOriginMatch(patterns)
	m.all = all
	return m, nil
}

func newOriginMatch(list []stringMatch) originMatch {
	m := originMatch{rest: chainEnd}
	var ends []patternEnds
	heads, tails := map[string]int{}, map[string]int{}
	for _, c := range list {
		if c.kind == matchExact && !c.fold {
			if m.exact == nil {
				m.exact = make(map[string]struct{}, len(list))
			}
			m.exact[string(c.pattern)] = struct{}{}
			continue
		}
		e := c.ends()
		m.filed, ends = append(m.filed, filedPattern{stringMatch: c}), append(ends, e)
		heads[e.head]++
		tails[e.tail]++
	}
	m.tails.chains, m.heads.chains = newHashTable(len(m.filed)), newHashTable(len(m.filed))
	// Each is filed under what fewer others have, too: many begin with https:// only.
	for i, e := range slices.Backward(ends) {
		first := &m.rest
		switch {
		case e.tail != "" && (e.head == "" || tails[e.tail] <= heads[e.head]):
			first = m.tails.join(reversed(e.tail))
		case e.head != "":
			first = m.heads.join([]byte(e.head))
		}
		m.filed[i].next = *first
		*first = int32(i)
	}
	if len(m.filed) > patience {
		m.recent = newRecentOrigins()
	}
	return m
}

func (m *originMatch) match(origin []byte) bool {
	return m.all || m.has(origin)
}

// patience is after how many trials the verdict on an origin is looked for among those
// that are remembered.
const patience = 4

// has reports whether a matcher matches, taken at its word.
func (m *originMatch) has(origin []byte) bool {
	if _, ok := m.exact[string(origin)]; ok {
		return true
	}
	if len(m.filed) == 0 {
		return false
	}
	t := trial{m: m, origin: origin}
	t.run()
	if t.tried > patience && !t.remembered {
		m.recent.keep(origin, t.matched)
	}
	return t.matched
}

// trial is how the verdict on one origin is come to.
type trial struct {
	m      *originMatch
	origin []byte

	tried      int
	matched    bool
	remembered bool // the verdict is an old one
}

func (t *trial) run() {
	p := t.m.tails.probe(t.origin)
	p.backward = true
	for p.next() {
		if t.chain(p.first) {
			return
		}
	}
	p = t.m.heads.probe(t.origin)
	for p.next() {
		if t.chain(p.first) {
			return
		}
	}
	t.chain(t.m.rest)
}

// chain tries the patterns of a chain, and reports whether that settles it.
func (t *trial) chain(i int32) bool {
	for ; i != chainEnd; i = t.m.filed[i].next {
		if t.tried++; t.tried == patience+1 {
			if t.matched, t.remembered = t.m.recent.find(t.origin); t.remembered {
				return true
			}
		}
		if t.m.filed[i].match(t.origin) {
			t.matched = true
			return true
		}
	}
	return false
}

func reversed(s string) []byte {
	b := []byte(s)
	slices.Reverse(b)
	return b
}
