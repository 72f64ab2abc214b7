package resource

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/crossgate/crossgate/internal/diag"
)

// Set is an immutable, indexed collection of objects with distinct keys. The
// zero value is empty. Everything that it returns is shared: do not modify it.
type Set struct {
	byKey  map[Key]*Resource
	byKind map[string][]*Resource
	all    []*Resource
}

// NewSet indexes objects. Of several objects with one key the first given is
// kept; each further one is an error that points at the first.
func NewSet(rs []*Resource) (*Set, diag.List) {
	var diags diag.List
	byKey := make(map[Key]*Resource, len(rs))
	kept := make([]*Resource, 0, len(rs))
	for _, r := range rs {
		if first, ok := byKey[r.Key]; ok {
			diags = append(diags, diag.Diagnostic{
				Pos:      r.Pos,
				Severity: diag.Error,
				Code:     CodeDuplicateObject,
				Object:   r.Key.String(),
				Message:  r.Key.String() + " is defined more than once; the first definition counts",
				Related:  []diag.Related{{Pos: first.Pos, Message: "first defined here"}},
			})
			continue
		}
		byKey[r.Key] = r
		kept = append(kept, r)
	}
	return index(byKey, kept), diags
}

func index(byKey map[Key]*Resource, all []*Resource) *Set {
	slices.SortFunc(all, compare)
	byKind := make(map[string][]*Resource)
	for _, r := range all {
		byKind[r.Kind] = append(byKind[r.Kind], r)
	}
	return &Set{byKey: byKey, byKind: byKind, all: all}
}

// compare orders objects by kind and, inside a kind, as istiod orders them: by
// creation time, then name, then namespace (sortConfigByCreationTime in its
// pilot/pkg/model).
func compare(a, b *Resource) int {
	return cmp.Or(
		strings.Compare(a.Kind, b.Kind),
		created(a).Compare(created(b)),
		strings.Compare(a.Name, b.Name),
		strings.Compare(a.Namespace, b.Namespace),
	)
}

// Get returns the object with key k, or nil.
func (s *Set) Get(k Key) *Resource { return s.byKey[k] }

// Kind returns the objects of a kind in istiod's order: creation time, name,
// namespace.
func (s *Set) Kind(kind string) []*Resource { return s.byKind[kind] }

// All returns every object, ordered by kind and then as Kind does.
func (s *Set) All() []*Resource { return s.all }

// Len returns the number of objects.
func (s *Set) Len() int { return len(s.all) }

// With returns a set in which each overlay replaces the object with its key or
// is added. The receiver does not change.
func (s *Set) With(overlays ...*Resource) *Set {
	byKey := make(map[Key]*Resource, len(s.all)+len(overlays))
	for k, r := range s.byKey {
		byKey[k] = r
	}
	for _, r := range overlays {
		byKey[r.Key] = r
	}
	all := make([]*Resource, 0, len(byKey))
	for _, r := range byKey {
		all = append(all, r)
	}
	return index(byKey, all)
}

// created returns when an object was made: one that has no time is made when it
// is applied, and is newer than those that have one.
func created(r *Resource) time.Time {
	if r.Created.IsZero() {
		return time.Unix(1<<40, 0)
	}
	return r.Created
}
