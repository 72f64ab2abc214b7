package engine

import (
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// FieldSupport is what the engine does with one field of Envoy's API.
type FieldSupport string

// What becomes of a field.
const (
	FieldRun     FieldSupport = "run"
	FieldAside   FieldSupport = "without effect" // requests do not notice
	FieldRefused FieldSupport = "refused"        // by its name, with CG0302
)

// Field is a field of a message.
type Field struct {
	Name    string
	Support FieldSupport
}

// Message is a message of Envoy's API whose fields the engine knows one by one.
type Message struct {
	Name   string
	Fields []Field
}

// Messages lists the messages by their names, and their fields by their numbers, for
// the documentation. What is below a message that is not among them is checked by
// the code that compiles it.
func Messages() []Message {
	var out []Message
	for _, name := range slices.Sorted(maps.Keys(runs)) {
		d, err := protoregistry.GlobalFiles.FindDescriptorByName(name)
		if err != nil {
			continue // TestMessagesExist fails
		}
		fields := d.(protoreflect.MessageDescriptor).Fields()
		run, aside, _ := strings.Cut(runs[name], "|")
		m := Message{Name: string(name)}
		for i := range fields.Len() {
			f := Field{Name: string(fields.Get(i).Name()), Support: FieldRefused}
			switch {
			case slices.Contains(strings.Fields(run), f.Name):
				f.Support = FieldRun
			case slices.Contains(strings.Fields(aside), f.Name):
				f.Support = FieldAside
			}
			m.Fields = append(m.Fields, f)
		}
		out = append(out, m)
	}
	return out
}
