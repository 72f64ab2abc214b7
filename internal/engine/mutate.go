package engine

import (
	"fmt"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"

	"github.com/crossgate/crossgate/internal/format"
	"github.com/crossgate/crossgate/internal/header"
)

// mutations is what one level (route, virtual host, …) does to headers.
type mutations struct {
	remove    []string
	overwrite []mutation
	add       []mutation
}

// mutation writes one header.
type mutation struct {
	name      []byte
	value     *format.Format
	static    []byte // the value when it has no operators
	action    corev3.HeaderValueOption_HeaderAppendAction
	keepEmpty bool
	joins     bool // with a value that is there: Envoy keeps one line of it
}

// compileMutations returns nil when there is nothing to do.
func compileMutations(add []*corev3.HeaderValueOption, remove []string, joins func([]byte) bool) (*mutations, error) {
	if len(add) == 0 && len(remove) == 0 {
		return nil, nil
	}
	m := &mutations{}
	for _, name := range remove {
		name = strings.ToLower(name)
		if name == "" || name[0] == ':' || name == "host" {
			return nil, fmt.Errorf("header %q may not be removed", name)
		}
		m.remove = append(m.remove, name)
	}
	for i, o := range add {
		c, err := compileMutation(o)
		if err != nil {
			return nil, fmt.Errorf("headers_to_add[%d]: %w", i, err)
		}
		c.joins = joins(c.name)
		if c.overwrites() {
			m.overwrite = append(m.overwrite, c)
		} else {
			m.add = append(m.add, c)
		}
	}
	return m, nil
}

func compileMutation(o *corev3.HeaderValueOption) (mutation, error) {
	name := strings.ToLower(o.GetHeader().GetKey())
	c := mutation{name: []byte(name), action: o.GetAppendAction(), keepEmpty: o.GetKeepEmptyValue()}
	//nolint:staticcheck // append is deprecated and still overrides the action.
	if a := o.GetAppend(); a != nil {
		c.action = corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD
		if a.GetValue() {
			c.action = corev3.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD
		}
	}
	if name == "" || name[0] == ':' || name == "host" {
		return c, fmt.Errorf("header %q may not be set", name)
	}
	if name == "content-length" || name == "transfer-encoding" {
		return c, fmt.Errorf("header %q may not be set: the body's length is the message's own", name)
	}
	value := o.GetHeader().GetValue()
	if raw := o.GetHeader().GetRawValue(); len(raw) > 0 {
		value = string(raw)
	}
	if hasControl(name) || hasControl(value) {
		return c, fmt.Errorf("header %q: control characters in its name or value", name)
	}
	if !strings.Contains(value, "%") {
		c.static = []byte(value)
		return c, nil
	}
	f, err := format.Parse(value)
	if err != nil {
		return c, fmt.Errorf("header %q: %w", name, err)
	}
	c.value = f
	return c, nil
}

// apply changes h in Envoy's order: removals first; then all values are found
// and all conditions checked; then what overwrites is written, at the end of the
// list, and what is added.
func (m *mutations) apply(s *stream, h *header.List) {
	for _, name := range m.remove {
		h.Remove(name)
	}
	s.values = s.values[:0]
	for i := range m.overwrite {
		s.values = append(s.values, m.overwrite[i].evaluate(s, h))
	}
	for i := range m.add {
		s.values = append(s.values, m.add[i].evaluate(s, h))
	}
	for i := range m.overwrite {
		if v := s.values[i]; v != nil {
			h.Remove(string(m.overwrite[i].name))
			h.Add(m.overwrite[i].name, v)
		}
	}
	for i := range m.add {
		if v := s.values[len(m.overwrite)+i]; v != nil {
			m.add[i].write(s, h, v)
		}
	}
}

// write adds the header, or its value to that of the line that is there.
func (c *mutation) write(s *stream, h *header.List, v []byte) {
	i := -1
	if c.joins {
		i = h.Index(string(c.name))
	}
	if i < 0 {
		h.Add(c.name, v)
		return
	}
	b := append(s.arena.Start(), h.Fields[i].Value...)
	if len(b) > 0 && len(v) > 0 {
		b = append(b, ',')
	}
	h.Fields[i].Value = s.arena.Done(append(b, v...))
}

// evaluate returns the value to write, or nil when nothing is to be written:
// because it is empty, or because of what is already there.
func (c *mutation) evaluate(s *stream, h *header.List) []byte {
	switch c.action {
	case corev3.HeaderValueOption_ADD_IF_ABSENT:
		if h.Has(string(c.name)) {
			return nil
		}
	case corev3.HeaderValueOption_OVERWRITE_IF_EXISTS:
		if !h.Has(string(c.name)) {
			return nil
		}
	}
	v := c.static
	if c.value != nil {
		v = s.arena.Done(c.value.AppendHeader(s.arena.Start(), s))
	}
	if len(v) == 0 {
		if !c.keepEmpty {
			return nil
		}
		return noBytes
	}
	return v
}

// overwrites reports whether the mutation replaces what is there.
func (c *mutation) overwrites() bool {
	return c.action == corev3.HeaderValueOption_OVERWRITE_IF_EXISTS || c.action == corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD
}

// noBytes is an empty value that is not nil.
var noBytes = []byte{}
