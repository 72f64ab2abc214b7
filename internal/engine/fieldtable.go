package engine

import (
	"maps"
	"slices"

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
// the documentation. The name of a field stands for the message in that field.
func Messages() []Message {
	var out []Message
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		d := messageAt(name)
		if d == nil {
			continue // TestMessagesExist fails
		}
		m := Message{Name: string(name)}
		for i := range d.Fields().Len() {
			f := Field{Name: string(d.Fields().Get(i).Name()), Support: FieldRefused}
			if run, taken := rules[name][protoreflect.Name(f.Name)]; run {
				f.Support = FieldRun
			} else if taken {
				f.Support = FieldAside
			}
			m.Fields = append(m.Fields, f)
		}
		out = append(out, m)
	}
	return out
}

// messageAt finds a message by its name, or by that of a field that holds it.
func messageAt(name protoreflect.FullName) protoreflect.MessageDescriptor {
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(name)
	if err != nil {
		return nil
	}
	switch d := d.(type) {
	case protoreflect.MessageDescriptor:
		return d
	case protoreflect.FieldDescriptor:
		return d.Message()
	}
	return nil
}
