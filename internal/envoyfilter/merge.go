package envoyfilter

import (
	"bytes"
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/crossgate/crossgate/internal/xds"
)

// merging is how istiod merges messages: as protobuf does, but a Duration
// replaces the one that is there (protobuf would keep its nanoseconds), and an
// entry of a map replaces the entry, never its fields. An Any is a message like
// others here: type and bytes are taken over.
type merging struct {
	// replaceLists lets a list take the place of the one that is there, where
	// otherwise it is appended.
	replaceLists bool
}

func (p *patch) merge(into, value proto.Message) {
	o := merging{replaceLists: p.op == networking.EnvoyFilter_Patch_MERGE_AND_REPLACE_LIST}
	o.message(into.ProtoReflect(), value.ProtoReflect())
}

func (o merging) message(dst, src protoreflect.Message) {
	src.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.IsList():
			o.list(dst.Mutable(fd).List(), v.List(), fd)
		case fd.IsMap():
			o.entries(dst.Mutable(fd).Map(), v.Map(), fd.MapValue())
		case fd.Message() != nil && fd.Message().FullName() == "google.protobuf.Duration":
			dst.Set(fd, protoreflect.ValueOfMessage(proto.Clone(v.Message().Interface()).ProtoReflect()))
		case fd.Message() != nil:
			o.message(dst.Mutable(fd).Message(), v.Message())
		default:
			dst.Set(fd, scalar(fd, v))
		}
		return true
	})
}

func (o merging) list(dst, src protoreflect.List, fd protoreflect.FieldDescriptor) {
	if o.replaceLists {
		dst.Truncate(0)
	}
	for i := range src.Len() {
		dst.Append(o.copied(fd, src.Get(i), dst.NewElement))
	}
}

func (o merging) entries(dst, src protoreflect.Map, fd protoreflect.FieldDescriptor) {
	src.Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
		dst.Set(k, o.copied(fd, v, dst.NewValue))
		return true
	})
}

// copied returns a value that shares nothing with the patch.
func (o merging) copied(fd protoreflect.FieldDescriptor, v protoreflect.Value, empty func() protoreflect.Value) protoreflect.Value {
	if fd.Message() == nil {
		return scalar(fd, v)
	}
	out := empty()
	o.message(out.Message(), v.Message())
	return out
}

func scalar(fd protoreflect.FieldDescriptor, v protoreflect.Value) protoreflect.Value {
	if fd.Kind() == protoreflect.BytesKind {
		return protoreflect.ValueOfBytes(bytes.Clone(v.Bytes()))
	}
	return v
}

// mergePacked merges what is packed in two Anys of one type, which is where the
// configuration of extensions is.
func mergePacked(into, value *anypb.Any) (*anypb.Any, error) {
	if into.GetTypeUrl() != value.GetTypeUrl() {
		return nil, fmt.Errorf("its typed_config is of type %s, that of the filter is of type %s", typeName(value), typeName(into))
	}
	dst, err := into.UnmarshalNew()
	if err != nil {
		return nil, err
	}
	src, err := value.UnmarshalNew()
	if err != nil {
		return nil, err
	}
	merging{}.message(dst.ProtoReflect(), src.ProtoReflect())
	if broken := xds.Invalid(dst); broken != "" {
		return nil, fmt.Errorf("the result would not be valid: %s", broken)
	}
	return xds.Pack(dst)
}

func typeName(a *anypb.Any) string { return string(a.MessageName()) }

// mergeInto merges into a message in place, so that what is not touched stays the
// same, unless that would make something invalid of it.
func mergeInto[M proto.Message](a *applier, p *patch, into M) {
	trial := proto.CloneOf(into)
	p.merge(trial, p.value)
	if broken := xds.Invalid(trial); broken != "" && xds.Invalid(into) == "" {
		a.skip(p, "the result would not be valid: %s", broken)
		return
	}
	p.merge(into, p.value)
	a.apply(p)
}
