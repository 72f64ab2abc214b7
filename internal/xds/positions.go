package xds

import (
	"encoding/json"
	"errors"
	"regexp"
	"strconv"
	"strings"

	yamlv3 "go.yaml.in/yaml/v3"

	"github.com/crossgate/crossgate/internal/diag"
)

// positions finds the places of field paths in a document.
type positions struct {
	file string
	root *yamlv3.Node
}

// newPositions parses the document for its places. A document that this parser
// does not take (JSON with surrogate escapes, for one) has only its file.
func newPositions(file string, data []byte) (p *positions) {
	p = &positions{file: file}
	defer func() {
		if recover() != nil {
			p.root = nil
		}
	}()
	var doc yamlv3.Node
	if err := yamlv3.Unmarshal(data, &doc); err == nil && len(doc.Content) > 0 {
		p.root = doc.Content[0]
	}
	return p
}

// At returns the place of the value at a path such as
// static_resources.listeners[0].name, or of the last parent that is there.
// Field names may be written in snake_case or camelCase; a map key with dots is
// quoted: typed_per_filter_config["envoy.filters.http.cors"].
func (p *positions) At(path string) diag.Pos {
	_, value := p.find(path)
	return p.pos(value)
}

// Key returns the place of the name of the field at a path.
func (p *positions) Key(path string) diag.Pos {
	key, _ := p.find(path)
	return p.pos(key)
}

func (p *positions) pos(n *yamlv3.Node) diag.Pos {
	if n == nil {
		return diag.Pos{File: p.file}
	}
	return diag.Pos{File: p.file, Line: n.Line, Col: n.Column}
}

// find returns the nodes of the field at a path, or of the last parent that is
// there.
func (p *positions) find(path string) (key, value *yamlv3.Node) {
	if p.root == nil {
		return nil, nil
	}
	key, value = p.root, p.root
	for _, step := range SplitPath(path) {
		k, v := child(value, step)
		if v == nil {
			break
		}
		key, value = k, v
	}
	return key, value
}

// SplitPath takes a path of Places apart into names and indexes.
func SplitPath(path string) []string {
	var out []string
	for path != "" {
		switch {
		case path[0] == '.':
			path = path[1:]
		case strings.HasPrefix(path, `["`):
			if q, err := strconv.QuotedPrefix(path[1:]); err == nil {
				name, _ := strconv.Unquote(q)
				out = append(out, name)
				path = strings.TrimPrefix(path[1+len(q):], "]")
				continue
			}
			return out
		case path[0] == '[':
			index, rest, _ := strings.Cut(path[1:], "]")
			out = append(out, index)
			path = rest
		default:
			end := strings.IndexAny(path, ".[")
			if end < 0 {
				end = len(path)
			}
			out = append(out, path[:end])
			path = path[end:]
		}
	}
	return out
}

// child returns a member of a mapping, or an element of a sequence, which is its
// own key.
func child(n *yamlv3.Node, step string) (key, value *yamlv3.Node) {
	for n.Kind == yamlv3.AliasNode {
		n = n.Alias
	}
	switch n.Kind {
	case yamlv3.SequenceNode:
		if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(n.Content) {
			return n.Content[i], n.Content[i]
		}
	case yamlv3.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if key := n.Content[i].Value; key == step || snake(key) == step {
				return n.Content[i], n.Content[i+1]
			}
		}
	}
	return nil, nil
}

// snake turns protobuf's JSON name of a field into its name.
func snake(s string) string {
	var b strings.Builder
	for _, r := range s {
		if 'A' <= r && r <= 'Z' {
			b.WriteByte('_')
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return b.String()
}

func jsonError(data []byte) error {
	var v any
	return json.Unmarshal(data, &v)
}

// jsonErrorPos is the place of the syntax error of a JSON document.
func jsonErrorPos(file string, data []byte) diag.Pos {
	var syntax *json.SyntaxError
	if !errors.As(jsonError(data), &syntax) {
		return diag.Pos{File: file}
	}
	before := string(data[:min(int(syntax.Offset), len(data))])
	line := strings.Count(before, "\n") + 1
	col := len(before) - strings.LastIndexByte(before, '\n') - 1
	return diag.Pos{File: file, Line: line, Col: max(col, 1)}
}

var yamlLine = regexp.MustCompile(`line (\d+)`)

// yamlErrorPos reads the line out of a YAML error, the only place where the
// library says it. For some errors only the parser of the positions says it.
func yamlErrorPos(file string, data []byte, err error) diag.Pos {
	if !yamlLine.MatchString(err.Error()) {
		var n yamlv3.Node
		if other := yamlv3.Unmarshal(data, &n); other != nil {
			err = other
		}
	}
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		line, _ := strconv.Atoi(m[1])
		return diag.Pos{File: file, Line: line, Col: 1}
	}
	return diag.Pos{File: file}
}
