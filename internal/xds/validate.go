package xds

import (
	"errors"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/crossgate/crossgate/internal/diag"
)

// validate applies the constraints that Envoy's protos carry to a message and
// to everything packed in it. Envoy refuses a bootstrap for the same ones.
func validate(m proto.Message, index Places) diag.List {
	v := &validator{index: index}
	v.walk(m.ProtoReflect(), "")
	return v.diags
}

// Invalid returns the first constraint of Envoy's protos that a message or
// anything packed in it breaks, as "path: reason"; empty if there is none.
func Invalid(m proto.Message) string {
	l := validate(m, &positions{})
	if len(l) == 0 {
		return ""
	}
	return strings.TrimPrefix(l[0].Path+": "+l[0].Message, ": ")
}

type validator struct {
	index Places
	diags diag.List
}

// constraint is the error that generated validators return.
type constraint interface {
	error
	Field() string
	Reason() string
}

// walk checks each message by itself, so that the path of the first broken
// constraint in it is known.
func (v *validator) walk(m protoreflect.Message, path string) {
	if a, ok := m.Interface().(*anypb.Any); ok {
		inner, err := a.UnmarshalNew()
		if err == nil {
			v.walk(inner.ProtoReflect(), path)
		}
		return
	}
	before := len(v.diags)
	for fd, value := range inOrder(m) {
		v.field(fd, value, join(path, string(fd.Name())))
	}
	// A message whose parts are bad would only repeat what they said.
	if len(v.diags) > before || len(v.diags) >= maxProblems {
		return
	}
	checked, ok := m.Interface().(interface{ Validate() error })
	if !ok {
		return
	}
	var c constraint
	if err := checked.Validate(); errors.As(err, &c) {
		at := strings.TrimPrefix(path+"."+fieldName(c.Field()), ".")
		v.diags = append(v.diags, diag.Diagnostic{
			Pos: v.index.At(at), Severity: diag.Error, Code: CodeBootstrap, Path: at, Message: c.Reason(),
		})
	}
}

// fieldName turns the Go name of a field (Domains[1]) into that of the proto.
func fieldName(name string) string {
	return strings.TrimPrefix(snake(name), "_")
}

func (v *validator) field(fd protoreflect.FieldDescriptor, value protoreflect.Value, path string) {
	switch {
	case fd.IsMap():
		if fd.MapValue().Message() == nil {
			return
		}
		for _, k := range sortedKeys(value.Map()) {
			v.walk(value.Map().Get(k).Message(), path+fmt.Sprintf("[%q]", k.String()))
		}
	case fd.Message() == nil:
	case fd.IsList():
		for i := range value.List().Len() {
			v.walk(value.List().Get(i).Message(), fmt.Sprintf("%s[%d]", path, i))
		}
	default:
		v.walk(value.Message(), path)
	}
}
