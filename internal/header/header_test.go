package header

import (
	"fmt"
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
