package stats

import (
	"cmp"
	"reflect"
	"slices"
)

// group is the statistics of one scope: the fields of a struct.
type group struct {
	scope  Scope
	fields any // a pointer to the struct
	list   []named
}

// named is a statistic under its name.
type named struct {
	scope Scope
	name  string
	statistic
}

type groupKey struct {
	path string
	kind reflect.Type
}

// Of returns the statistics of a scope. T is a struct whose fields are Counters,
// Gauges, Histograms, Classes or Codes, each with the rest of its name as the tag
// `stat`, or structs of such with a part of the name. The same scope and T are the
// same statistics.
func Of[T any](s *Store, sc Scope) *T {
	g := s.group(groupKey{sc.path, reflect.TypeFor[T]()}, sc)
	return g.fields.(*T)
}

func (s *Store) group(key groupKey, sc Scope) *group {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g := s.groups[key]; g != nil {
		return g
	}
	v := reflect.New(key.kind)
	g := &group{scope: sc, fields: v.Interface()}
	g.collect(v.Elem(), sc)
	s.groups[key] = g
	return g
}

func (g *group) collect(v reflect.Value, sc Scope) {
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get("stat")
		switch f := v.Field(i).Addr().Interface().(type) {
		case *Histogram:
			f.begin()
			g.list = append(g.list, named{sc, name, f})
		case statistic:
			g.list = append(g.list, named{sc, name, f})
		default:
			g.collect(v.Field(i), sc.In(name))
		}
	}
}

// Generation is the statistics that one version of the configuration counts in.
type Generation struct {
	store *Store
	used  map[*group]bool
}

// Generation begins a version of the configuration.
func (s *Store) Generation() *Generation {
	return &Generation{store: s, used: map[*group]bool{}}
}

// Use is Of for what a version of the configuration counts in.
func Use[T any](gen *Generation, sc Scope) *T {
	g := gen.store.group(groupKey{sc.path, reflect.TypeFor[T]()}, sc)
	gen.used[g] = true
	return g.fields.(*T)
}

// Commit forgets the statistics of earlier versions that this one does not use:
// their number is bounded by what is configured at a time.
func (gen *Generation) Commit() {
	s := gen.store
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, g := range s.groups {
		if s.configured[g] && !gen.used[g] {
			delete(s.groups, key)
		}
	}
	s.configured = gen.used
}

// OnRead makes f be called before statistics are read: it sets the gauges that
// are looked up and not counted.
func (s *Store) OnRead(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onRead = append(s.onRead, f)
}

// Samples returns what the Envoy statistics are now, sorted by their names.
func (s *Store) Samples() []Sample {
	s.mu.Lock()
	hooks := slices.Clone(s.onRead)
	s.mu.Unlock()
	for _, f := range hooks {
		f()
	}
	s.mu.Lock()
	groups := make([]*group, 0, len(s.groups))
	for _, g := range s.groups {
		groups = append(groups, g)
	}
	s.mu.Unlock()
	var out []Sample
	for _, g := range groups {
		for _, n := range g.list {
			n.read(n.scope, n.name, func(x Sample) { out = append(out, x) })
		}
	}
	slices.SortFunc(out, func(a, b Sample) int { return cmp.Compare(a.Name, b.Name) })
	return out
}
