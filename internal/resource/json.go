package resource

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// isJSON reports whether a document is a JSON object. JSON has its own reader,
// since YAML's lacks some of its escapes ("\/", surrogate pairs).
func isJSON(text []byte) bool {
	text = bytes.TrimSpace(text)
	return len(text) > 0 && text[0] == '{' && json.Valid(text)
}

// jsonReader turns valid JSON into nodes.
type jsonReader struct {
	*json.Decoder
	text   []byte
	starts []int
	line   int
}

func (d *document) parseJSON() (*node, error) {
	r := &jsonReader{Decoder: json.NewDecoder(bytes.NewReader(d.text)), text: d.text, starts: lineStarts(d.text), line: d.line}
	r.UseNumber()
	return r.value(0)
}

// next returns a token with its place.
func (r *jsonReader) next() (json.Token, place, error) {
	at := int(r.InputOffset())
	for at < len(r.text) && bytes.IndexByte([]byte(" \t\r\n,:"), r.text[at]) >= 0 {
		at++
	}
	line := lineOf(r.starts, at)
	p := place{line: r.line + line + 1, col: at - r.starts[line] + 1}
	t, err := r.Token()
	if err != nil {
		return nil, p, &problem{at: p, code: CodeSyntax, message: "not valid JSON: " + err.Error()}
	}
	return t, p, nil
}

func (r *jsonReader) value(depth int) (*node, error) {
	t, p, err := r.next()
	if err != nil {
		return nil, err
	}
	if depth > maxDepth {
		return nil, tooDeep(p)
	}
	switch v := t.(type) {
	case json.Delim:
		if v == '[' {
			return r.list(p, depth)
		}
		return r.object(p, depth)
	case string:
		return &node{kind: stringNode, at: p, text: v}, nil
	case json.Number:
		return &node{kind: numberNode, at: p, text: v.String()}, nil
	case bool:
		return &node{kind: boolNode, at: p, text: fmt.Sprint(v)}, nil
	}
	return &node{kind: nullNode, at: p}, nil
}

func (r *jsonReader) list(p place, depth int) (*node, error) {
	n := &node{kind: listNode, at: p}
	for r.More() {
		item, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		n.items = append(n.items, item)
	}
	_, _, err := r.next()
	return n, err
}

func (r *jsonReader) object(p place, depth int) (*node, error) {
	n := &node{kind: mapNode, at: p}
	seen := make(map[string]place)
	for r.More() {
		t, keyAt, err := r.next()
		if err != nil {
			return nil, err
		}
		name, _ := t.(string)
		if first, ok := seen[name]; ok {
			return nil, duplicateKey(name, keyAt, first)
		}
		seen[name] = keyAt
		v, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		n.fields = append(n.fields, field{name: name, at: keyAt, value: v})
	}
	_, _, err := r.next()
	return n, err
}
