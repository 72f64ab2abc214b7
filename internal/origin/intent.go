package origin

import (
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/net/publicsuffix"
)

// Site is a name that the author of a pattern wrote down.
type Site struct {
	Host string // without a port
	Sub  bool   // the names below it are meant, too
}

func (s Site) includes(host string) bool {
	host = strings.TrimSuffix(host, ".")
	return host == s.Host || s.Sub && strings.HasSuffix(host, "."+s.Host)
}

// Intent is what the author of a pattern evidently meant: the origins of the hosts
// that it names, at any port. It is read off the expression: a lone dot between
// letters is a dot, what is open before a name means the names below it, and what is
// open behind a whole name means nothing but a port.
type Intent struct {
	Sites []Site
	// exact says that the pattern has no other origins than those of the sites:
	// it ends, in each of its ways, in the site and the dot before it.
	exact bool
	// ways are the pattern written out; nil if there are too many.
	ways [][]token
}

// includes reports whether an origin is among those that were meant, or nobody
// else's: a name without a dot, a loopback or private address.
func (in *Intent) includes(p Parts) bool {
	return slices.ContainsFunc(in.Sites, func(s Site) bool { return s.includes(p.Host) }) || p.Private()
}

// Plain reports whether there may be origins of http: not every way through the
// pattern begins with https.
func (in *Intent) Plain() bool {
	return slices.ContainsFunc(in.ways, func(way []token) bool {
		return len(way) < 5 || way[4].kind != charToken || read(way[:5]) != "https"
	})
}

// Intent reads the intent off a pattern.
func (p Pattern) Intent() *Intent {
	in := new(Intent)
	if p.Kind == Exact {
		in.ways = [][]token{literal(p.Text)}
	} else {
		tree, err := syntax.Parse(p.Regexp(), syntax.Perl)
		if err != nil {
			return in
		}
		in.ways = expand(tree, maxWays)
	}
	in.exact = len(in.ways) > 0
	for _, way := range in.ways {
		site, exact := readWay(way)
		in.exact = in.exact && exact
		if site.Host != "" && !slices.Contains(in.Sites, site) {
			in.Sites = append(in.Sites, site)
		}
	}
	return in
}

// maxWays bounds the ways through a pattern that are written out.
const maxWays = 256

// token is a part of a way through a pattern.
type token struct {
	kind   tokenKind
	char   rune // of a literal
	any    bool // an open part: of any character
	digits bool // of digits alone
}

type tokenKind uint8

const (
	charToken  tokenKind = iota // this character
	looseToken                  // a lone dot that is not escaped: any character
	classToken                  // one of several characters
	openToken                   // any number of characters
)

func literal(s string) []token {
	var out []token
	for _, r := range s {
		out = append(out, token{kind: charToken, char: r})
	}
	return out
}

// expand writes a tree out as sequences of tokens that together match at least what
// it matches; nil if there are more than limit.
func expand(t *syntax.Regexp, limit int) [][]token {
	one := func(k token) [][]token { return [][]token{{k}} }
	switch t.Op {
	case syntax.OpEmptyMatch, syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText, syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return [][]token{{}}
	case syntax.OpLiteral:
		return [][]token{literal(strings.ToLower(string(t.Rune)))}
	case syntax.OpCharClass:
		return one(token{kind: classToken, digits: digits(t)})
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return one(token{kind: looseToken})
	case syntax.OpCapture:
		return expand(t.Sub[0], limit)
	case syntax.OpConcat:
		return expandConcat(t, limit)
	case syntax.OpAlternate:
		var out [][]token
		for _, s := range t.Sub {
			more := expand(s, limit)
			if out = append(out, more...); more == nil || len(out) > limit {
				return nil
			}
		}
		return out
	case syntax.OpQuest:
		return optional(expand(t.Sub[0], limit), limit)
	case syntax.OpStar, syntax.OpPlus, syntax.OpRepeat:
		return expandRepeat(t, limit)
	}
	return nil
}

func digits(t *syntax.Regexp) bool {
	return len(t.Rune) == 2 && t.Rune[0] >= '0' && t.Rune[1] <= '9'
}

func expandConcat(t *syntax.Regexp, limit int) [][]token {
	out := [][]token{{}}
	for _, s := range t.Sub {
		more := expand(s, limit)
		if more == nil || len(out)*len(more) > limit {
			return nil
		}
		var next [][]token
		for _, a := range out {
			for _, b := range more {
				next = append(next, slices.Concat(a, b))
			}
		}
		out = next
	}
	return out
}

func optional(ways [][]token, limit int) [][]token {
	if ways == nil || len(ways) >= limit {
		return nil
	}
	return append(ways, []token{})
}

// expandRepeat takes a repeated character for one open part, and a repeated group
// for whatever may be before its last turn.
func expandRepeat(t *syntax.Regexp, limit int) [][]token {
	sub := t.Sub[0]
	for sub.Op == syntax.OpCapture {
		sub = sub.Sub[0]
	}
	least := t.Min
	switch t.Op {
	case syntax.OpStar:
		least = 0
	case syntax.OpPlus:
		least = 1
	}
	open := token{kind: openToken}
	switch sub.Op {
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		open.any = true
		return [][]token{{open}}
	case syntax.OpCharClass:
		open.digits = digits(sub)
		return [][]token{{open}}
	}
	ways := expand(sub, limit)
	if ways == nil || len(ways)*2 >= limit {
		return nil
	}
	var out [][]token
	for _, w := range ways {
		out = append(out, w, append([]token{open}, w...))
	}
	if least == 0 {
		return optional(out, limit)
	}
	return out
}

// readWay returns the site that a way names, and whether all of its origins are of
// that site.
func readWay(way []token) (Site, bool) {
	host, whole := hostOf(way)
	host, cut := cutPort(host)
	end := len(host)
	for end > 0 && (host[end-1].kind == openToken || host[end-1].kind == classToken) {
		end--
	}
	open := end < len(host)
	host = host[:end]
	begin := end
	loose := false
	for begin > 0 && host[begin-1].kind <= looseToken {
		begin--
		loose = loose || host[begin].kind == looseToken
	}
	text := read(host[begin:])
	if open && (text == "" || strings.ContainsAny(text[len(text)-1:], ".-")) || strings.ContainsAny(text, "/@ ") {
		return Site{}, false
	}
	if begin == 0 && whole {
		named := strings.Contains(text, ".") || strings.HasPrefix(text, "[") || text == "localhost"
		if !named {
			return Site{}, !open && !loose && cut
		}
		return Site{Host: strings.TrimSuffix(text, ".")}, !open && !loose && cut
	}
	before := token{kind: openToken, any: true}
	if begin > 0 {
		before = host[begin-1]
	}
	site, bounded := siteBelow(text, before)
	return site, bounded && site.Host != "" && !open && !loose && cut
}

// siteBelow returns the site that the end of a host names, and whether the dot
// before it is written.
func siteBelow(text string, before token) (Site, bool) {
	text = strings.TrimSuffix(text, ".")
	first, rest, dotted := strings.Cut(text, ".")
	switch {
	case text == "":
		return Site{}, false
	case first == "": // .example.com
		return Site{Host: rest, Sub: true}, rest != ""
	case !dotted && text != "localhost":
		return Site{}, false
	case before.any && first[0] != '-' || !dotted:
		return Site{Host: text, Sub: true}, false // .*example.com
	case registrable(rest) || strings.Contains(first, "--"):
		// pr-12-app.example.com is below example.com. Two hyphens are how hosting
		// services set names apart that only the owner of the last part gets.
		return Site{Host: rest, Sub: true}, true
	}
	return Site{Host: strings.TrimPrefix(text, "-"), Sub: true}, false
}

// registrable reports whether a host is, or is below, a name that has an owner.
func registrable(host string) bool {
	_, err := publicsuffix.EffectiveTLDPlusOne(host)
	return err == nil
}

// hostOf returns what is behind the scheme; whole says that it begins there.
func hostOf(way []token) (host []token, whole bool) {
	for i := 0; i+2 < len(way); i++ {
		if way[i].char == ':' && way[i+1].char == '/' && way[i+2].char == '/' {
			return way[i+3:], true
		}
	}
	return way, false
}

// cutPort takes off a port; ok is false if there is something behind the colon that
// is more than digits.
func cutPort(host []token) (rest []token, ok bool) {
	bracket := false
	for i, t := range host {
		if t.kind != charToken {
			continue
		}
		switch {
		case t.char == '[':
			bracket = true
		case t.char == ']':
			bracket = false
		case t.char == ':' && !bracket:
			port := host[i+1:]
			return host[:i], !slices.ContainsFunc(port, func(t token) bool {
				return !t.digits && (t.kind != charToken || t.char < '0' || t.char > '9')
			})
		}
	}
	return host, true
}

// read returns tokens as their author reads them: a lone dot is a dot.
func read(ts []token) string {
	var b strings.Builder
	for _, t := range ts {
		if t.kind == looseToken {
			t.char = '.'
		}
		b.WriteRune(unicode.ToLower(t.char))
	}
	return b.String()
}
