package resource

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// message checks a value against the descriptor of an Istio message. Istio's own
// JSON methods stop at the first error, without a place, and swallow unknown
// fields, so that everything they would refuse or lose is found here; they then
// only decode. Null stands for a field that is not set, as in JSON of protos.
func (o *object) message(md protoreflect.MessageDescriptor, n *node, path string) {
	switch md.FullName() {
	case "google.protobuf.Duration":
		o.duration(n, path)
		return
	case "google.protobuf.Struct":
		o.want(n, mapNode, path)
		return
	case "google.protobuf.Value", "google.protobuf.Any", "google.protobuf.ListValue":
		return
	case "google.protobuf.Timestamp":
		if o.want(n, stringNode, path) {
			if _, err := time.Parse(time.RFC3339Nano, n.text); err != nil {
				o.errorf(n.at, CodeSchema, path, "%q is not a time such as 2026-01-31T12:00:00Z", n.text)
			}
		}
		return
	case "google.protobuf.BoolValue", "google.protobuf.StringValue", "google.protobuf.BytesValue",
		"google.protobuf.Int32Value", "google.protobuf.UInt32Value", "google.protobuf.Int64Value",
		"google.protobuf.UInt64Value", "google.protobuf.FloatValue", "google.protobuf.DoubleValue":
		o.singular(md.Fields().ByNumber(1), n, path)
		return
	}
	if !o.want(n, mapNode, path) {
		return
	}
	chosen := make(map[protoreflect.FullName]field)
	seen := make(map[protoreflect.Name]field, len(n.fields))
	for i := range n.fields {
		o.messageField(md, &n.fields[i], path, seen, chosen)
	}
}

func (o *object) messageField(md protoreflect.MessageDescriptor, f *field, path string, seen map[protoreflect.Name]field, chosen map[protoreflect.FullName]field) {
	fd := md.Fields().ByJSONName(f.name)
	if fd == nil {
		fd = md.Fields().ByName(protoreflect.Name(f.name))
	}
	if fd == nil {
		o.errorf(f.at, CodeUnknownField, path, "unknown field %s%s", quote(f.name), didYouMean(f.name, fieldNames(md)))
		return
	}
	if first, ok := seen[fd.Name()]; ok {
		o.add(f.at, CodeDuplicateKey, path, fmt.Sprintf("%q and %q are the same field", first.name, f.name), &first.at)
		return
	}
	seen[fd.Name()] = *f
	if f.value.kind == nullNode {
		return
	}
	if one := fd.ContainingOneof(); one != nil && !one.IsSynthetic() {
		if first, ok := chosen[one.FullName()]; ok {
			o.add(f.at, CodeSchema, path, fmt.Sprintf("only one of %q and %q may be set", first.name, f.name), &first.at)
		}
		chosen[one.FullName()] = *f
	}
	if fd.FullName() == "istio.networking.v1alpha3.CorsPolicy.max_age" {
		zeroDuration(f.value)
	}
	o.protoField(fd, f.value, join(path, f.name))
}

// zeroDuration makes 0 and "0" the duration 0s. Istio refuses them; for maxAge
// people write them to say "do not cache" (Access-Control-Max-Age: 0).
func zeroDuration(n *node) {
	if (n.kind == numberNode || n.kind == stringNode) && n.text == "0" {
		n.kind, n.text = stringNode, "0s"
	}
}

func (o *object) protoField(fd protoreflect.FieldDescriptor, n *node, path string) {
	switch {
	case fd.IsList():
		if !o.want(n, listNode, path) {
			return
		}
		for i, item := range n.items {
			o.element(fd, item, at(path, i))
		}
	case fd.IsMap():
		if !o.want(n, mapNode, path) {
			return
		}
		for i := range n.fields {
			f := &n.fields[i]
			o.control(f.name, f.at, path)
			o.element(fd.MapValue(), f.value, join(path, f.name))
		}
	default:
		o.singular(fd, n, path)
	}
}

// element checks a list item or map value, which must not be null: Istio's JSON
// would make an empty value of it, which is hardly what a stray "-" means.
func (o *object) element(fd protoreflect.FieldDescriptor, n *node, path string) {
	if n.kind == nullNode {
		o.errorf(n.at, CodeSchema, path, "the value is empty")
		return
	}
	o.singular(fd, n, path)
}

func (o *object) singular(fd protoreflect.FieldDescriptor, n *node, path string) {
	switch fd.Kind() {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		o.message(fd.Message(), n, path)
	case protoreflect.BoolKind:
		o.want(n, boolNode, path)
	case protoreflect.StringKind:
		if o.want(n, stringNode, path) && fd.FullName() != "istio.networking.v1alpha3.HTTPBody.string" {
			o.control(n.text, n.at, path)
		}
	case protoreflect.BytesKind:
		if o.want(n, stringNode, path) {
			if _, err := base64.StdEncoding.DecodeString(n.text); err != nil {
				o.errorf(n.at, CodeSchema, path, "the value is not base64")
			}
		}
	case protoreflect.EnumKind:
		o.enum(fd.Enum(), n, path)
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		o.number(n, path, new(float64), "a number")
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		o.number(n, path, new(uint32), "a whole number from 0 to 4294967295")
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		o.number(n, path, new(uint64), "a whole number, not negative")
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		o.number(n, path, new(int32), "a whole number from -2147483648 to 2147483647")
	default:
		o.number(n, path, new(int64), "a whole number")
	}
}

// number accepts what the JSON of protos does: numbers, bare or quoted.
func (o *object) number(n *node, path string, into any, want string) {
	if (n.kind != numberNode && n.kind != stringNode) || json.Unmarshal([]byte(n.text), into) != nil {
		o.errorf(n.at, CodeSchema, path, "want %s, not %s", want, n.describe())
	}
}

func (o *object) enum(ed protoreflect.EnumDescriptor, n *node, path string) {
	if n.kind == numberNode {
		var number int32
		if json.Unmarshal([]byte(n.text), &number) == nil && ed.Values().ByNumber(protoreflect.EnumNumber(number)) != nil {
			return
		}
	}
	names := make([]string, ed.Values().Len())
	for i := range names {
		names[i] = string(ed.Values().Get(i).Name())
		if n.kind == stringNode && names[i] == n.text {
			return
		}
	}
	o.errorf(n.at, CodeSchema, path, "%s is none of %s%s", n.describe(), enumerate(names), didYouMean(n.text, names))
}

func (o *object) duration(n *node, path string) {
	if n.kind == stringNode {
		if _, err := time.ParseDuration(n.text); err == nil {
			return
		}
	}
	hint := ""
	if n.kind == numberNode || n.kind == stringNode && digits(n.text) {
		hint = fmt.Sprintf("; did you mean %q?", n.text+"s")
	}
	o.errorf(n.at, CodeSchema, path, "%s is not a duration such as 30s, 1h30m or 24h%s", n.describe(), hint)
}

func fieldNames(md protoreflect.MessageDescriptor) []string {
	names := make([]string, md.Fields().Len())
	for i := range names {
		names[i] = md.Fields().Get(i).JSONName()
	}
	return names
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
