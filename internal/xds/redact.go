package xds

import (
	"github.com/cncf/xds/go/udpa/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"
)

// redacted takes the place of what must not be shown, as Envoy writes it.
const redacted = "[redacted]"

// redact returns a copy of a message in which every field that Envoy's protos
// mark as sensitive (private keys, passwords) is unreadable, packed messages
// included.
func redact[M proto.Message](m M) M {
	c, ok := proto.Clone(m).(M)
	if !ok {
		return m
	}
	redactMessage(c.ProtoReflect(), false)
	return c
}

func redactMessage(m protoreflect.Message, sensitive bool) {
	if a, ok := m.Interface().(*anypb.Any); ok {
		redactAny(a, sensitive)
		return
	}
	for fd, v := range inOrder(m) {
		hide := sensitive || isSensitive(fd)
		switch {
		case fd.IsMap():
			redactMap(fd, v.Map(), hide)
		case fd.IsList():
			redactList(fd, v.List(), hide)
		case fd.Message() != nil:
			redactMessage(v.Message(), hide)
		case hide:
			m.Set(fd, hidden(fd))
		}
	}
}

func redactAny(a *anypb.Any, sensitive bool) {
	inner, err := a.UnmarshalNew()
	if err != nil {
		// What cannot be read may be anything.
		a.Value = nil
		return
	}
	redactMessage(inner.ProtoReflect(), sensitive)
	if packed, err := Pack(inner); err == nil {
		a.Value = packed.GetValue()
	}
}

func redactMap(fd protoreflect.FieldDescriptor, m protoreflect.Map, hide bool) {
	for _, k := range sortedKeys(m) {
		if fd.MapValue().Message() != nil {
			redactMessage(m.Get(k).Message(), hide)
		} else if hide {
			m.Set(k, hidden(fd.MapValue()))
		}
	}
}

func redactList(fd protoreflect.FieldDescriptor, l protoreflect.List, hide bool) {
	for i := range l.Len() {
		if fd.Message() != nil {
			redactMessage(l.Get(i).Message(), hide)
		} else if hide {
			l.Set(i, hidden(fd))
		}
	}
}

// hidden is the replacement of a sensitive value; numbers become zero.
func hidden(fd protoreflect.FieldDescriptor) protoreflect.Value {
	switch fd.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(redacted)
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte(redacted))
	}
	return fd.Default()
}

func isSensitive(fd protoreflect.FieldDescriptor) bool {
	marked, _ := proto.GetExtension(fd.Options(), annotations.E_Sensitive).(bool)
	return marked
}
