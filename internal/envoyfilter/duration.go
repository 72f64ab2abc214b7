package envoyfilter

import (
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/structpb"
)

// seconds rewrites the durations of a value for a message: istiod takes them as
// Go writes them (1m30s), the JSON of protobuf takes seconds alone.
func seconds(v *structpb.Value, md protoreflect.MessageDescriptor) *structpb.Value {
	switch md.FullName() {
	case "google.protobuf.Duration":
		d, err := time.ParseDuration(v.GetStringValue())
		if err != nil {
			return v
		}
		return structpb.NewStringValue(strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + "s")
	case "google.protobuf.Any":
		url := v.GetStructValue().GetFields()["@type"].GetStringValue()
		mt, err := protoregistry.GlobalTypes.FindMessageByURL(url)
		if err != nil {
			return v
		}
		md = mt.Descriptor()
	}
	fields := v.GetStructValue().GetFields()
	if fields == nil || strings.HasPrefix(string(md.FullName()), "google.protobuf.") {
		return v
	}
	out := &structpb.Struct{Fields: make(map[string]*structpb.Value, len(fields))}
	for name, f := range fields {
		fd := md.Fields().ByName(protoreflect.Name(name))
		if fd == nil {
			fd = md.Fields().ByJSONName(name)
		}
		out.Fields[name] = secondsOf(f, fd)
	}
	return structpb.NewStructValue(out)
}

// secondsOf rewrites the durations of a field.
func secondsOf(v *structpb.Value, fd protoreflect.FieldDescriptor) *structpb.Value {
	switch {
	case fd == nil:
	case fd.IsMap() && fd.MapValue().Message() != nil && v.GetStructValue() != nil:
		out := &structpb.Struct{Fields: make(map[string]*structpb.Value)}
		for k, e := range v.GetStructValue().GetFields() {
			out.Fields[k] = seconds(e, fd.MapValue().Message())
		}
		return structpb.NewStructValue(out)
	case fd.IsMap():
	case fd.IsList() && fd.Message() != nil && v.GetListValue() != nil:
		out := &structpb.ListValue{}
		for _, e := range v.GetListValue().GetValues() {
			out.Values = append(out.Values, seconds(e, fd.Message()))
		}
		return structpb.NewListValue(out)
	case fd.IsList():
	case fd.Message() != nil:
		return seconds(v, fd.Message())
	}
	return v
}
