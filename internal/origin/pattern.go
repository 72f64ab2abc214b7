package origin

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
)

// Kind is how a Pattern matches.
type Kind uint8

// The kinds are those of Envoy's StringMatcher (type/matcher/v3/string.proto).
const (
	Exact Kind = iota
	Prefix
	Suffix
	Contains
	Regex // RE2; it has to match the whole text
)

// Pattern matches texts as Envoy's StringMatcher does: byte for byte, or without
// regard to the case of ASCII letters. The zero value matches the empty text.
type Pattern struct {
	Kind Kind
	Text string
	Fold bool // ignore_case; not for Regex
	re   *regexp.Regexp
}

// Compile makes a pattern. It fails for a regular expression that RE2 would not
// take, and for what Envoy's validation refuses.
func Compile(kind Kind, text string, fold bool) (Pattern, error) {
	p := Pattern{Kind: kind, Text: text, Fold: fold}
	switch {
	case kind == Exact:
	case text == "":
		return p, fmt.Errorf("an empty prefix, suffix, contains or regex")
	case kind == Regex && fold:
		return p, fmt.Errorf("ignore_case has no effect on a regex")
	case kind == Regex:
		// The text alone first: "a)(b" is no expression, though it is one in
		// parentheses.
		if _, err := syntax.Parse(text, syntax.Perl); err != nil {
			return p, err
		}
		re, err := regexp.Compile(`\A(?:` + text + `)\z`)
		if err != nil {
			return p, err
		}
		p.re = re
	}
	return p, nil
}

// Match reports whether the pattern matches s as a whole.
func (p Pattern) Match(s string) bool {
	text := p.Text
	if p.Fold {
		s, text = asciiLower(s), asciiLower(text)
	}
	switch p.Kind {
	case Prefix:
		return strings.HasPrefix(s, text)
	case Suffix:
		return strings.HasSuffix(s, text)
	case Contains:
		return strings.Contains(s, text)
	case Regex:
		return p.re != nil && p.re.MatchString(s)
	}
	return s == text
}

// Star reports whether the pattern matches the text "*". Envoy's CORS filter then
// takes the policy for one that allows every origin, whatever the pattern was meant
// to say (isOriginAllowed in source/extensions/filters/http/cors/cors_filter.cc).
func (p Pattern) Star() bool { return p.Match("*") }

// Any reports whether the pattern is the exact "*": every origin, and meant so.
func (p Pattern) Any() bool { return p.Kind == Exact && p.Text == "*" }

// Regexp is an RE2 expression, without anchors, for the texts that the pattern
// matches.
func (p Pattern) Regexp() string {
	text := regexp.QuoteMeta(p.Text)
	if p.Fold {
		text = "(?i:" + text + ")"
	}
	switch p.Kind {
	case Prefix:
		return text + "(?s:.*)"
	case Suffix:
		return "(?s:.*)" + text
	case Contains:
		return "(?s:.*)" + text + "(?s:.*)"
	case Regex:
		return "(?:" + p.Text + ")"
	}
	return text
}

func asciiLower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}
