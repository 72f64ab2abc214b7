package check

import (
	"strings"
	"testing"

	networking "istio.io/api/networking/v1alpha3"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

var specs = map[string]proto.Message{
	"Gateway":         &networking.Gateway{},
	"VirtualService":  &networking.VirtualService{},
	"DestinationRule": &networking.DestinationRule{},
	"ServiceEntry":    &networking.ServiceEntry{},
}

// TestFieldsExist finds rules that speak of no field.
func TestFieldsExist(t *testing.T) {
	seen := make(map[string]bool)
	for _, f := range Fields() {
		key := f.Kind + " " + f.Path
		if seen[key] {
			t.Errorf("%s: two rules", key)
		}
		seen[key] = true
		if f.State != Built && f.Why == "" {
			t.Errorf("%s: says not what is missing", key)
		}
		md := specs[f.Kind].ProtoReflect().Descriptor()
		path, ok := strings.CutPrefix(f.Path, "spec.")
		if !ok || !exists(md, path) {
			t.Errorf("%s: no such field", key)
		}
	}
}

func exists(md protoreflect.MessageDescriptor, path string) bool {
	name, rest, more := strings.Cut(path, ".")
	bare, list := strings.CutSuffix(name, "[]")
	fd := md.Fields().ByJSONName(bare)
	switch {
	case fd == nil || list && !fd.IsList():
		return false
	case !more:
		return true
	}
	return fd.Message() != nil && list == fd.IsList() && exists(fd.Message(), rest)
}

// TestEveryFieldIsKnown fails when a new version of Istio's API brings a field
// that nobody has decided about.
func TestEveryFieldIsKnown(t *testing.T) {
	for kind, spec := range specs {
		rules := rulesByKind()[kind]
		var visit func(md protoreflect.MessageDescriptor, pattern string)
		visit = func(md protoreflect.MessageDescriptor, pattern string) {
			for i := range md.Fields().Len() {
				fd := md.Fields().Get(i)
				p := pattern + "." + fd.JSONName()
				switch {
				case rules.byPath[p] != nil:
				case !rules.above[p]:
					t.Errorf("%s %s: no rule says what becomes of it", kind, p)
				case fd.IsList():
					visit(fd.Message(), p+"[]")
				default:
					visit(fd.Message(), p)
				}
			}
		}
		visit(spec.ProtoReflect().Descriptor(), "spec")
	}
}
