package format

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/structpb"
)

// object is a JSON format: keys in order, values that are formats, objects or
// lists of them.
type object struct {
	keys   []string // quoted, with the colon
	values []node
}

// node is one JSON value.
type node struct {
	fixed  string // as it is written
	text   *Format
	object *object
	list   []node
}

// maxDepth bounds the nesting of a JSON format.
const maxDepth = 32

// ParseJSON compiles a json_format. Envoy writes the keys sorted. A value that is
// one operator alone keeps its type; a missing one is null.
func ParseJSON(s *structpb.Struct) (*Format, error) {
	o, err := parseObject(s, 0)
	if err != nil {
		return nil, err
	}
	return &Format{json: o}, nil
}

func parseObject(s *structpb.Struct, depth int) (*object, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("objects nested deeper than %d", maxDepth)
	}
	o := &object{}
	for _, k := range slices.Sorted(maps.Keys(s.GetFields())) {
		n, err := parseNode(s.GetFields()[k], depth)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", k, err)
		}
		o.keys = append(o.keys, string(append(appendQuoted(nil, []byte(k)), ':')))
		o.values = append(o.values, n)
	}
	return o, nil
}

func parseNode(v *structpb.Value, depth int) (node, error) {
	switch k := v.GetKind().(type) {
	case *structpb.Value_StringValue:
		f, err := Parse(k.StringValue)
		return node{text: f}, err
	case *structpb.Value_NumberValue:
		return node{fixed: string(appendNumber(nil, k.NumberValue))}, nil
	case *structpb.Value_BoolValue:
		return node{fixed: strconv.FormatBool(k.BoolValue)}, nil
	case *structpb.Value_StructValue:
		o, err := parseObject(k.StructValue, depth+1)
		return node{object: o}, err
	case *structpb.Value_ListValue:
		n := node{list: []node{}}
		for i, item := range k.ListValue.GetValues() {
			c, err := parseNode(item, depth+1)
			if err != nil {
				return n, fmt.Errorf("[%d]: %w", i, err)
			}
			n.list = append(n.list, c)
		}
		return n, nil
	}
	return node{fixed: "null"}, nil
}

// append appends the object. With omit, fields without a value are left out.
func (o *object) append(dst []byte, s Source, omit bool) []byte {
	dst = append(dst, '{')
	first := len(dst)
	for i, k := range o.keys {
		n := len(dst)
		if n > first {
			dst = append(dst, ',')
		}
		dst = append(dst, k...)
		value := len(dst)
		dst = o.values[i].append(dst, s, omit)
		if omit && isEmpty(dst[value:]) {
			dst = dst[:n]
		}
	}
	return append(dst, '}')
}

func (n *node) append(dst []byte, s Source, omit bool) []byte {
	switch {
	case n.object != nil:
		return n.object.append(dst, s, omit)
	case n.list != nil:
		return n.appendList(dst, s, omit)
	case n.text == nil:
		return append(dst, n.fixed...)
	}
	return n.text.appendJSON(dst, s, omit)
}

func (n *node) appendList(dst []byte, s Source, omit bool) []byte {
	dst = append(dst, '[')
	first := len(dst)
	for i := range n.list {
		start := len(dst)
		if start > first {
			dst = append(dst, ',')
		}
		value := len(dst)
		dst = n.list[i].append(dst, s, omit)
		if omit && isEmpty(dst[value:]) {
			dst = dst[:start]
		}
	}
	return append(dst, ']')
}

// isEmpty reports whether a value is one that omit_empty_values leaves out.
func isEmpty(value []byte) bool { return string(value) == "null" || string(value) == "{}" }

// appendJSON appends the value of a text format: typed if it is one operator,
// else a string in which missing values are "-".
func (f *Format) appendJSON(dst []byte, s Source, omit bool) []byte {
	start := len(dst)
	if len(f.parts) == 1 && f.parts[0].kind != kindLiteral {
		out, as := f.parts[0].appendTyped(dst, s)
		switch as {
		case absent:
			return append(out, "null"...)
		case typed:
			return out
		}
		return quoteFrom(out, start)
	}
	return quoteFrom(f.append(dst, s, missing(omit)), start)
}

// quoteFrom turns what stands from start into a JSON string, in place where
// nothing has to be escaped.
func quoteFrom(b []byte, start int) []byte {
	for _, c := range b[start:] {
		if c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			raw := string(b[start:])
			return appendQuoted(b[:start], []byte(raw))
		}
	}
	b = append(b, 0, '"')
	copy(b[start+1:], b[start:len(b)-2])
	b[start] = '"'
	return b
}

const hexDigits = "0123456789abcdef"

// appendQuoted appends a JSON string. Of a text that is no UTF-8 every byte stands
// for the letter of its number, as with Envoy.
func appendQuoted(dst, s []byte) []byte {
	valid := utf8.Valid(s)
	dst = append(dst, '"')
	for len(s) > 0 {
		c := s[0]
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c == '\r':
			dst = append(dst, '\\', 'r')
		case c == '\t':
			dst = append(dst, '\\', 't')
		case c < ' ':
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		case c < utf8.RuneSelf || valid:
			dst = append(dst, c)
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		s = s[1:]
	}
	return append(dst, '"')
}
