package header

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

func list(pairs ...string) *List {
	l := &List{}
	for i := 0; i < len(pairs); i += 2 {
		l.Add([]byte(pairs[i]), []byte(pairs[i+1]))
	}
	return l
}

func (l *List) text() string {
	s := ""
	for _, f := range l.Fields {
		s += fmt.Sprintf("%s=%s;", f.Name, f.Value)
	}
	return s
}

func TestSetKeepsThePlaceAndRemovesTheRest(t *testing.T) {
	l := list("a", "1", "b", "2", "a", "3", "c", "4")
	l.Set([]byte("a"), []byte("9"))
	if got, want := l.text(), "a=9;b=2;c=4;"; got != want {
		t.Errorf("Set: %s, want %s", got, want)
	}
	l.Set([]byte("d"), []byte("5"))
	if n := l.Remove("b"); n != 1 || l.text() != "a=9;c=4;d=5;" {
		t.Errorf("Remove: %d, %s", n, l.text())
	}
}

func TestArenaSlicesStayValidWhenItGrows(t *testing.T) {
	var a Arena
	var got [][]byte
	for i := range 1000 {
		got = append(got, a.Copy(fmt.Appendf(nil, "value-%d", i)))
	}
	for i, b := range got {
		if want := fmt.Sprintf("value-%d", i); string(b) != want {
			t.Fatalf("slice %d is %q, want %q", i, b, want)
		}
	}
}

func TestArenaAllocatesNothingInTheSteadyState(t *testing.T) {
	var a Arena
	src := []byte("some value of a header")
	a.Copy(make([]byte, 4096))
	if n := testing.AllocsPerRun(100, func() {
		a.Reset()
		for range 20 {
			a.Copy(src)
		}
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

// TestIndexFindsWhatIsThere asks lists of random names for each name, after random
// changes, beside a plain search.
func TestIndexFindsWhatIsThere(t *testing.T) {
	g := rand.New(rand.NewPCG(1, 2))
	name := func() []byte {
		b := make([]byte, g.IntN(5))
		for i := range b {
			b[i] = "abz-_:"[g.IntN(6)]
		}
		return b
	}
	l, other := &List{}, &List{}
	for range 100_000 {
		n := name()
		switch g.IntN(7) {
		case 0:
			l.Add(n, nil)
		case 1:
			l.Insert(g.IntN(len(l.Fields)+1), n, nil)
		case 2:
			l.Set(n, nil)
		case 3:
			l.Remove(string(n))
		case 4:
			other.CopyFrom(l)
			l, other = other, l
		case 5:
			l.Fields = l.Fields[:g.IntN(len(l.Fields)+1)]
		case 6:
			if len(l.Fields) > 20 {
				l.Reset()
			}
		}
		n = name()
		want := slices.IndexFunc(l.Fields, func(f Field) bool { return bytes.Equal(f.Name, n) })
		if got := l.Index(string(n)); got != want {
			t.Fatalf("Index(%q) is %d, want %d in %s", n, got, want, l.text())
		}
	}
}
