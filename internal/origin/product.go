package origin

import (
	"slices"
	"strings"
)

// Intersect returns the texts that are in both languages.
func Intersect(a, b *Language) (*Language, error) {
	return product(a, b, operation{func(x, y bool) bool { return x && y }, true, true})
}

// Minus returns the texts that are in a and not in b.
func Minus(a, b *Language) (*Language, error) {
	return product(a, b, operation{func(x, y bool) bool { return x && !y }, true, false})
}

// Union returns the texts that are in one of the languages.
func Union(a, b *Language) (*Language, error) {
	return product(a, b, operation{func(x, y bool) bool { return x || y }, false, false})
}

// Subset reports whether every text of a is in b.
func Subset(a, b *Language) (bool, error) {
	rest, err := Minus(a, b)
	return err == nil && rest.Empty(), err
}

// operation says what is in a product, and which of the two a text cannot do
// without.
type operation struct {
	accept       func(x, y bool) bool
	needA, needB bool
}

// product follows two automata at once.
func product(a, b *Language, op operation) (*Language, error) {
	l := &Language{starts: slices.Compact(slices.Sorted(slices.Values(slices.Concat(a.starts, b.starts))))}
	inA, inB := make([]int, len(l.starts)), make([]int, len(l.starts))
	for i, c := range l.starts {
		inA[i], inB[i] = a.class(c), b.class(c)
	}
	type pair struct{ a, b int32 }
	pairs := []pair{{0, 0}}
	ids := map[pair]int32{{0, 0}: 0}
	for n := 0; n < len(pairs); n++ {
		if n >= maxLanguage || (n+1)*len(l.starts) > maxMoves {
			return nil, ErrTooLarge
		}
		at := pairs[n]
		l.accept = append(l.accept, op.accept(a.accepts(at.a), b.accepts(at.b)))
		for i := range l.starts {
			to := pair{a.move(at.a, inA[i]), b.move(at.b, inB[i])}
			if op.needA && to.a == dead || op.needB && to.b == dead || to.a == dead && to.b == dead {
				l.next = append(l.next, dead)
				continue
			}
			id, ok := ids[to]
			if !ok {
				id = int32(len(pairs))
				ids[to] = id
				pairs = append(pairs, to)
			}
			l.next = append(l.next, id)
		}
	}
	return l, nil
}

// Empty reports whether there is no text in the language.
func (l *Language) Empty() bool {
	// All states can be reached: they were found by following moves.
	return !slices.Contains(l.accept, true)
}

// Shortest returns up to n texts of the language, the shortest first and one for
// each way through the automaton: of the characters that lead to the same place,
// lower-case letters are taken before others.
func (l *Language) Shortest(n int) []string {
	left := l.distances()
	type word struct {
		state int32
		text  string
	}
	var out []string
	if left[0] < 0 {
		return nil
	}
	level := []word{{0, ""}}
	picks := l.picks()
	for length := 0; len(level) > 0 && len(out) < n; length++ {
		var next []word
		for _, w := range level {
			if l.accept[w.state] {
				if out = append(out, w.text); len(out) == n {
					return out
				}
			}
			seen := map[int32]bool{}
			for _, i := range picks {
				if to := l.move(w.state, i); to != dead && left[to] >= 0 && !seen[to] && len(next) < maxWords {
					seen[to] = true
					next = append(next, word{to, w.text + string(l.sample(i))})
				}
			}
		}
		// The nearest to an end go on, so that there is always one that gets there.
		slices.SortStableFunc(next, func(x, y word) int { return int(left[x.state] - left[y.state]) })
		level = next
	}
	return out
}

// maxWords bounds the words that are followed at once.
const maxWords = 32

// distances returns for each state how far the nearest end is, and -1 for those
// without.
func (l *Language) distances() []int32 {
	before := make([][]int32, len(l.accept))
	for s := range l.accept {
		for i := range l.starts {
			if to := l.move(int32(s), i); to != dead && (len(before[to]) == 0 || before[to][len(before[to])-1] != int32(s)) {
				before[to] = append(before[to], int32(s))
			}
		}
	}
	left := make([]int32, len(l.accept))
	var queue []int32
	for s, end := range l.accept {
		left[s] = -1
		if end {
			left[s] = 0
			queue = append(queue, int32(s))
		}
	}
	for len(queue) > 0 {
		s := queue[0]
		queue = queue[1:]
		for _, p := range before[s] {
			if left[p] < 0 {
				left[p] = left[s] + 1
				queue = append(queue, p)
			}
		}
	}
	return left
}

// picks are the classes in the order in which their samples look like names.
func (l *Language) picks() []int {
	order := make([]int, len(l.starts))
	for i := range order {
		order[i] = i
	}
	rank := func(i int) int {
		if at := strings.IndexRune(nice, l.sample(i)); at >= 0 {
			return at
		}
		return len(nice)
	}
	slices.SortStableFunc(order, func(x, y int) int { return rank(x) - rank(y) })
	return order
}

const nice = "xabcdefghijklmnopqrstuvwyz0123456789-."

// sample is a character of a class.
func (l *Language) sample(class int) rune {
	for _, c := range nice {
		if l.class(c) == class {
			return c
		}
	}
	return l.starts[class]
}
