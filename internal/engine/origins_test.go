package engine

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"

	"github.com/crossgate/crossgate/test/tool"
)

// originShapes are regexes of the shapes that policies have; %s is a name.
var originShapes = []string{
	`https://.*\.%s\.example`, `https://.+\.%s\.example`, `https?://%s\.example`, `https://%s\.example(:[0-9]+)?`, `^https://%s\.example$`,
	`https://(a|b)\.%s\.example`, `(https://)?%s`, `.*`, `.*%s.*`, `https://[a-z]+\.%s\.(example|test)`, `(?i)https://%s\.example`,
	`https://%s\.example|http://localhost:\d+`, `\bhttps://%s\b.*`, `https://(%s)+\.example`, `https://%s\.example/?`, `(https://%s\.example)?`,
	`https://%s\.example(:8080)*`, `https://%s\.exampl.`, `(?s)https://%s.example`, "https://\ufffd%s", `https://[%s]\.example`,
}

func randomOriginMatcher(rnd *rand.Rand) *matcherv3.StringMatcher {
	name := randomName(rnd)
	m := &matcherv3.StringMatcher{IgnoreCase: rnd.IntN(4) == 0}
	switch rnd.IntN(8) {
	case 0:
		m.MatchPattern = &matcherv3.StringMatcher_Exact{Exact: "https://" + name + ".example"}
	case 1:
		m.MatchPattern = &matcherv3.StringMatcher_Prefix{Prefix: "https://" + name}
	case 2:
		m.MatchPattern = &matcherv3.StringMatcher_Suffix{Suffix: name + ".example"}
	case 3:
		m.MatchPattern = &matcherv3.StringMatcher_Contains{Contains: name}
	default:
		shape := originShapes[rnd.IntN(len(originShapes))]
		if strings.Contains(shape, "%s") {
			shape = fmt.Sprintf(shape, name)
		}
		m.IgnoreCase = false
		m.MatchPattern = &matcherv3.StringMatcher_SafeRegex{SafeRegex: &matcherv3.RegexMatcher{Regex: shape}}
	}
	return m
}

func randomName(rnd *rand.Rand) string {
	var b strings.Builder
	for range 1 + rnd.IntN(2) {
		b.WriteString([]string{"a", "b", "A", "é"}[rnd.IntN(4)])
	}
	return b.String()
}

func randomOrigin(rnd *rand.Rand) []byte {
	name := randomName(rnd)
	o := fmt.Sprintf([]string{
		"https://%s.example", "https://x.%s.example", "http://%s.example", "https://%s.example:8080", "https://a.%s.example", "%s", "HTTPS://%s.EXAMPLE",
		"http://localhost:3", "https://%s.example/", "https://\xff%s", "https://x\n.%s.example", "https://\u212a.%s.example", "*%s", "https://.%s.example",
	}[rnd.IntN(14)], name)
	if before, after, found := strings.Cut(o, "%!(EXTRA"); found && after != "" {
		o = before
	}
	return []byte(o)
}

// judge is what matchers say one by one, without any index or recognised shape.
type judge []func(origin []byte) bool

func judgeOf(t *testing.T, list []*matcherv3.StringMatcher) (j judge) {
	t.Helper()
	for _, m := range list {
		if re := m.GetSafeRegex(); re != nil {
			j = append(j, regexp.MustCompile(`\A(?:`+re.GetRegex()+`)\z`).Match)
			continue
		}
		c, err := compileString(m)
		if err != nil {
			t.Fatal(err)
		}
		j = append(j, c.match)
	}
	return j
}

func (j judge) allows(origin []byte) bool {
	return slices.ContainsFunc(j, func(match func([]byte) bool) bool { return match(origin) })
}

// TestOriginIndex: random policies find the origins that their matchers allow one by
// one, also when they are asked again.
func TestOriginIndex(t *testing.T) {
	seed := tool.Seed(t, "ENGINE_SEED", 1)
	rnd := rand.New(rand.NewPCG(seed, 0))
	verdicts := map[bool]int{}
	for range 1500 {
		list := make([]*matcherv3.StringMatcher, rnd.IntN(30))
		for i := range list {
			list[i] = randomOriginMatcher(rnd)
		}
		policy, err := compileOrigins(list)
		if err != nil {
			t.Fatal(err)
		}
		judge := judgeOf(t, list)
		origins := make([][]byte, 30)
		for i := range origins {
			origins[i] = randomOrigin(rnd)
		}
		for range 2 {
			for _, o := range origins {
				want := judge.allows(o)
				verdicts[want]++
				if got := policy.has(o); got != want {
					t.Fatalf("ENGINE_SEED=%d: %q is allowed: %v, want %v by %v", seed, o, got, want, leastMatchers(t, list, o))
				}
			}
		}
	}
	if min(verdicts[true], verdicts[false]) < 2000 {
		t.Errorf("the verdicts are %v: they show nothing", verdicts)
	}
}

// leastMatchers are those of list that the origin is judged wrongly by.
func leastMatchers(t *testing.T, list []*matcherv3.StringMatcher, origin []byte) []*matcherv3.StringMatcher {
	wrong := func(l []*matcherv3.StringMatcher) bool {
		policy, err := compileOrigins(l)
		return err == nil && policy.has(origin) != judgeOf(t, l).allows(origin)
	}
	for i := 0; i < len(list); {
		if less := slices.Delete(slices.Clone(list), i, i+1); wrong(less) {
			list = less
		} else {
			i++
		}
	}
	return list
}

// mixedRegexes are n regexes of shapes with and without an end of their own.
func mixedRegexes(n int) []*matcherv3.StringMatcher {
	var list []*matcherv3.StringMatcher
	for i := range n {
		shape := []string{
			`https://.*\.tenant%d\.example\.org`, `https://([a-z0-9-]+\.)?tenant%d\.example\.org`, `https://tenant%d\.example\.org(:[0-9]+)?`,
			`https?://tenant%d-[a-z]+\.example\.org`, `https://(app|admin)\.tenant%d\.example\.(org|net)`, `https://[a-z]+-tenant%d\.example\.org`,
		}[i%6]
		list = append(list, &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_SafeRegex{
			SafeRegex: &matcherv3.RegexMatcher{Regex: fmt.Sprintf(shape, i)},
		}})
	}
	return list
}

// TestVerdictsAreKept: an origin that was asked for once is not tried by a thousand
// regexes again, nothing is allocated for it, and many others do not grow what is kept.
func TestVerdictsAreKept(t *testing.T) {
	policy, err := compileOrigins(mixedRegexes(1000))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"https://app.tenant4.example.net", "https://tenant2.example.org:8443", "https://evil.example.com"} {
		origin := []byte(text)
		want := policy.has(origin)
		tried := trial{m: &policy, origin: origin}
		tried.run()
		if tried.matched != want || tried.tried > patience+1 {
			t.Errorf("%s: %v after %d trials, want %v", origin, tried.matched, tried.tried, want)
		}
		if n := testing.AllocsPerRun(100, func() { policy.has(origin) }); n != 0 {
			t.Errorf("%s: %v allocations", origin, n)
		}
	}
	for i := range 5000 {
		policy.recent.keep(fmt.Append(nil, i), false)
	}
	policy.recent.keep([]byte(strings.Repeat("o", maxRecentOrigin+1)), false)
	kept := 0
	for i := range policy.recent.sets.Load() {
		for j := range policy.recent.sets.Load()[i] {
			if o := policy.recent.sets.Load()[i][j].Load(); o != nil {
				kept++
				if len(o.origin) > maxRecentOrigin {
					t.Errorf("an origin of %d bytes is kept", len(o.origin))
				}
			}
		}
	}
	if kept < 500 || kept > 1024 {
		t.Errorf("%d origins are kept", kept)
	}
}

// BenchmarkOrigins: what an origin costs in policies of few and many entries.
func BenchmarkOrigins(b *testing.B) {
	exact := func(n int) (list []*matcherv3.StringMatcher) {
		for i := range n {
			list = append(list, &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: fmt.Sprintf("https://o%d.example.net", i)}})
		}
		return list
	}
	for _, tt := range []struct {
		name, origin string
		list         []*matcherv3.StringMatcher
	}{
		{"exact/10", "https://o9.example.net", exact(10)},
		{"exact/10000", "https://o9999.example.net", exact(10_000)},
		{"regex/10", "https://tenant8.example.org", mixedRegexes(10)},
		{"regex/1000", "https://tenant998.example.org", mixedRegexes(1000)},
		{"regex/1000/refused", "https://x.example.org", mixedRegexes(1000)},
	} {
		b.Run(tt.name, func(b *testing.B) {
			policy, err := compileOrigins(tt.list)
			if err != nil {
				b.Fatal(err)
			}
			origin := []byte(tt.origin)
			b.ReportAllocs()
			for b.Loop() {
				policy.has(origin)
			}
		})
	}
}
