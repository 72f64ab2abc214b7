package resource

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/crossgate/crossgate/internal/diag"
)

// object is one object on its way from a node to a Resource.
type object struct {
	file  string
	root  *node
	key   Key
	diags diag.List
}

func (o *object) errorf(p place, code, path, format string, args ...any) {
	o.add(p, code, path, fmt.Sprintf(format, args...), nil)
}

func (o *object) add(p place, code, path, message string, related *place) {
	d := diag.Diagnostic{Pos: o.pos(p), Severity: diag.Error, Code: code, Path: path, Message: message}
	if o.key.Name != "" {
		d.Object = o.key.String()
	}
	if related != nil {
		d.Related = []diag.Related{{Pos: o.pos(*related), Message: "first written here"}}
	}
	o.diags = append(o.diags, d)
}

func (o *object) pos(p place) diag.Pos { return diag.Pos{File: o.file, Line: p.line, Col: p.col} }

// want reports a value of another type.
func (o *object) want(n *node, kind nodeKind, path string) bool {
	if n.kind == kind {
		return true
	}
	hint := ""
	if kind == stringNode && (n.kind == numberNode || n.kind == boolNode) {
		hint = "; put it in quotes"
	}
	o.errorf(n.at, CodeSchema, path, "want %s, not %s%s", kind, o.describe(n), hint)
	return false
}

// control refuses control characters: Envoy writes the strings of a policy or
// a header to the wire as they are, where a line break begins another header.
func (o *object) control(s string, p place, path string) {
	i := strings.IndexFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
	if i >= 0 {
		o.errorf(p, CodeControl, path, "the control character U+%04X is not allowed in %s", s[i], quote(s))
	}
}

// describe names a value in a message; those of a Secret by their type only.
func (o *object) describe(n *node) string {
	if o.key.Kind == KindSecret {
		return n.kind.String()
	}
	return n.describe()
}

// describe names a value in a message.
func (n *node) describe() string {
	switch n.kind {
	case stringNode:
		return quote(n.text)
	case numberNode, boolNode:
		return clip(n.text)
	}
	return n.kind.String()
}

// quote quotes an input for a message.
func quote(s string) string { return clip(fmt.Sprintf("%q", s)) }

// clip keeps a quoted input short enough for one line.
func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

func enumerate(names []string) string { return strings.Join(names, ", ") }

func sorted(names []string) []string {
	slices.Sort(names)
	return names
}

// decode makes the Resource, or nil when there are errors.
func (o *object) decode(apiVersion string, s *schema) *Resource {
	r := &Resource{Key: o.key, APIVersion: apiVersion, Pos: o.pos(o.root.at), Hash: contentHash(o.root)}
	index := newPositions(o.file, o.root)
	r.At = index.at
	if s == nil {
		r.Labels = stringMap(o.root.get("metadata").get("labels"))
		r.Annotations = stringMap(o.root.get("metadata").get("annotations"))
		return r
	}
	if s.object != nil {
		o.decodeKubernetes(r, s)
	} else {
		o.decodeIstio(r, s)
	}
	if o.diags.HasErrors() {
		return nil
	}
	if s.validate != nil {
		v := &validator{Resource: r}
		v.annotations()
		s.validate(v)
		o.diags = append(o.diags, v.diags...)
		if o.diags.HasErrors() {
			return nil
		}
	}
	return r
}

func (o *object) decodeIstio(r *Resource, s *schema) {
	spec := s.spec()
	md := spec.(proto.Message).ProtoReflect().Descriptor()
	value := &node{kind: mapNode, at: o.root.at}
	for i := range o.root.fields {
		f := &o.root.fields[i]
		switch f.name {
		case "apiVersion", "kind", "status":
		case "metadata":
			o.goValue(reflect.TypeFor[metav1.ObjectMeta](), f.value, "metadata")
		case "spec":
			if f.value.kind != nullNode {
				value = f.value
			}
		default:
			o.errorf(f.at, CodeUnknownField, "", "unknown field %s%s", quote(f.name), didYouMean(f.name, []string{"metadata", "spec", "status"}))
		}
	}
	o.message(md, value, "spec")
	if o.diags.HasErrors() {
		return
	}
	if err := json.Unmarshal(value.json(), spec); err != nil {
		o.errorf(value.at, CodeSchema, "spec", "%s", err)
		return
	}
	r.Spec = spec
	o.metadata(r)
}

func (o *object) decodeKubernetes(r *Resource, s *schema) {
	obj := s.object()
	o.goValue(reflect.TypeOf(obj), o.root, "")
	if o.diags.HasErrors() {
		return
	}
	if err := json.Unmarshal(o.root.json(), obj); err != nil {
		o.errorf(o.root.at, CodeSchema, "", "%s", err)
		return
	}
	if secret, ok := obj.(*corev1.Secret); ok {
		mergeStringData(secret)
	}
	r.Spec = obj
	o.metadata(r)
	if named, ok := obj.(metav1.Object); ok {
		named.SetNamespace(o.key.Namespace)
	}
}

// mergeStringData does what the API server does when it stores a Secret.
func mergeStringData(s *corev1.Secret) {
	if s.Data == nil && len(s.StringData) > 0 {
		s.Data = make(map[string][]byte, len(s.StringData))
	}
	for k, v := range s.StringData {
		s.Data[k] = []byte(v)
	}
	s.StringData = nil
}

func (o *object) metadata(r *Resource) {
	var meta metav1.ObjectMeta
	n := o.root.get("metadata")
	if err := json.Unmarshal(n.json(), &meta); err != nil {
		o.errorf(n.at, CodeSchema, "metadata", "%s", err)
		return
	}
	r.Labels, r.Annotations = meta.Labels, meta.Annotations
	r.Created = meta.CreationTimestamp.Time
}

func stringMap(n *node) map[string]string {
	if n == nil || len(n.fields) == 0 {
		return nil
	}
	m := make(map[string]string, len(n.fields))
	for i := range n.fields {
		m[n.fields[i].name] = n.fields[i].value.text
	}
	return m
}
