package origin

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

// texts makes random expressions and origins that are near each other.
type texts struct{ *rand.Rand }

func newTexts(seed uint64) texts { return texts{rand.New(rand.NewPCG(seed, 17))} }

func pick[T any](r texts, list ...T) T { return list[r.IntN(len(list))] }

func (r texts) host() string {
	labels := []string{}
	for range 1 + r.IntN(4) {
		labels = append(labels, pick(r, "app", "example", "com", "a", "evil", "test", "x1", "b-c", "10", "0x1", "127", "0", "1", "localhost", "xn--a", "_", "192", "168", "co", "A"))
	}
	return strings.Join(labels, pick(r, ".", ".", ".", "-", ""))
}

func (r texts) origin() string {
	s := pick(r, "https://", "https://", "http://", "", "ws://", "null", "HTTPS://") + r.host() + pick(r, "", "", "", ".", "/", ":", ":80", ":443", ":3000", ":65535", ":65536", ":0", ":x", "\n")
	if r.IntN(8) > 0 {
		return s
	}
	b := []rune(s)
	for range 1 + r.IntN(2) {
		b[r.IntN(max(len(b), 1))%max(len(b), 1)] = pick(r, '*', '.', '-', 'é', 'K', 'ſ', '\n', '_', 'x', '@')
	}
	return string(b)
}

// expr makes an expression that RE2 and Go take.
func (r texts) expr(depth int) string {
	atom := func() string {
		return pick(r, ".", `\.`, "[a-z0-9-]", "[^.]", "[^/]", `\d`, `\w`, "a", "app", "example", "com", `https?://`, "https://", "s", `\b`, "^", "$", `[[:alpha:]]`, `\PL`, "(?i:App)", "(?i)k", `\B`, "(?m:^)", "(?s:.)", "evil", `\*`, `:\d+`, "é", `[^\x00-\x7f]`)
	}
	if depth == 0 {
		return atom()
	}
	sub := func() string { return r.expr(depth - 1) }
	switch r.IntN(7) {
	case 0:
		return "(" + sub() + "|" + sub() + ")"
	case 1:
		return "(?:" + sub() + ")" + pick(r, "*", "+", "?", "{2}", "{0,2}", "{1,}", "*?")
	case 2:
		return atom() + pick(r, "*", "+", "?")
	default:
		return sub() + sub()
	}
}

func (r texts) pattern() Pattern {
	for {
		var p Pattern
		var err error
		switch r.IntN(8) {
		case 0:
			p, err = Compile(Exact, r.origin(), r.IntN(3) == 0)
		case 1:
			s := r.origin()
			p, err = Compile(Prefix, s[:r.IntN(len(s)+1)], r.IntN(3) == 0)
		case 2:
			s := r.origin()
			p, err = Compile(pick(r, Suffix, Contains), s[r.IntN(len(s)+1):], r.IntN(3) == 0)
		case 3:
			p, err = Compile(Regex, strings.ReplaceAll(r.origin(), ".", pick(r, `\.`, ".", ".*", `\..*`, ".+")), false)
		default:
			p, err = Compile(Regex, r.expr(1+r.IntN(4)), false)
		}
		if err == nil {
			return p
		}
	}
}

// TestLanguageIsRE2 compares 100,000 pairs of a pattern and a text: the automaton has
// what Match takes.
func TestLanguageIsRE2(t *testing.T) {
	const patterns, each = 5000, 20
	r := newTexts(1)
	matched, large := 0, 0
	for range patterns {
		p := r.pattern()
		l, err := p.Language()
		if err != nil {
			large++
			continue
		}
		words := l.Shortest(3)
		for i := range each {
			s := r.origin()
			switch {
			case i < len(words):
				s = words[i]
				if !p.Match(s) {
					t.Fatalf("%v %q fold=%v: the word %q of the language is not matched", p.Kind, p.Text, p.Fold, s)
				}
			case i < 6 && len(words) > 0: // near a word
				b := []rune(words[0] + "x")
				b[r.IntN(len(b))] = pick(r, 'a', '.', 'K', '\n', '1', 'A')
				s = string(b)
			}
			want := p.Match(s)
			if l.Has(s) != want {
				t.Fatalf("%v %q fold=%v on %q: the automaton says %v", p.Kind, p.Text, p.Fold, s, !want)
			}
			if want {
				matched++
			}
		}
		if len(words) == 0 != l.Empty() {
			t.Fatalf("%v %q: %d words, empty %v", p.Kind, p.Text, len(words), l.Empty())
		}
	}
	t.Logf("%d pairs, %d of them match, %d patterns are too large", patterns*each, matched, large)
	if matched < patterns*each/20 || large > patterns/50 {
		t.Errorf("the pairs show little: %d match, %d patterns are too large", matched, large)
	}
}

// TestOperations: products say of each text what their parts do.
func TestOperations(t *testing.T) {
	r := newTexts(2)
	for range 400 {
		p, q := r.pattern(), r.pattern()
		a, err1 := p.Language()
		b, err2 := q.Language()
		if err1 != nil || err2 != nil {
			continue
		}
		both, err1 := Intersect(a, b)
		less, err2 := Minus(a, b)
		any, err3 := Union(a, b)
		if err1 != nil || err2 != nil || err3 != nil {
			continue
		}
		for range 20 {
			s := r.origin()
			x, y := p.Match(s), q.Match(s)
			if both.Has(s) != (x && y) || less.Has(s) != (x && !y) || any.Has(s) != (x || y) {
				t.Fatalf("%q, %q on %q", p.Text, q.Text, s)
			}
		}
		for _, w := range less.Shortest(2) {
			if !p.Match(w) || q.Match(w) {
				t.Fatalf("%q − %q has %q", p.Text, q.Text, w)
			}
		}
	}
}

func TestCompare(t *testing.T) {
	lang := func(text string) *Language {
		l, err := mustCompile(t, Regex, text).Language()
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	for _, tt := range []struct {
		a, b string
		ab   bool
		ba   bool
	}{
		{`https://[a-z]+\.example\.com`, `https://.*\.example\.com`, true, false},
		{`a|ab`, `a(b?)`, true, true},
		{`(a|b)*`, `[ab]*`, true, true},
		{`a.c`, `a\.c`, false, true},
		{`[^a]`, `[^b]`, false, false},
		{`[a&&b]`, `x`, false, false},
	} {
		a, b := lang(tt.a), lang(tt.b)
		ab, _ := Subset(a, b)
		ba, _ := Subset(b, a)
		eq, err := Equal(a, b)
		if ab != tt.ab || ba != tt.ba || eq != (tt.ab && tt.ba) || err != nil {
			t.Errorf("%q and %q: %v %v %v %v", tt.a, tt.b, ab, ba, eq, err)
		}
	}
	if got := fmt.Sprint(lang(`https://(b|aa|a{5})[0-9]`).Shortest(3)); got != "[https://b0 https://aa0 https://aaaaa0]" {
		t.Error(got)
	}
}

// TestTooLarge: patterns whose automata would explode are refused, and quickly.
func TestTooLarge(t *testing.T) {
	for _, text := range []string{`(.*a.{40})`, `([ab]*a[ab]{20})`, `((a{30}){30}b)*`, `\pL{50}\pN{50}.*x.{30}`} {
		if l, err := mustCompile(t, Regex, text).Language(); err == nil && len(l.accept) > maxLanguage {
			t.Errorf("%q: %d states", text, len(l.accept))
		}
	}
}

// FuzzLanguage: for any pattern and text the automaton says what Match says, all
// witnesses are let in and sendable, and nothing panics.
func FuzzLanguage(f *testing.F) {
	for _, text := range []string{`.*`, `https://.*\.example\.com`, `[^.]*|https://app\.example\.com`, `https://app.example.com`, `(?i)\bK\B`, `(a|b)*?c{2,3}`} {
		f.Add(uint8(Regex), text, "https://app.example.com")
		f.Add(uint8(Prefix), text, "https://app.example.com.evil.test")
	}
	finder := newFinder(f)
	f.Fuzz(func(t *testing.T, kind uint8, text, s string) {
		if len(text) > 200 || len(s) > 200 {
			return
		}
		p, err := Compile(Kind(kind%5), text, kind%2 == 1 && Kind(kind%5) != Regex)
		if err != nil || regexp.MustCompile(`[^\x00-\x7f]`).MatchString(text+s) {
			return
		}
		l, err := p.Language()
		if err != nil {
			return
		}
		if l.Has(s) != p.Match(s) {
			t.Fatalf("%v %q on %q: %v", p.Kind, text, s, l.Has(s))
		}
		words, err := finder.Witnesses(p)
		if err != nil {
			return
		}
		for _, w := range words {
			if !p.Match(w) || !Sendable(w) {
				t.Fatalf("%v %q: %q", p.Kind, text, w)
			}
		}
		if parts, ok := Parse(s); ok && len(words) == 0 && p.Match(s) && !p.Intent().includes(parts) {
			t.Fatalf("%v %q: no witness, and %q is let in", p.Kind, text, s)
		}
	})
}
