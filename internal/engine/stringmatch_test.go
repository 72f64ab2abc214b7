package engine

import (
	"testing"

	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
)

func regexMatcher(re string) *matcherv3.StringMatcher {
	return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_SafeRegex{SafeRegex: &matcherv3.RegexMatcher{Regex: re}}}
}

// FuzzShapesMatchAsTheirRegex: a recognised shape decides as the regex does.
func FuzzShapesMatchAsTheirRegex(f *testing.F) {
	for _, re := range []string{`https://.*\.shop\.example`, `a.+a`, `a.*a`, `(?i)a.*b`, `(?s)a.*b`, `a.*`, `x.*é`, `a.*?b`, `(a).*b`} {
		for _, s := range []string{"https://x.shop.example", "aa", "aba", "a", "a\nb", "xé", "AxB"} {
			f.Add(re, s)
		}
	}
	f.Fuzz(func(t *testing.T, re, s string) {
		m, err := compileString(regexMatcher(re))
		if err != nil {
			return
		}
		want, err := compileRegex(&matcherv3.RegexMatcher{Regex: re})
		if err != nil {
			t.Fatal(err)
		}
		if got := m.match([]byte(s)); got != want.MatchString(s) {
			t.Fatalf("%q on %q: %v, the regex says %v", re, s, got, want.MatchString(s))
		}
	})
}
