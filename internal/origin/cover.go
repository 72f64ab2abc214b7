package origin

import (
	"encoding/binary"
	"regexp/syntax"
	"slices"
	"strings"
)

// Coverage is what is known about the origins that patterns match together.
type Coverage uint8

const (
	// Some origins of the scheme are not matched.
	Some Coverage = iota
	// All origins of the scheme are: whoever owns a name is let in.
	All
	// Unknown: the expressions are too large to tell.
	Unknown
)

// maxStates bounds the search of Covers.
const maxStates = 4096

// Covers tells whether the patterns together match every origin of a scheme at its
// default port: every name of two or more labels of letters, which is what anybody
// can register. It compares languages and not samples: the patterns' automaton is
// followed along all such names until one is found that it does not take.
//
// Exact patterns are left out: no finite number of them covers anything. "*" is
// every origin.
func Covers(scheme string, patterns []Pattern) Coverage {
	var parts []string
	for _, p := range patterns {
		switch {
		case p.Any():
			return All
		case p.Kind != Exact:
			parts = append(parts, p.Regexp())
		}
	}
	if len(parts) == 0 {
		return Some
	}
	tree, err := syntax.Parse(strings.Join(parts, "|"), syntax.Perl)
	if err != nil {
		return Unknown
	}
	prog, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return Unknown
	}
	w := walk{prog: prog}
	state := w.begin()
	for _, c := range scheme + "://" {
		state = w.step(state, c)
	}
	return w.search(state)
}

// The states of the names: what a name may go on with.
const (
	labelStart = iota // the first of the first label
	firstLabel
	otherStart
	otherLabel // here a name may end
)

// walk follows an automaton over a text, for all its states at once.
type walk struct {
	prog *syntax.Prog
	mark []uint32
	gen  uint32
}

// state is a set of instructions before the empty moves, and the character that led
// here, which assertions look at.
type state struct {
	pcs  []uint32
	last rune // -1 at the beginning
}

func (w *walk) begin() state {
	w.mark = make([]uint32, len(w.prog.Inst))
	return state{[]uint32{uint32(w.prog.Start)}, -1}
}

// reach calls f for every instruction that is reached without a character, given
// the next one.
func (w *walk) reach(s state, next rune, f func(*syntax.Inst)) {
	w.gen++
	flags := syntax.EmptyOpContext(s.last, next)
	stack := slices.Clone(s.pcs)
	for len(stack) > 0 {
		pc := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if w.mark[pc] == w.gen {
			continue
		}
		w.mark[pc] = w.gen
		in := &w.prog.Inst[pc]
		switch in.Op {
		case syntax.InstAlt, syntax.InstAltMatch:
			stack = append(stack, in.Out, in.Arg)
		case syntax.InstCapture, syntax.InstNop:
			stack = append(stack, in.Out)
		case syntax.InstEmptyWidth:
			if syntax.EmptyOp(in.Arg)&^flags == 0 {
				stack = append(stack, in.Out)
			}
		default:
			f(in)
		}
	}
}

func (w *walk) step(s state, c rune) state {
	out := state{last: c}
	w.reach(s, c, func(in *syntax.Inst) {
		if in.Op != syntax.InstMatch && in.Op != syntax.InstFail && in.MatchRune(c) {
			out.pcs = append(out.pcs, in.Out)
		}
	})
	slices.Sort(out.pcs)
	out.pcs = slices.Compact(out.pcs)
	return out
}

func (w *walk) accepts(s state) bool {
	found := false
	w.reach(s, -1, func(in *syntax.Inst) { found = found || in.Op == syntax.InstMatch })
	return found
}

// search looks for a name that the automaton does not take.
func (w *walk) search(begin state) Coverage {
	type node struct {
		state
		name int
	}
	seen := map[string]bool{}
	queue := []node{{begin, labelStart}}
	for len(queue) > 0 {
		n := queue[0]
		queue = queue[1:]
		if n.name == otherLabel && !w.accepts(n.state) {
			return Some
		}
		if len(seen) > maxStates {
			return Unknown
		}
		push := func(c rune, name int) {
			next := node{w.step(n.state, c), name}
			if key := next.key(name); !seen[key] {
				seen[key] = true
				queue = append(queue, next)
			}
		}
		for c := 'a'; c <= 'z'; c++ {
			push(c, n.name|1)
		}
		if n.name == firstLabel || n.name == otherLabel {
			push('.', otherStart)
		}
	}
	return All
}

// key identifies a state of the search. Of the last character it is enough to know
// whether it is a letter, for assertions ask for no more.
func (s state) key(name int) string {
	b := make([]byte, 0, 4*len(s.pcs)+2)
	for _, pc := range s.pcs {
		b = binary.LittleEndian.AppendUint32(b, pc)
	}
	letter := byte(0)
	if s.last >= 'a' && s.last <= 'z' {
		letter = 1
	}
	return string(append(b, byte(name), letter))
}
