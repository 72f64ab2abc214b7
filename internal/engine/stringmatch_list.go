package engine

import (
	"regexp/syntax"
	"strings"
)

// nameList is a regex for comma-separated lists of certain names, as the profile
// hardened has it for Access-Control-Request-Headers: as a look-up for each name. A
// client may send tens of kilobytes of them.
type nameList struct {
	names   map[string]struct{} // in lower case
	longest int
}

// The shape of such a regex, around the names.
const (
	listBegin = `(?i)(?:[ \t]*(?:`
	listEnd   = `)?[ \t]*(?:,|$))*`
)

// maxListName is the length of the longest name that is looked up.
const maxListName = 128

// recogniseList reads the names out of a regex of that shape; nil for another.
func recogniseList(text string) *nameList {
	middle, ok := strings.CutPrefix(text, listBegin)
	if !ok {
		return nil
	}
	if middle, ok = strings.CutSuffix(middle, listEnd); !ok {
		return nil
	}
	l := &nameList{names: map[string]struct{}{}}
	for part := range strings.SplitSeq(middle, "|") {
		re, err := syntax.Parse(part, syntax.Perl)
		if err != nil || re.Op != syntax.OpLiteral || len(re.Rune) > maxListName {
			return nil
		}
		for _, r := range re.Rune {
			if r >= 0x80 {
				return nil
			}
		}
		name := strings.ToLower(string(re.Rune))
		l.names[name] = struct{}{}
		l.longest = max(l.longest, len(name))
	}
	return l
}

// match decides as the regex does. known is false for text that is not ASCII, where
// the regex knows more about upper and lower case.
func (l *nameList) match(b []byte) (matched, known bool) {
	var low [maxListName]byte
	for i := 0; i <= len(b); {
		for i < len(b) && (b[i] == ' ' || b[i] == '\t') {
			i++
		}
		n := 0
		for ; i < len(b) && b[i] != ',' && b[i] != ' ' && b[i] != '\t'; i++ {
			if b[i] >= 0x80 {
				return false, false
			}
			if n == l.longest {
				return false, !hasHigh(b[i:])
			}
			low[n] = b[i]
			n++
		}
		for i < len(b) && (b[i] == ' ' || b[i] == '\t') {
			i++
		}
		lower(low[:n])
		if _, ok := l.names[string(low[:n])]; n > 0 && !ok || i < len(b) && b[i] != ',' {
			return false, !hasHigh(b[i:])
		}
		i++
	}
	return true, true
}

func hasHigh(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 {
			return true
		}
	}
	return false
}
