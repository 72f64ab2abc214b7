package engine

import (
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// TestMessagesExist: every message and field of the lists is one of Envoy's API, and
// no message has two lists.
func TestMessagesExist(t *testing.T) {
	for name, r := range rules {
		d := messageAt(name)
		if d == nil {
			t.Errorf("%s: no such message", name)
			continue
		}
		for f := range r {
			if d.Fields().ByName(f) == nil {
				t.Errorf("%s has no field %s", name, f)
			}
		}
	}
	for name := range below {
		if _, twice := runs[name]; twice {
			t.Errorf("%s has two lists", name)
		}
	}
}

// TestEachRefusedFieldIsNamed: a field that is in none of the lists gives an error
// with its name, for every message and field.
func TestEachRefusedFieldIsNamed(t *testing.T) {
	for _, m := range Messages() {
		d := messageAt(protoreflect.FullName(m.Name))
		mt, err := protoregistry.GlobalTypes.FindMessageByName(d.FullName())
		if err != nil {
			t.Errorf("%s: %v", m.Name, err)
			continue
		}
		for _, f := range m.Fields {
			msg := mt.New()
			fd := mt.Descriptor().Fields().ByName(protoreflect.Name(f.Name))
			setSomething(msg, fd)
			var errs []error
			collectUnsupported(msg, rules[protoreflect.FullName(m.Name)], "", &errs)
			named := slices.ContainsFunc(errs, func(e error) bool { return strings.Contains(e.Error(), f.Name) })
			if (f.Support == FieldRefused) != named {
				t.Errorf("%s.%s is %s: %v", m.Name, f.Name, f.Support, errs)
			}
		}
	}
}

// setSomething gives a field a value that is not its default.
func setSomething(m protoreflect.Message, fd protoreflect.FieldDescriptor) {
	switch {
	case fd.IsMap():
		k := protoreflect.ValueOfString("k").MapKey()
		mm := m.Mutable(fd).Map()
		mm.Set(k, mm.NewValue())
	case fd.IsList():
		l := m.Mutable(fd).List()
		l.Append(l.NewElement())
	case fd.Message() != nil:
		m.Mutable(fd)
	case fd.Kind() == protoreflect.BoolKind:
		m.Set(fd, protoreflect.ValueOfBool(true))
	case fd.Kind() == protoreflect.StringKind:
		m.Set(fd, protoreflect.ValueOfString("x"))
	case fd.Kind() == protoreflect.EnumKind:
		m.Set(fd, protoreflect.ValueOfEnum(1))
	case fd.Kind() == protoreflect.Uint32Kind:
		m.Set(fd, protoreflect.ValueOfUint32(1))
	case fd.Kind() == protoreflect.Int32Kind:
		m.Set(fd, protoreflect.ValueOfInt32(1))
	case fd.Kind() == protoreflect.Uint64Kind:
		m.Set(fd, protoreflect.ValueOfUint64(1))
	case fd.Kind() == protoreflect.BytesKind:
		m.Set(fd, protoreflect.ValueOfBytes([]byte("x")))
	}
}
