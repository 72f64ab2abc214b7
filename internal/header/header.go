package header

import "slices"

// Field is one header field. Name is lower-case. Both slices belong to whoever
// filled the list (a connection's buffer, an Arena, the program) and are valid
// until the request they belong to has ended.
type Field struct {
	Name, Value []byte
}

// List is an ordered list of fields. The zero value is empty and ready to use;
// Reset keeps its memory for the next request.
//
// Fields may be read, reordered and cut by everybody, and its values replaced.
// Names come in through the methods only: they note what may be there, and a name
// that cannot be there, which most that are asked for are, costs no search.
type List struct {
	Fields []Field

	names uint64 // the marks of all names that have come in since Reset
}

// mark is the bit that stands for a name, and for others.
func mark[T string | []byte](name T) uint64 {
	n := len(name)
	if n == 0 {
		return 1
	}
	return 1 << ((uint(n)*5 + uint(name[0]) + uint(name[n/2])*3 + uint(name[n-1])*7) & 63)
}

// Reset empties the list and keeps its capacity.
func (l *List) Reset() { l.Fields, l.names = l.Fields[:0], 0 }

// Add appends a field.
func (l *List) Add(name, value []byte) {
	l.names |= mark(name)
	l.Fields = append(l.Fields, Field{name, value})
}

// CopyFrom makes the list one of the same fields as another; the bytes stay where they
// are.
func (l *List) CopyFrom(from *List) {
	l.Fields, l.names = append(l.Fields[:0], from.Fields...), from.names
}

// Index returns the index of the first field with the lower-case name, or -1.
func (l *List) Index(name string) int {
	if l.names&mark(name) == 0 {
		return -1
	}
	for i := range l.Fields {
		if string(l.Fields[i].Name) == name {
			return i
		}
	}
	return -1
}

// Get returns the value of the first field with the lower-case name, and
// whether there is one.
func (l *List) Get(name string) ([]byte, bool) {
	if i := l.Index(name); i >= 0 {
		return l.Fields[i].Value, true
	}
	return nil, false
}

// Has reports whether a field with the lower-case name is there.
func (l *List) Has(name string) bool { return l.Index(name) >= 0 }

// Set gives the first field with the name the value, in its place, and removes
// the others; it appends the field if there is none.
func (l *List) Set(name, value []byte) {
	i := l.Index(string(name))
	if i < 0 {
		l.Add(name, value)
		return
	}
	l.Fields[i].Value = value
	l.removeFrom(i+1, string(name))
}

// Remove deletes all fields with the lower-case name and reports how many there
// were. The others keep their order.
func (l *List) Remove(name string) int {
	if l.names&mark(name) == 0 {
		return 0
	}
	return l.removeFrom(0, name)
}

func (l *List) removeFrom(from int, name string) int {
	w := from
	for r := from; r < len(l.Fields); r++ {
		if string(l.Fields[r].Name) != name {
			l.Fields[w] = l.Fields[r]
			w++
		}
	}
	n := len(l.Fields) - w
	l.Fields = l.Fields[:w]
	return n
}

// Insert puts a field before index i.
func (l *List) Insert(i int, name, value []byte) {
	l.names |= mark(name)
	l.Fields = slices.Insert(l.Fields, i, Field{name, value})
}

// Arena is memory for the header bytes that a request makes while it is
// processed. Slices taken from it stay valid until Reset, also when the arena
// grows. The zero value is ready to use.
type Arena struct {
	buf []byte
}

// Reset makes the arena's memory free for the next request.
func (a *Arena) Reset() { a.buf = a.buf[:0] }

// Cap is how much memory the arena has, in bytes.
func (a *Arena) Cap() int { return cap(a.buf) }

// Start returns an empty slice at the arena's end: append to it, then hand the
// result to Done. Nothing else may use the arena in between.
func (a *Arena) Start() []byte { return a.buf[len(a.buf):] }

// Done keeps b, which began with Start, and returns it with its capacity cut,
// so that appending to it cannot overwrite a neighbour.
func (a *Arena) Done(b []byte) []byte {
	if len(b) == 0 {
		return b[:0:0]
	}
	if cap(b) <= cap(a.buf)-len(a.buf) && &a.buf[:cap(a.buf)][len(a.buf)] == &b[0] {
		a.buf = a.buf[:len(a.buf)+len(b)]
		return b[:len(b):len(b)]
	}
	// The append outgrew the arena. Its successor is twice as large, so that
	// after a few requests one piece holds all that a request makes.
	a.buf = append(make([]byte, 0, max(512, 2*cap(a.buf), 2*len(b))), b...)
	return a.buf[:len(b):len(b)]
}

// Copy keeps a copy of b.
func (a *Arena) Copy(b []byte) []byte { return a.Done(append(a.Start(), b...)) }
