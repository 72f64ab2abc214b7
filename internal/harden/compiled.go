package harden

import (
	"fmt"
	"strings"

	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"

	"github.com/crossgate/crossgate/internal/origin"
)

// compiled remembers what has been worked out: hosts use the same expressions again
// and again, and each for itself and for what it does not find.
type compiled struct {
	patterns map[patternKey]origin.Pattern
	coverage map[string]origin.Coverage
}

type patternKey struct {
	kind origin.Kind
	text string
	fold bool
}

func newCompiled() *compiled {
	return &compiled{map[patternKey]origin.Pattern{}, map[string]origin.Coverage{}}
}

// pattern compiles a matcher.
func (c *compiled) pattern(m *matcherv3.StringMatcher) (origin.Pattern, error) {
	key := patternKey{fold: m.GetIgnoreCase()}
	switch p := m.GetMatchPattern().(type) {
	case *matcherv3.StringMatcher_Exact:
		key.kind, key.text = origin.Exact, p.Exact
	case *matcherv3.StringMatcher_Prefix:
		key.kind, key.text = origin.Prefix, p.Prefix
	case *matcherv3.StringMatcher_Suffix:
		key.kind, key.text = origin.Suffix, p.Suffix
	case *matcherv3.StringMatcher_Contains:
		key.kind, key.text = origin.Contains, p.Contains
	case *matcherv3.StringMatcher_SafeRegex:
		key.kind, key.text = origin.Regex, p.SafeRegex.GetRegex()
	default:
		return origin.Pattern{}, fmt.Errorf("a matcher of type %T is not known", p)
	}
	if key.kind != origin.Regex {
		return origin.Compile(key.kind, key.text, key.fold)
	}
	if p, ok := c.patterns[key]; ok {
		return p, nil
	}
	p, err := origin.Compile(key.kind, key.text, key.fold)
	if err == nil {
		c.patterns[key] = p
	}
	return p, err
}

// covers is origin.Covers.
func (c *compiled) covers(scheme string, patterns []origin.Pattern) origin.Coverage {
	key := []string{scheme}
	for _, p := range patterns {
		switch {
		case p.Any():
			return origin.All
		case p.Kind != origin.Exact:
			key = append(key, p.Regexp())
		}
	}
	if len(key) == 1 {
		return origin.Some
	}
	text := strings.Join(key, "\x00")
	got, ok := c.coverage[text]
	if !ok {
		got = origin.Covers(scheme, patterns)
		c.coverage[text] = got
	}
	return got
}
