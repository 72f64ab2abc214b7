package engine

import (
	"fmt"

	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
)

// originMatch is the origins of a policy. Exact ones are looked up at once, the
// others are tried in turn.
type originMatch struct {
	// all is set when a matcher matches the one character "*": Envoy then
	// allows every origin, whatever the matcher was meant to say.
	all   bool
	exact map[string]struct{}
	rest  []stringMatch
}

func compileOrigins(list []*matcherv3.StringMatcher) (originMatch, error) {
	var m originMatch
	for i, sm := range list {
		c, err := compileString(sm)
		if err != nil {
			return m, fmt.Errorf("allow_origin_string_match[%d]: %w", i, err)
		}
		m.all = m.all || c.match([]byte("*"))
		m.add(c)
	}
	return m, nil
}

func (m *originMatch) add(c stringMatch) {
	if c.kind != matchExact || c.fold {
		m.rest = append(m.rest, c)
		return
	}
	if m.exact == nil {
		m.exact = map[string]struct{}{}
	}
	m.exact[string(c.pattern)] = struct{}{}
}

func (m *originMatch) match(origin []byte) bool {
	return m.all || m.has(origin)
}

// has reports whether a matcher matches, taken at its word.
func (m *originMatch) has(origin []byte) bool {
	if _, ok := m.exact[string(origin)]; ok {
		return true
	}
	for i := range m.rest {
		if m.rest[i].match(origin) {
			return true
		}
	}
	return false
}
