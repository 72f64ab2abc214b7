package origin

import (
	"encoding/binary"
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"
)

// ErrTooLarge is returned for patterns whose automata have more states than are
// followed: the answer is not known, and nobody should take it for a good one.
var ErrTooLarge = errors.New("the pattern is too large to follow")

const (
	// maxInstructions bounds the program of an expression.
	maxInstructions = 10_000
	// maxLanguage bounds the states of a Language.
	maxLanguage = 5_000
	// maxMoves bounds its table of moves, 4 bytes each.
	maxMoves = 1 << 20
	// maxWork bounds the instructions that are looked at for it.
	maxWork = 1 << 20
)

// dead is the state from which no text is accepted.
const dead = -1

// Language is a regular set of texts, as a deterministic automaton over classes of
// characters. It is immutable. State 0 is the first.
//
// Bytes that are no UTF-8 count as U+FFFD, as Go's regexp has it. RE2, and so Envoy,
// has no character for them; no browser sends them in an origin.
type Language struct {
	starts []rune  // of the classes, sorted; the first is 0
	next   []int32 // by state and class; dead for none
	accept []bool  // by state
}

// Language returns the set of the texts that the pattern matches.
func (p Pattern) Language() (*Language, error) { return expression(p.expression()) }

// expression is like Regexp, but ignores the case of ASCII letters alone, as Match
// and Envoy do: (?i) has more, as the Kelvin sign for k.
func (p Pattern) expression() string {
	if !p.Fold {
		return p.Regexp()
	}
	var b strings.Builder
	for _, r := range p.Text {
		switch {
		case 'a' <= r && r <= 'z':
			fmt.Fprintf(&b, "[%c%c]", r, r-'a'+'A')
		case 'A' <= r && r <= 'Z':
			fmt.Fprintf(&b, "[%c%c]", r, r-'A'+'a')
		default:
			b.WriteString(regexp.QuoteMeta(string(r)))
		}
	}
	const any = "(?s:.*)"
	switch p.Kind {
	case Prefix:
		return b.String() + any
	case Suffix:
		return any + b.String()
	case Contains:
		return any + b.String() + any
	}
	return b.String()
}

// expression returns the language of an RE2 expression that has to match whole texts.
func expression(text string) (*Language, error) {
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, err
	}
	prog, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return nil, err
	}
	if len(prog.Inst) > maxInstructions {
		return nil, ErrTooLarge
	}
	d := determiniser{walk: walk{prog: prog}}
	return d.language()
}

// determiniser makes the automaton of a program, set of instructions by set.
type determiniser struct {
	walk
	context bool // there are assertions about neighbours: \b, (?m)^
	ids     map[string]int32
	states  []state
	key     []byte
	work    int
}

func (d *determiniser) language() (*Language, error) {
	l := &Language{starts: d.classes()}
	d.ids = map[string]int32{}
	d.id(d.begin())
	for n := 0; n < len(d.states); n++ {
		if n >= maxLanguage || (n+1)*len(l.starts) > maxMoves {
			return nil, ErrTooLarge
		}
		s := d.states[n]
		if d.work += (len(s.pcs) + len(d.prog.Inst)/8) * len(l.starts); d.work > maxWork {
			return nil, ErrTooLarge
		}
		l.accept = append(l.accept, d.accepts(s))
		if d.context {
			for _, c := range l.starts {
				l.next = append(l.next, d.id(d.step(s, c)))
			}
			continue
		}
		// Without them the instructions before a character do not depend on it.
		var from []*syntax.Inst
		d.reach(s, 'a', func(in *syntax.Inst) {
			if in.Op != syntax.InstMatch && in.Op != syntax.InstFail {
				from = append(from, in)
			}
		})
		for _, c := range l.starts {
			to := state{last: 'a'}
			for _, in := range from {
				if in.MatchRune(c) {
					to.pcs = append(to.pcs, in.Out)
				}
			}
			slices.Sort(to.pcs)
			to.pcs = slices.Compact(to.pcs)
			l.next = append(l.next, d.id(to))
		}
	}
	return l, nil
}

func (d *determiniser) id(s state) int32 {
	if len(s.pcs) == 0 {
		return dead
	}
	d.key = d.key[:0]
	for _, pc := range s.pcs {
		d.key = binary.LittleEndian.AppendUint32(d.key, pc)
	}
	d.key = append(d.key, neighbour(s.last))
	id, ok := d.ids[string(d.key)]
	if !ok {
		id = int32(len(d.states))
		d.ids[string(d.key)] = id
		d.states = append(d.states, s)
	}
	return id
}

// neighbour is what assertions ask of a character.
func neighbour(r rune) byte {
	switch {
	case r < 0:
		return 0
	case r == '\n':
		return 1
	case syntax.IsWordChar(r):
		return 2
	}
	return 3
}

// classes cuts the characters where the instructions tell them apart.
func (d *determiniser) classes() []rune {
	cuts := []rune{0}
	cut := func(lo, hi rune) { cuts = append(cuts, lo, hi+1) }
	for i := range d.prog.Inst {
		switch in := &d.prog.Inst[i]; in.Op {
		case syntax.InstRune1:
			cut(in.Rune[0], in.Rune[0])
		case syntax.InstRune:
			if len(in.Rune) == 1 {
				cut(in.Rune[0], in.Rune[0])
				for r := unicode.SimpleFold(in.Rune[0]); r != in.Rune[0]; r = unicode.SimpleFold(r) {
					cut(r, r)
				}
				continue
			}
			for j := 0; j+1 < len(in.Rune); j += 2 {
				cut(in.Rune[j], in.Rune[j+1])
			}
		case syntax.InstRuneAnyNotNL:
			cut('\n', '\n')
		case syntax.InstEmptyWidth:
			d.context = d.context || syntax.EmptyOp(in.Arg)&^(syntax.EmptyBeginText|syntax.EmptyEndText) != 0
		}
	}
	if d.context {
		for _, c := range []string{"\n\n", "09", "AZ", "__", "az"} {
			cut(rune(c[0]), rune(c[1]))
		}
	}
	slices.Sort(cuts)
	cuts = slices.Compact(cuts)
	return slices.DeleteFunc(cuts, func(r rune) bool { return r > unicode.MaxRune })
}

// class returns the class of a character.
func (l *Language) class(r rune) int {
	i, found := slices.BinarySearch(l.starts, r)
	if !found {
		i--
	}
	return i
}

func (l *Language) move(state int32, class int) int32 {
	if state == dead {
		return dead
	}
	return l.next[int(state)*len(l.starts)+class]
}

func (l *Language) accepts(state int32) bool { return state != dead && l.accept[state] }

// Has reports whether s is in the language.
func (l *Language) Has(s string) bool {
	at := int32(0)
	for _, r := range s {
		if at = l.move(at, l.class(r)); at == dead {
			return false
		}
	}
	return l.accept[at]
}
