package origin

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// Finder finds origins that patterns let in. It holds the languages that all
// searches share.
type Finder struct {
	browser, strangers *Language
}

// NewFinder makes a Finder.
func NewFinder() (*Finder, error) {
	browser, err := browserOrigins()
	if err != nil {
		return nil, err
	}
	private, err := expression(exprPrivate)
	if err != nil {
		return nil, err
	}
	strangers, err := Minus(browser, private)
	return &Finder{browser, strangers}, err
}

// Reachable reports whether there is an origin of a page of http or https that the
// pattern matches.
func (f *Finder) Reachable(p Pattern) (bool, error) {
	if p.Kind == Exact {
		return Sendable(p.Text), nil
	}
	l, err := p.Language()
	if err != nil {
		return false, err
	}
	l, err = Intersect(l, f.browser)
	return err == nil && !l.Empty(), err
}

// Witnesses returns up to three origins that the pattern matches, that a browser can
// send, and that its author evidently did not mean, the shortest first: names that a
// stranger could have where there are any, else the shortest of all. None means that
// there are none: the search follows the whole of the pattern's automaton. It fails
// with ErrTooLarge where that cannot be done.
func (f *Finder) Witnesses(p Pattern) ([]string, error) {
	in := p.Intent()
	if in.exact {
		return nil, nil
	}
	if found := in.candidates(p); len(found) > 0 {
		return found, nil
	}
	l, err := p.Language()
	if err != nil {
		return nil, err
	}
	if l, err = Intersect(l, f.strangers); err != nil {
		return nil, err
	}
	if len(in.Sites) > 0 {
		meant, err := in.language()
		if err != nil {
			return nil, err
		}
		if l, err = Minus(l, meant); err != nil {
			return nil, err
		}
	}
	words := slices.DeleteFunc(l.Shortest(8*maxWitnesses), func(w string) bool { return !Sendable(w) })
	if len(words) == 0 && !l.Empty() {
		return nil, errors.New("what the pattern matches too much are addresses that no browser writes so")
	}
	return words[:min(len(words), maxWitnesses)], nil
}

const maxWitnesses = 3

// language is the set of the origins that were meant, as far as sites say.
func (in *Intent) language() (*Language, error) {
	var b strings.Builder
	for i, s := range in.Sites {
		if i > 0 {
			b.WriteByte('|')
		}
		if s.Sub {
			b.WriteString(`(?:[^/:]*\.)?`)
		}
		b.WriteString(Pattern{Kind: Exact, Text: s.Host}.Regexp())
	}
	return expression(`https?://(?:` + b.String() + `)\.?(?::[0-9]+)?`)
}

// What an open part of a pattern is filled with, and a lone dot.
var (
	fillings = []string{"", "evil.test", ".evil.test", "evil", "evil.", "x", "com", "evil-", "-evil.test", "evilx", "0", "8443", "https", "203.0.113.66", "[2001:db8::66]"}
	dots     = []string{".", "x"}
)

// maxCandidates bounds the texts that are tried on a pattern.
const maxCandidates = 2000

// candidates fills the open parts of a pattern with what a stranger would, and
// returns the shortest of what it lets in beside what was meant.
func (in *Intent) candidates(p Pattern) []string {
	return in.examples(p, maxCandidates, func(o Parts) bool { return !in.includes(o) && obtainable(o.Host) })
}

// Examples returns up to three origins that the pattern matches, that a browser can
// send and that keep takes, the shortest first. It tries what is likely and is no
// proof that there are none.
func (in *Intent) Examples(p Pattern, keep func(Parts) bool) []string {
	return in.examples(p, maxWitnesses, keep)
}

// examples stops when it has found enough.
func (in *Intent) examples(p Pattern, enough int, keep func(Parts) bool) []string {
	var found []string
	tried := 0
	try := func(s string) bool {
		tried++
		if parts, ok := Parse(s); ok && keep(parts) && p.Match(s) && !slices.Contains(found, s) {
			found = append(found, s)
		}
		return tried < maxCandidates && len(found) < enough
	}
	for _, way := range in.ways {
		heads := []string{""}
		if _, whole := hostOf(way); !whole {
			heads = []string{"https://", "http://"}
		}
		for _, head := range heads {
			fill(way, head, try)
		}
	}
	byLength := func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b)) }
	slices.SortFunc(found, func(a, b string) int { return cmp.Or(cmp.Compare(odd(a), odd(b)), byLength(a, b)) })
	found = slices.DeleteFunc(found, func(s string) bool { return odd(s) > odd(found[0])+2 })
	found = found[:min(len(found), maxWitnesses)]
	slices.SortFunc(found, byLength)
	return found
}

// odd tells how little an origin looks like that of a stranger's page.
func odd(s string) int {
	n := 0
	if strings.HasPrefix(s, "http://") {
		n++
	}
	parts, _ := Parse(s)
	for label := range strings.SplitSeq(strings.TrimSuffix(parts.Host, "."), ".") {
		if strings.Trim(label[:1]+label[len(label)-1:], "abcdefghijklmnopqrstuvwxyz") != "" {
			n += 4
		}
	}
	if strings.HasPrefix(parts.Host, "com.") {
		n += 4
	}
	if !strings.Contains(s, "evil") {
		n += 2
	}
	return n
}

// fill writes a way out with each filling for each open part.
func fill(way []token, head string, yield func(string) bool) bool {
	i := slices.IndexFunc(way, func(t token) bool { return t.kind != charToken })
	if i < 0 {
		return yield(head + read(way))
	}
	head += read(way[:i])
	choices := fillings
	if way[i].kind == looseToken {
		choices = dots
	}
	for _, c := range choices {
		if !fill(way[i+1:], head+c, yield) {
			return false
		}
	}
	return true
}

// obtainable reports whether a stranger could have the host: it ends in a suffix
// that people register names below, or in .test, which stands for one.
func obtainable(host string) bool {
	host = strings.TrimSuffix(host, ".")
	if strings.HasPrefix(host, "[") || numeric(host[strings.LastIndexByte(host, '.')+1:]) {
		return true
	}
	suffix, icann := publicsuffix.PublicSuffix(host)
	return host != suffix && (icann || strings.Contains(suffix, ".") || suffix == "test")
}
