package check

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/resource"
)

// unenforcedField finds fields that guard something and have no effect.
func unenforcedField() *Check {
	return &Check{
		Name: "unenforced-field",
		Code: CodeUnenforced,
		Doc: "A field asks for protection that crossgate does not give yet, for example that requests go through a tunnel. Serving " +
			"without it would be weaker than what is written, so that it is an error; --allow-unenforced makes it a warning.",
		Run: func(p *Pass) {
			fieldsIn(p, Unenforced, func(f finding) {
				p.Report(f.resource, f.path, p.guardSeverity(), "not enforced yet: %s", f.why)
			})
		},
	}
}

// unbuiltField finds other fields that have no effect.
func unbuiltField() *Check {
	return &Check{
		Name: "unbuilt-field",
		Code: CodeUnbuilt,
		Doc:  "The field is not translated yet: the object is served as if it were not there.",
		Run: func(p *Pass) {
			fieldsIn(p, Ignored, func(f finding) {
				p.Report(f.resource, f.path, diag.Warning, "has no effect yet: %s", f.why)
			})
		},
	}
}

// finding is a written field that has no effect.
type finding struct {
	resource *resource.Resource
	path     string
	why      string
}

// fieldsIn calls report for each field that is written and in the state.
func fieldsIn(p *Pass, state State, report func(finding)) {
	rules := rulesByKind()
	for _, r := range p.Set.All() {
		known, ok := rules[r.Kind]
		msg, isProto := r.Spec.(proto.Message)
		if !ok || !isProto {
			continue
		}
		w := &fieldWalk{ruleSet: known, want: state, report: func(f finding) {
			f.resource = r
			report(f)
		}}
		w.message(msg.ProtoReflect(), "spec", "spec", nil)
	}
}

// ruleSet are the rules about the fields of one kind.
type ruleSet struct {
	byPath map[string]*Field
	// above are the fields of which a part has a rule.
	above map[string]bool
}

func rulesByKind() map[string]*ruleSet {
	kinds := make(map[string]*ruleSet)
	for _, f := range Fields() {
		rules := kinds[f.Kind]
		if rules == nil {
			rules = &ruleSet{byPath: make(map[string]*Field), above: make(map[string]bool)}
			kinds[f.Kind] = rules
		}
		rules.byPath[f.Path] = &f
		for i := range len(f.Path) {
			if f.Path[i] == '.' {
				rules.above[strings.TrimSuffix(f.Path[:i], "[]")] = true
			}
		}
	}
	return kinds
}

// fieldWalk visits the fields of a message that are set.
type fieldWalk struct {
	*ruleSet
	want   State
	report func(finding)
}

// message visits the fields below path; pattern is path with empty indices and
// rule the field that holds the message, when all below follows it.
func (w *fieldWalk) message(m protoreflect.Message, path, pattern string, rule *Field) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		sub := pattern + "." + fd.JSONName()
		if m.Has(fd) || w.meaningfulZero(fd, sub) {
			w.field(m, fd, path+"."+fd.JSONName(), sub, rule)
		}
	}
}

// meaningfulZero reports whether a field matters where it is not written: an enum
// of which some values are built, which may not be the one that zero stands for.
func (w *fieldWalk) meaningfulZero(fd protoreflect.FieldDescriptor, pattern string) bool {
	rule := w.byPath[pattern]
	return rule != nil && rule.Except != nil && fd.Enum() != nil && fd.ContainingOneof() == nil
}

func (w *fieldWalk) field(m protoreflect.Message, fd protoreflect.FieldDescriptor, path, pattern string, rule *Field) {
	value := m.Get(fd)
	if own, ok := w.byPath[pattern]; ok {
		rule = own
		if slices.ContainsFunc(own.Except, func(e string) bool { return strings.EqualFold(e, text(fd, value)) }) {
			return
		}
	}
	if (rule == nil || rule.State != Built) && !w.above[pattern] {
		w.found(path, rule, fd, value)
		return
	}
	switch {
	case fd.IsMap():
	case fd.IsList() && fd.Message() != nil:
		list := value.List()
		for i := range list.Len() {
			w.message(list.Get(i).Message(), fmt.Sprintf("%s[%d]", path, i), pattern+"[]", rule)
		}
	case fd.Message() != nil:
		w.message(value.Message(), path, pattern, rule)
	}
}

func (w *fieldWalk) found(path string, rule *Field, fd protoreflect.FieldDescriptor, value protoreflect.Value) {
	state, why := Ignored, "the field "+fd.JSONName()
	if rule != nil {
		state, why = rule.State, rule.Why
	}
	if fd.Enum() != nil && !fd.IsList() {
		why += " (" + text(fd, value) + ")"
	}
	if state == w.want {
		w.report(finding{path: path, why: why})
	}
}

// text is a scalar as it is written.
func text(fd protoreflect.FieldDescriptor, value protoreflect.Value) string {
	switch {
	case fd.IsList() || fd.IsMap():
		return ""
	case fd.Enum() != nil:
		if v := fd.Enum().Values().ByNumber(value.Enum()); v != nil {
			return string(v.Name())
		}
	case fd.Kind() == protoreflect.StringKind:
		return value.String()
	}
	return ""
}
