package engine

import (
	"regexp/syntax"
	"slices"
	"unicode/utf8"
)

// patternEnds is the text that whatever matches a pattern begins and ends with, but for
// upper and lower case. Empty: nothing is known.
type patternEnds struct{ head, tail string }

func (s *stringMatch) ends() patternEnds {
	text := string(s.pattern)
	switch s.kind {
	case matchExact:
		return patternEnds{text, text}
	case matchPrefix:
		return patternEnds{head: text}
	case matchSuffix:
		return patternEnds{tail: text}
	case matchBetween:
		return patternEnds{text, string(s.suffix)}
	case matchRegex:
		re, err := syntax.Parse(s.re.String(), syntax.Perl)
		if err != nil {
			return patternEnds{} // of what compiles, there is no such
		}
		tree := re.Simplify()
		head, _ := literalHead(tree, false)
		tail, _ := literalHead(tree, true)
		return patternEnds{string(head), string(tail)}
	}
	return patternEnds{}
}

// literalHead returns the text that all that matches begins with, or, backward, ends
// with. whole tells that nothing else matches.
func literalHead(re *syntax.Regexp, backward bool) (text []rune, whole bool) {
	switch re.Op {
	case syntax.OpEmptyMatch, syntax.OpBeginText, syntax.OpEndText, syntax.OpBeginLine, syntax.OpEndLine,
		syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		// A condition on what is around makes fewer texts match, not others.
		return nil, true
	case syntax.OpLiteral:
		if !isLiteral(re) {
			return nil, false
		}
		return re.Rune, true
	case syntax.OpCapture:
		return literalHead(re.Sub[0], backward)
	case syntax.OpPlus:
		text, _ = literalHead(re.Sub[0], backward)
		return text, false
	case syntax.OpConcat:
		subs := re.Sub
		if backward {
			subs = slices.Clone(subs)
			slices.Reverse(subs)
		}
		for _, sub := range subs {
			part, whole := literalHead(sub, backward)
			if backward {
				text = slices.Concat(part, text)
			} else {
				text = slices.Concat(text, part)
			}
			if !whole {
				return text, false
			}
		}
		return text, true
	}
	return nil, false
}

// isLiteral reports whether a part of a regex stands for its own bytes alone. The
// replacement character also stands for bytes that are no text.
func isLiteral(re *syntax.Regexp) bool {
	return re.Op == syntax.OpLiteral && re.Flags&syntax.FoldCase == 0 && !slices.Contains(re.Rune, utf8.RuneError)
}
