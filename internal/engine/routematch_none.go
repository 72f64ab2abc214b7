package engine

// noneMatch is several inverted conditions on one header, "none of these values",
// as one look-up: a policy may name thousands of origins, and the routes that refuse
// all others would else look at each.
type noneMatch struct {
	name         string
	missingEmpty bool
	values       []stringMatch
	set          originMatch // of the values
}

// addHeader adds a condition, to those on the same header if it is of their kind.
func (m *routeMatch) addHeader(h headerMatch) {
	if h.name == ":method" && h.value != nil && !h.invert && h.value.kind == matchExact && !h.value.fold && string(h.value.pattern) == "OPTIONS" {
		m.onlyOptions = true
	}
	if !h.invert || h.value == nil || h.name[0] == ':' {
		m.headers = append(m.headers, h)
		return
	}
	for i := range m.none {
		if n := &m.none[i]; n.name == h.name && n.missingEmpty == h.missingEmpty {
			n.values = append(n.values, *h.value)
			return
		}
	}
	m.none = append(m.none, noneMatch{name: h.name, missingEmpty: h.missingEmpty, values: []stringMatch{*h.value}})
}

// seal is called when all conditions have been added.
func (m *routeMatch) seal() {
	for i := range m.none {
		n := &m.none[i]
		n.set, n.values = newOriginMatch(n.values), nil
	}
}

// matches follows headerMatch: an inverted condition is about all lines of the
// header, and a missing header meets it only where it counts as empty.
func (n *noneMatch) matches(s *stream) bool {
	found := false
	for i := range s.req.Headers.Fields {
		f := &s.req.Headers.Fields[i]
		if string(f.Name) != n.name {
			continue
		}
		found = true
		if n.set.has(f.Value) {
			return false
		}
	}
	return found || n.missingEmpty && !n.set.has(nil)
}
