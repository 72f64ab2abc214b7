package format

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/types/known/structpb"
)

// Holder is what carries metadata that METADATA tells of.
type Holder uint8

// The holders: what the request was matched by, and where it went.
const (
	NoHolder Holder = iota // that of filters (DYNAMIC), which write none here
	RouteHolder
	VirtualHostHolder
	ListenerHolder
	ClusterHolder
	HostHolder
)

var holders = map[string]Holder{
	"DYNAMIC": NoHolder, "ROUTE": RouteHolder, "VIRTUAL_HOST": VirtualHostHolder, "LISTENER": ListenerHolder,
	"CLUSTER": ClusterHolder, "UPSTREAM_HOST": HostHolder,
}

// metadata is where a value stands in the metadata of a holder: under a name, and
// in the objects below it. Without a path it is all that the name has.
type metadata struct {
	of    Holder
	space string
	path  []string
}

// metadataOperator reads %METADATA(HOLDER:NAME:KEY:KEY)%, and the older operators
// that have the holder in their name.
func metadataOperator(name, argument string) (part, error) {
	p := part{kind: kindMetadata}
	switch name {
	case "METADATA":
		which, rest, _ := strings.Cut(argument, ":")
		of, ok := holders[which]
		if !ok {
			return p, fmt.Errorf("%%METADATA(%s)%%: %q has no metadata: want ROUTE, VIRTUAL_HOST, CLUSTER, UPSTREAM_HOST, LISTENER or DYNAMIC", argument, which)
		}
		p.metadata.of, argument = of, rest
	case "CLUSTER_METADATA":
		p.metadata.of, p.limitless = ClusterHolder, true
	case "UPSTREAM_METADATA":
		p.metadata.of, p.limitless = HostHolder, true
	}
	if argument == "" && name != "METADATA" {
		return p, fmt.Errorf("%%%s without a name", name)
	}
	keys := strings.Split(argument, ":")
	p.metadata.space, p.metadata.path = keys[0], keys[1:]
	return p, nil
}

// appendTo appends the value: a text as it is, anything else as JSON.
func (m *metadata) appendTo(dst []byte, s Source) ([]byte, shape) {
	if m.of == NoHolder {
		return dst, absent
	}
	fields, ok := s.Metadata(m.of)[m.space]
	if !ok {
		return dst, absent
	}
	if len(m.path) == 0 {
		return appendStruct(dst, fields), typed
	}
	var v *structpb.Value
	for i, key := range m.path {
		if i > 0 {
			fields = v.GetStructValue()
		}
		if v = fields.GetFields()[key]; v == nil {
			return dst, absent
		}
	}
	switch k := v.GetKind().(type) {
	case nil, *structpb.Value_NullValue:
		return dst, absent
	case *structpb.Value_StringValue:
		return append(dst, k.StringValue...), text
	}
	return appendJSONValue(dst, v), typed
}

func appendJSONValue(dst []byte, v *structpb.Value) []byte {
	switch k := v.GetKind().(type) {
	case *structpb.Value_NumberValue:
		return appendNumber(dst, k.NumberValue)
	case *structpb.Value_BoolValue:
		return strconv.AppendBool(dst, k.BoolValue)
	case *structpb.Value_StringValue:
		n := len(dst)
		return quoteFrom(append(dst, k.StringValue...), n)
	case *structpb.Value_StructValue:
		return appendStruct(dst, k.StructValue)
	case *structpb.Value_ListValue:
		dst = append(dst, '[')
		for i, item := range k.ListValue.GetValues() {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendJSONValue(dst, item)
		}
		return append(dst, ']')
	}
	return append(dst, "null"...)
}

// appendStruct appends an object with its keys sorted, as Envoy does.
func appendStruct(dst []byte, s *structpb.Struct) []byte {
	var few [16]string
	keys := few[:0]
	for k := range s.GetFields() {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	dst = append(dst, '{')
	for i, k := range keys {
		if i > 0 {
			dst = append(dst, ',')
		}
		n := len(dst)
		dst = append(quoteFrom(append(dst, k...), n), ':')
		dst = appendJSONValue(dst, s.GetFields()[k])
	}
	return append(dst, '}')
}

// appendNumber appends the shortest text that reads back as the number, with an
// exponent only where that is shorter (std::to_chars).
func appendNumber(dst []byte, v float64) []byte {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return append(dst, "null"...)
	}
	n := len(dst)
	dst = strconv.AppendFloat(dst, v, 'e', -1, 64)
	if size := math.Abs(v); size != 0 && (size < 1e-5 || size >= 1e22) {
		return dst // no text without an exponent is as short
	}
	var room [32]byte
	digits := -1
	if v == math.Trunc(v) {
		digits = 0
	}
	if plain := strconv.AppendFloat(room[:0], v, 'f', digits, 64); len(plain) <= len(dst)-n {
		dst = append(dst[:n], plain...)
	}
	return dst
}
