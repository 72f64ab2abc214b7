package envoyfilter

import (
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/resource"
	"github.com/crossgate/crossgate/internal/xds"
)

// decode turns the value of a patch into the message that it stands for. It is
// strict where istiod is not: an unknown field is an error here too, because
// whoever wrote it believes that it has an effect.
func (a *applier) decode(p *patch) bool {
	value := p.spec.GetPatch().GetValue()
	p.guards = valueGuards(p, value)
	m := message(p.applyTo())
	if m == nil || value == nil {
		return m == nil || p.op == networking.EnvoyFilter_Patch_REMOVE
	}
	places := &valuePlaces{patch: p, value: value}
	text, err := protojson.Marshal(seconds(structpb.NewStructValue(value), m.ProtoReflect().Descriptor()))
	if err != nil {
		a.report(diag.Error, resource.CodeSchema, p.filter, p.path("patch.value"), "%s", err)
		return false
	}
	found := xds.Decode(text, m, places)
	for _, d := range found {
		a.report(diag.Error, resource.CodeSchema, p.filter, places.path(d.Path), "%s", d.Message)
	}
	if len(found) > 0 {
		return false
	}
	p.value = m
	// What is merged may be a part of something; what is put in may not.
	if p.merges() || p.op == networking.EnvoyFilter_Patch_REMOVE {
		return true
	}
	if broken := xds.Invalid(m); broken != "" {
		path, message, _ := strings.Cut(broken, ": ")
		a.report(diag.Error, resource.CodeSchema, p.filter, places.path(path), "%s", message)
		return false
	}
	return true
}

// valuePlaces finds the places of fields of a patch's value: the paths of
// messages have the names of the protos, those of objects the names as written.
type valuePlaces struct {
	patch *patch
	value *structpb.Struct
}

// At implements xds.Places.
func (v *valuePlaces) At(path string) diag.Pos { return v.patch.filter.Position(v.path(path)) }

// Key implements xds.Places; objects know the places of values only.
func (v *valuePlaces) Key(path string) diag.Pos { return v.At(path) }

// path returns the path in the object of a path in the value, as far as it is
// written.
func (v *valuePlaces) path(path string) string {
	out := v.patch.path("patch.value")
	at := structpb.NewStructValue(v.value)
	for _, step := range xds.SplitPath(path) {
		if list := at.GetListValue().GetValues(); list != nil {
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(list) {
				return out
			}
			at = list[i]
			out += "[" + step + "]"
			continue
		}
		name, next := member(at.GetStructValue(), step)
		if next == nil {
			return out
		}
		at = next
		out += "." + name
	}
	return out
}

// member returns a field by its name in the proto or its JSON name.
func member(s *structpb.Struct, name string) (string, *structpb.Value) {
	if v := s.GetFields()[name]; v != nil {
		return name, v
	}
	camel := strings.Builder{}
	upper := false
	for _, r := range name {
		switch {
		case r == '_':
			upper = true
			continue
		case upper && 'a' <= r && r <= 'z':
			r += 'A' - 'a'
		}
		upper = false
		camel.WriteRune(r)
	}
	return camel.String(), s.GetFields()[camel.String()]
}
