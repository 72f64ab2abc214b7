package resource

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// nodeKind is the JSON type of a value.
type nodeKind uint8

const (
	nullNode nodeKind = iota
	boolNode
	numberNode
	stringNode
	listNode
	mapNode
)

// String names the type in the words of a message.
func (k nodeKind) String() string {
	return [...]string{"null", "a boolean", "a number", "a string", "a list", "a mapping"}[k]
}

// place is a position inside the file that is being parsed, from 1.
type place struct{ line, col int }

// node is one value of a document with its place: aliases and merge keys are
// resolved, scalars typed. All later steps (JSON, schema, positions) read it, so
// that values and positions cannot disagree.
type node struct {
	kind nodeKind
	at   place
	// text is the string, or the JSON literal of a number or boolean.
	text   string
	fields []field
	items  []*node
}

// field is one entry of a mapping, in the order of the file.
type field struct {
	name  string
	at    place
	value *node
}

// get returns the value of a field of a mapping, or nil.
func (n *node) get(name string) *node {
	if n == nil {
		return nil
	}
	for i := range n.fields {
		if n.fields[i].name == name {
			return n.fields[i].value
		}
	}
	return nil
}

// str returns the text of a string field, or "".
func (n *node) str(name string) string {
	if v := n.get(name); v != nil && v.kind == stringNode {
		return v.text
	}
	return ""
}

// json returns the value as JSON with sorted keys, so that equal contents have
// equal bytes.
func (n *node) json() []byte {
	var b bytes.Buffer
	n.writeJSON(&b)
	return b.Bytes()
}

func (n *node) writeJSON(b *bytes.Buffer) {
	switch n.kind {
	case nullNode:
		b.WriteString("null")
	case boolNode, numberNode:
		b.WriteString(n.text)
	case stringNode:
		writeString(b, n.text)
	case listNode:
		b.WriteByte('[')
		for i, item := range n.items {
			if i > 0 {
				b.WriteByte(',')
			}
			item.writeJSON(b)
		}
		b.WriteByte(']')
	case mapNode:
		writeObject(b, n.fields)
	}
}

func writeObject(b *bytes.Buffer, fields []field) {
	sorted := slices.SortedFunc(slices.Values(fields), func(x, y field) int { return strings.Compare(x.name, y.name) })
	b.WriteByte('{')
	for i, f := range sorted {
		if i > 0 {
			b.WriteByte(',')
		}
		writeString(b, f.name)
		b.WriteByte(':')
		f.value.writeJSON(b)
	}
	b.WriteByte('}')
}

func writeString(b *bytes.Buffer, s string) {
	text, err := json.Marshal(s)
	if err != nil { // json never refuses a string
		text = []byte(`""`)
	}
	b.Write(text)
}
