package resource

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/crossgate/crossgate/internal/diag"
)

// positions finds the place of a field path. It keeps 16 bytes a field (a hash of
// the path, line, column) and not the text or the tree, so that tens of thousands
// of objects stay small and every look-up is fast.
type positions struct {
	file    string
	root    place
	entries []positionEntry
}

type positionEntry struct {
	hash      uint64
	line, col uint32
}

func newPositions(file string, root *node) *positions {
	p := &positions{file: file, root: root.at}
	p.add(root, fnvOffset)
	p.entries = slices.Clip(p.entries)
	slices.SortFunc(p.entries, func(a, b positionEntry) int { return cmp.Compare(a.hash, b.hash) })
	return p
}

func (p *positions) add(n *node, path uint64) {
	for i := range n.fields {
		f := &n.fields[i]
		at := f.value.at
		if f.value.kind == nullNode {
			at = f.at // an empty value stands nowhere useful
		}
		p.put(f.value, at, step(path, f.name))
	}
	for i, item := range n.items {
		p.put(item, item.at, fnv(path, "["+strconv.Itoa(i)+"]"))
	}
}

func (p *positions) put(n *node, at place, path uint64) {
	p.entries = append(p.entries, positionEntry{hash: path, line: uint32(at.line), col: uint32(at.col)})
	p.add(n, path)
}

// at returns the place of path or of its nearest written parent.
func (p *positions) at(path string) diag.Pos {
	for path != "" {
		want := fnv(fnvOffset, path)
		i, ok := slices.BinarySearchFunc(p.entries, want, func(e positionEntry, h uint64) int { return cmp.Compare(e.hash, h) })
		if ok {
			return diag.Pos{File: p.file, Line: int(p.entries[i].line), Col: int(p.entries[i].col)}
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return diag.Pos{File: p.file, Line: p.root.line, Col: p.root.col}
}

// FNV-1a, for it can be continued field by field.
const (
	fnvOffset = 14695981039346656037
	fnvPrime  = 1099511628211
)

func fnv(h uint64, s string) uint64 {
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * fnvPrime
	}
	return h
}

// step continues the hash of a path by a field name, as join does its text.
func step(path uint64, name string) uint64 {
	if path != fnvOffset {
		path = fnv(path, ".")
	}
	return fnv(path, name)
}

// join appends a field name to a path.
func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// at appends an index to a path.
func at(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }
