package resource

import (
	"encoding/base64"
	"encoding/json"
	"reflect"
	"strings"
)

var unmarshalerType = reflect.TypeFor[json.Unmarshaler]()

// goValue checks a value against a Kubernetes type by its json tags, for the same
// reason as message: encoding/json names neither places nor more than one error.
func (o *object) goValue(t reflect.Type, n *node, path string) {
	if n.kind == nullNode {
		return
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if reflect.PointerTo(t).Implements(unmarshalerType) {
		if err := json.Unmarshal(n.json(), reflect.New(t).Interface()); err != nil {
			o.errorf(n.at, CodeSchema, path, "%s is not valid here: %s", o.describe(n), err)
		}
		return
	}
	switch t.Kind() {
	case reflect.Struct:
		o.goStruct(t, n, path)
	case reflect.Map:
		if o.want(n, mapNode, path) {
			for i := range n.fields {
				o.goValue(t.Elem(), n.fields[i].value, join(path, n.fields[i].name))
			}
		}
	case reflect.Slice:
		o.goSlice(t, n, path)
	case reflect.String:
		o.want(n, stringNode, path)
	case reflect.Bool:
		o.want(n, boolNode, path)
	default:
		if n.kind != numberNode || json.Unmarshal([]byte(n.text), reflect.New(t).Interface()) != nil {
			o.errorf(n.at, CodeSchema, path, "want a number of type %s, not %s", t, o.describe(n))
		}
	}
}

func (o *object) goSlice(t reflect.Type, n *node, path string) {
	if t.Elem().Kind() == reflect.Uint8 {
		if o.want(n, stringNode, path) {
			if _, err := base64.StdEncoding.DecodeString(n.text); err != nil {
				o.errorf(n.at, CodeSchema, path, "the value is not base64")
			}
		}
		return
	}
	if o.want(n, listNode, path) {
		for i, item := range n.items {
			o.goValue(t.Elem(), item, at(path, i))
		}
	}
}

func (o *object) goStruct(t reflect.Type, n *node, path string) {
	if !o.want(n, mapNode, path) {
		return
	}
	types := make(map[string]reflect.Type)
	jsonFields(t, types)
	for i := range n.fields {
		f := &n.fields[i]
		ft, ok := types[f.name]
		if !ok {
			names := make([]string, 0, len(types))
			for name := range types {
				names = append(names, name)
			}
			o.errorf(f.at, CodeUnknownField, path, "unknown field %s%s", quote(f.name), didYouMean(f.name, sorted(names)))
			continue
		}
		o.goValue(ft, f.value, join(path, f.name))
	}
}

// jsonFields collects the fields of a struct and its embedded ones by JSON name.
func jsonFields(t reflect.Type, into map[string]reflect.Type) {
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-":
		case name != "":
			into[name] = f.Type
		case f.Anonymous:
			jsonFields(f.Type, into)
		}
	}
}
