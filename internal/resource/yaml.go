package resource

import (
	"encoding/json"
	"fmt"
	"strings"

	yaml "go.yaml.in/yaml/v3"
	sigsyaml "sigs.k8s.io/yaml"
)

const (
	// maxDepth of nesting; the deepest real objects (EnvoyFilter) stay below 30.
	maxDepth = 128
	// maxAliased bounds how many values the aliases of one document may stand
	// for, so that a small file cannot become a large one.
	maxAliased = 100_000
)

// converter turns yaml nodes into ours. Scalars mean what they mean to kubectl
// and istioctl, which read them with sigs.k8s.io/yaml (YAML 1.1: "yes" is true):
// what is not plainly a string or a small integer is typed by that library.
type converter struct {
	doc     *document
	scalars map[string]*node
	aliased int
	inAlias int
}

// problem is a positioned failure to read a document.
type problem struct {
	at      place
	code    string
	message string
	related *place
}

func (p *problem) Error() string { return p.message }

func tooDeep(at place) *problem {
	return &problem{at: at, code: CodeLimit, message: fmt.Sprintf("values are nested more than %d levels deep", maxDepth)}
}

func duplicateKey(name string, at, first place) *problem {
	return &problem{at: at, code: CodeDuplicateKey, message: fmt.Sprintf("the key %s is written twice", quote(name)), related: &first}
}

func (c *converter) convert(n *yaml.Node, depth int) (*node, error) {
	at := c.doc.place(n)
	if depth > maxDepth {
		return nil, tooDeep(at)
	}
	if c.inAlias > 0 {
		if c.aliased++; c.aliased > maxAliased {
			return nil, &problem{at: at, code: CodeLimit, message: fmt.Sprintf("the aliases of this document stand for more than %d values", maxAliased)}
		}
	}
	switch n.Kind {
	case yaml.ScalarNode:
		return c.scalar(n, at)
	case yaml.AliasNode:
		c.inAlias++
		defer func() { c.inAlias-- }()
		v, err := c.convert(n.Alias, depth+1)
		if err != nil {
			return nil, atAlias(err, at)
		}
		target := *v
		target.at = at
		return &target, nil
	case yaml.SequenceNode:
		out := &node{kind: listNode, at: at, items: make([]*node, 0, len(n.Content))}
		for _, item := range n.Content {
			v, err := c.convert(item, depth+1)
			if err != nil {
				return nil, err
			}
			out.items = append(out.items, v)
		}
		return out, nil
	case yaml.MappingNode:
		return c.mapping(n, at, depth)
	}
	return &node{kind: nullNode, at: at}, nil
}

// atAlias moves a limit that was hit inside an alias to the place of the alias,
// which is the one to repair.
func atAlias(err error, at place) error {
	if p, ok := err.(*problem); ok && p.code == CodeLimit {
		p.at = at
	}
	return err
}

func (c *converter) mapping(n *yaml.Node, at place, depth int) (*node, error) {
	out := &node{kind: mapNode, at: at, fields: make([]field, 0, len(n.Content)/2)}
	seen := make(map[string]place, len(n.Content)/2)
	var merges []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind == yaml.ScalarNode && key.Tag == "!!merge" {
			merges = append(merges, value)
			continue
		}
		name, err := c.key(key)
		if err != nil {
			return nil, err
		}
		keyAt := c.doc.place(key)
		if first, ok := seen[name]; ok {
			return nil, duplicateKey(name, keyAt, first)
		}
		seen[name] = keyAt
		v, err := c.convert(value, depth+1)
		if err != nil {
			return nil, err
		}
		out.fields = append(out.fields, field{name: name, at: keyAt, value: v})
	}
	for _, m := range merges {
		if err := c.merge(out, m, seen, depth); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// merge adds what "<<" brings: fields that the mapping does not have itself, of
// several merged mappings the first that has them.
func (c *converter) merge(into *node, value *yaml.Node, seen map[string]place, depth int) error {
	v, err := c.convert(value, depth+1)
	if err != nil {
		return err
	}
	sources := []*node{v}
	if v.kind == listNode {
		sources = v.items
	}
	for _, src := range sources {
		if src.kind != mapNode {
			return &problem{at: c.doc.place(value), code: CodeSyntax, message: "a merge key (<<) takes a mapping or a list of mappings"}
		}
		for _, f := range src.fields {
			if _, ok := seen[f.name]; !ok {
				seen[f.name] = f.at
				into.fields = append(into.fields, f)
			}
		}
	}
	return nil
}

func (c *converter) key(n *yaml.Node) (string, error) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	at := c.doc.place(n)
	if n.Kind != yaml.ScalarNode {
		return "", &problem{at: at, code: CodeSyntax, message: "a key must be a string"}
	}
	v, err := c.scalar(n, at)
	if err != nil {
		return "", err
	}
	if v.kind == nullNode {
		return "", &problem{at: at, code: CodeSyntax, message: "a key must not be empty"}
	}
	return v.text, nil
}

func (c *converter) scalar(n *yaml.Node, at place) (*node, error) {
	switch {
	case n.Style&yaml.TaggedStyle != 0 && n.Tag != "!!str":
		quoted, err := json.Marshal(n.Value)
		if err != nil {
			return nil, &problem{at: at, code: CodeSyntax, message: err.Error()}
		}
		return typed(n.Tag+" "+string(quoted), at)
	case n.Style != 0 || !ambiguous(n.Value):
		return &node{kind: stringNode, at: at, text: n.Value}, nil
	case n.Value == "":
		return &node{kind: nullNode, at: at}, nil
	}
	if v, ok := c.scalars[n.Value]; ok {
		same := *v
		same.at = at
		return &same, nil
	}
	v, err := typed(n.Value, at)
	if err == nil && len(n.Value) <= 16 {
		c.scalars[n.Value] = v
	}
	return v, err
}

// ambiguous reports whether a plain scalar may be other than a string in YAML
// 1.1: its resolver looks at the first byte, then at a few words.
func ambiguous(s string) bool {
	if s == "" {
		return true
	}
	switch s[0] {
	case '+', '-', '.', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return true
	}
	if len(s) > len("false") {
		return false
	}
	switch strings.ToLower(s) {
	case "y", "n", "yes", "no", "on", "off", "true", "false", "null", "~", "<<":
		return true
	}
	return false
}

// typed lets sigs.k8s.io/yaml say what a scalar is.
func typed(text string, at place) (*node, error) {
	out, err := sigsyaml.YAMLToJSON([]byte("v: " + text))
	if err != nil {
		return nil, &problem{at: at, code: CodeSyntax, message: fmt.Sprintf("cannot read %s: %s", quote(text), clip(strings.TrimPrefix(err.Error(), "yaml: ")))}
	}
	var v struct{ V json.RawMessage }
	if err := json.Unmarshal(out, &v); err != nil {
		return nil, &problem{at: at, code: CodeSyntax, message: err.Error()}
	}
	literal := string(v.V)
	n := &node{at: at, text: literal}
	switch {
	case literal == "null":
		n.kind = nullNode
	case literal == "true" || literal == "false":
		n.kind = boolNode
	case strings.HasPrefix(literal, `"`):
		n.kind = stringNode
		if err := json.Unmarshal(v.V, &n.text); err != nil {
			return nil, &problem{at: at, code: CodeSyntax, message: err.Error()}
		}
	case strings.HasPrefix(literal, "{"), strings.HasPrefix(literal, "["):
		return nil, &problem{at: at, code: CodeSyntax, message: fmt.Sprintf("cannot read %s as one value", quote(text))}
	default:
		n.kind = numberNode
	}
	return n, nil
}
