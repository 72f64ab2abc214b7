package resource

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"slices"
)

// contentHash identifies what an object says. What an API server adds and
// rewrites without a change of meaning is left out.
func contentHash(root *node) string {
	root = without(root, "status")
	if meta := root.get("metadata"); meta != nil && meta.kind == mapNode {
		bare := without(meta, "managedFields", "resourceVersion", "generation", "uid", "selfLink")
		root = without(root, "metadata")
		root.fields = append(root.fields, field{name: "metadata", value: bare})
	}
	var b bytes.Buffer
	root.writeJSON(&b)
	sum := sha256.Sum256(b.Bytes())
	return hex.EncodeToString(sum[:16])
}

// without returns a copy of a mapping that lacks some fields.
func without(n *node, names ...string) *node {
	out := *n
	out.fields = slices.DeleteFunc(slices.Clone(n.fields), func(f field) bool { return slices.Contains(names, f.name) })
	return &out
}
