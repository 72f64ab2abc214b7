package xds

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/crossgate/crossgate/internal/diag"
)

// maxProblems is how many problems of one bootstrap are told.
const maxProblems = 50

// Places tells where the fields of a document were written, by paths such as
// static_resources.listeners[0].name: the names of the protos, map keys with
// dots quoted.
type Places interface {
	// At returns the place of a value, or of the last parent that is there.
	At(path string) diag.Pos
	// Key returns the place of a field's name.
	Key(path string) diag.Pos
}

// Decode decodes the JSON form of a message, strictly: unknown fields, wrong
// types and extensions of unknown types are errors, each at its place. With any
// of them the content of m means nothing.
func Decode(text []byte, m proto.Message, p Places) diag.List {
	err := unmarshal(text, m)
	if err == nil {
		return nil
	}
	l := &locator{index: p}
	l.message(text, m.ProtoReflect().Descriptor(), "")
	if len(l.diags) == 0 {
		l.add("", "%s", reason(err))
	}
	l.diags.Sort()
	return l.diags
}

// locator finds out which parts of a document a message cannot be decoded
// from. The decoder says only what is wrong, not where, and stops at the first;
// so each field is decoded alone and the ones that fail are entered. That costs
// time only when there is an error to explain.
type locator struct {
	index Places
	diags diag.List
	// found counts the problems, told or not.
	found int
}

func (l *locator) add(path, format string, args ...any) {
	l.addAt(l.index.At(path), path, fmt.Sprintf(format, args...))
}

// addAt adds a problem unless it was told: an alias repeats what is wrong with
// its anchor.
func (l *locator) addAt(pos diag.Pos, path, message string) {
	l.found++
	told := slices.ContainsFunc(l.diags, func(d diag.Diagnostic) bool { return pos.Line > 0 && d.Pos == pos && d.Message == message })
	if !told && len(l.diags) < maxProblems {
		l.diags = append(l.diags, diag.Diagnostic{Pos: pos, Severity: diag.Error, Code: CodeBootstrap, Path: path, Message: message})
	}
}

// message explains why text is not the JSON form of a message.
func (l *locator) message(text json.RawMessage, md protoreflect.MessageDescriptor, path string) {
	if md.FullName() == "google.protobuf.Any" {
		l.any(text, path)
		return
	}
	var object map[string]json.RawMessage
	if isWellKnown(md) || json.Unmarshal(text, &object) != nil {
		l.leaf(text, md, path)
		return
	}
	before := l.found
	for _, key := range slices.Sorted(maps.Keys(object)) {
		fd := fieldByName(md, key)
		if fd == nil {
			at := join(path, key)
			l.addAt(l.index.Key(at), at, fmt.Sprintf("%s has no field %q", md.FullName(), key))
			continue
		}
		if err := decodeField(md, key, object[key]); err != nil {
			l.field(object[key], fd, md, key, join(path, string(fd.Name())), err)
		}
	}
	if l.found == before {
		l.leaf(text, md, path)
	}
}

// field explains why one field cannot be decoded.
func (l *locator) field(text json.RawMessage, fd protoreflect.FieldDescriptor, md protoreflect.MessageDescriptor, key, path string, err error) {
	before := l.found
	switch {
	case fd.IsMap():
		var object map[string]json.RawMessage
		if json.Unmarshal(text, &object) == nil && fd.MapValue().Message() != nil {
			for _, k := range slices.Sorted(maps.Keys(object)) {
				l.value(object[k], fd.MapValue().Message(), path+"["+strconv.Quote(k)+"]")
			}
		}
	case fd.IsList():
		var list []json.RawMessage
		if json.Unmarshal(text, &list) == nil {
			for i, e := range list {
				at := fmt.Sprintf("%s[%d]", path, i)
				if fd.Message() != nil {
					l.value(e, fd.Message(), at)
				} else if err := decodeField(md, key, json.RawMessage("["+string(e)+"]")); err != nil {
					l.add(at, "%s", reason(err))
				}
			}
		}
	case fd.Message() != nil:
		l.message(text, fd.Message(), path)
	}
	if l.found == before {
		l.add(path, "%s", reason(err))
	}
}

// value explains a message if there is something to explain.
func (l *locator) value(text json.RawMessage, md protoreflect.MessageDescriptor, path string) {
	if err := decode(text, md); err != nil {
		l.message(text, md, path)
	}
}

// any explains a typed_config: its type first, then the fields of that type.
func (l *locator) any(text json.RawMessage, path string) {
	var object map[string]json.RawMessage
	var url string
	if err := json.Unmarshal(text, &object); err != nil {
		l.add(path, "want an object with @type")
		return
	}
	if err := json.Unmarshal(object["@type"], &url); err != nil || url == "" {
		l.add(path, `"@type" is missing`)
		return
	}
	mt, err := protoregistry.GlobalTypes.FindMessageByURL(url)
	if err != nil {
		l.add(join(path, "@type"), "unknown type %s", url)
		return
	}
	if isWellKnown(mt.Descriptor()) {
		l.leaf(text, mt.Descriptor(), path)
		return
	}
	delete(object, "@type")
	rest, err := json.Marshal(object)
	if err != nil {
		l.add(path, "%v", err)
		return
	}
	l.message(rest, mt.Descriptor(), path)
}

func (l *locator) leaf(text json.RawMessage, md protoreflect.MessageDescriptor, path string) {
	if err := decode(text, md); err != nil {
		l.add(path, "%s", reason(err))
	}
}

// isWellKnown reports whether protobuf gives a message a JSON form that does
// not follow its fields.
func isWellKnown(md protoreflect.MessageDescriptor) bool {
	return md.ParentFile().Package() == "google.protobuf" && md.FullName() != "google.protobuf.Any"
}

func fieldByName(md protoreflect.MessageDescriptor, name string) protoreflect.FieldDescriptor {
	if fd := md.Fields().ByName(protoreflect.Name(name)); fd != nil {
		return fd
	}
	return md.Fields().ByJSONName(name)
}

func decode(text json.RawMessage, md protoreflect.MessageDescriptor) error {
	mt, err := protoregistry.GlobalTypes.FindMessageByName(md.FullName())
	if err != nil {
		return fmt.Errorf("%s: %w", md.FullName(), err)
	}
	return unmarshal(text, mt.New().Interface())
}

func decodeField(md protoreflect.MessageDescriptor, key string, text json.RawMessage) error {
	name, err := json.Marshal(key)
	if err != nil {
		return err
	}
	return decode(json.RawMessage("{"+string(name)+":"+string(text)+"}"), md)
}

// decoderPrefix is what the decoder puts before its words: its own name, with
// a blank that changes between builds on purpose, and a place in our JSON.
var decoderPrefix = regexp.MustCompile(`^proto:[\s\x{a0}]*(syntax error )?(\(line \d+:\d+\):\s*)?`)

func reason(err error) string { return decoderPrefix.ReplaceAllString(err.Error(), "") }

func join(path, name string) string {
	if strings.ContainsAny(name, `.["`) {
		return path + "[" + strconv.Quote(name) + "]"
	}
	if path == "" {
		return name
	}
	return path + "." + name
}
