package engine

import (
	"bytes"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"

	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
)

// stringMatch is a compiled StringMatcher.
type stringMatch struct {
	kind    matchKind
	pattern []byte
	fold    bool
	suffix  []byte // of matchBetween
	least   int    // bytes between its two ends
	re      *regexp.Regexp
	list    *nameList // of matchList
}

type matchKind uint8

const (
	matchExact matchKind = iota
	matchPrefix
	matchSuffix
	matchContains
	matchRegex
	// matchBetween is a regex of the shape LITERAL.*LITERAL or LITERAL.+LITERAL,
	// which is what most origin patterns are.
	matchBetween
	// matchList is a regex for lists of certain names.
	matchList
)

// compileString follows StringMatcher (type/matcher/v3/string.proto) and its
// validation rules: only exact may be empty, ignore_case is not for regexes.
func compileString(m *matcherv3.StringMatcher) (stringMatch, error) {
	s := stringMatch{fold: m.GetIgnoreCase()}
	var pattern string
	switch p := m.GetMatchPattern().(type) {
	case *matcherv3.StringMatcher_Exact:
		s.kind, pattern = matchExact, p.Exact
	case *matcherv3.StringMatcher_Prefix:
		s.kind, pattern = matchPrefix, p.Prefix
	case *matcherv3.StringMatcher_Suffix:
		s.kind, pattern = matchSuffix, p.Suffix
	case *matcherv3.StringMatcher_Contains:
		s.kind, pattern = matchContains, p.Contains
	case *matcherv3.StringMatcher_SafeRegex:
		if s.fold {
			return s, fmt.Errorf("ignore_case has no effect for safe_regex")
		}
		re, err := compileRegex(p.SafeRegex)
		s.kind, s.re = matchRegex, re
		if err == nil {
			s.recognise(p.SafeRegex.GetRegex())
		}
		return s, err
	default:
		return s, fmt.Errorf("string match of type %T is not supported", p)
	}
	if pattern == "" && s.kind != matchExact {
		return s, fmt.Errorf("an empty prefix, suffix or contains")
	}
	if s.fold {
		pattern = strings.ToLower(pattern)
	}
	s.pattern = []byte(pattern)
	return s, nil
}

// compileRegex compiles a RE2 expression that has to match the whole text.
func compileRegex(m *matcherv3.RegexMatcher) (*regexp.Regexp, error) {
	if m.GetRegex() == "" {
		return nil, fmt.Errorf("an empty regex")
	}
	if _, err := regexp.Compile(m.GetRegex()); err != nil {
		return nil, err
	}
	return regexp.Compile(`\A(?:` + m.GetRegex() + `)\z`)
}

// recognise turns a regex into matchBetween or matchList if it has that shape.
func (s *stringMatch) recognise(text string) {
	if s.list = recogniseList(text); s.list != nil {
		s.kind = matchList
		return
	}
	re, err := syntax.Parse(text, syntax.Perl)
	if err != nil || re.Op != syntax.OpConcat || len(re.Sub) != 3 {
		return
	}
	first, middle, last := re.Sub[0], re.Sub[1], re.Sub[2]
	if !isLiteral(first) || !isLiteral(last) || middle.Op != syntax.OpStar && middle.Op != syntax.OpPlus || middle.Sub[0].Op != syntax.OpAnyCharNotNL {
		return
	}
	if middle.Op == syntax.OpPlus {
		s.least = 1
	}
	s.kind, s.pattern, s.suffix = matchBetween, []byte(string(first.Rune)), []byte(string(last.Rune))
}

func (s *stringMatch) match(b []byte) bool {
	switch s.kind {
	case matchBetween:
		between := len(b) - len(s.pattern) - len(s.suffix)
		return between >= s.least && bytes.HasPrefix(b, s.pattern) && bytes.HasSuffix(b, s.suffix) &&
			bytes.IndexByte(b[len(s.pattern):len(s.pattern)+between], '\n') < 0
	case matchList:
		if matched, known := s.list.match(b); known {
			return matched
		}
		return s.re.Match(b)
	case matchRegex:
		return s.re.Match(b)
	case matchExact:
		return len(b) == len(s.pattern) && s.equal(b)
	case matchPrefix:
		return len(b) >= len(s.pattern) && s.equal(b[:len(s.pattern)])
	case matchSuffix:
		return len(b) >= len(s.pattern) && s.equal(b[len(b)-len(s.pattern):])
	}
	if !s.fold {
		return bytes.Contains(b, s.pattern)
	}
	for i := 0; i+len(s.pattern) <= len(b); i++ {
		if equalFold(b[i:i+len(s.pattern)], s.pattern) {
			return true
		}
	}
	return false
}

func (s *stringMatch) equal(b []byte) bool {
	if s.fold {
		return equalFold(b, s.pattern)
	}
	return bytes.Equal(b, s.pattern)
}

// equalFold compares b with the lower-case ASCII text low; both have one length.
func equalFold(b, low []byte) bool {
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != low[i] {
			return false
		}
	}
	return true
}
