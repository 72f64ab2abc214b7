package check

import (
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/crossgate/crossgate/internal/origin"
)

// verdict is what is known of a pattern, whatever policy it stands in.
type verdict struct {
	// everyone: it matches every origin of a scheme.
	everyone bool
	// reachable: a browser can send an origin that it matches.
	reachable bool
	// witnesses are origins that it lets in and its author did not mean.
	witnesses []string
	// dots are those that stay out when the lone dots are escaped; escaped is the
	// pattern with them escaped, empty where there are none.
	dots    []string
	escaped string
	// suffix is a public suffix below which it lets in everything, and
	// tenants are such origins.
	suffix  string
	tenants []string
	// plain are origins of http that it lets in, not of this machine or network.
	plain []string
	// safe is a pattern that lets in what was meant; zero if none is certain.
	safe patternKey
}

// judgeAll judges the patterns of all policies, each text once, on all processors:
// large sets have many patterns, and each is followed by itself.
func (s *shared) judgeAll() {
	verdicts := make(map[patternKey]*verdict)
	var patterns []origin.Pattern
	var results []*verdict
	for _, c := range s.policies {
		for i := range c.matchers {
			m := &c.matchers[i]
			key := patternKey{m.Kind, m.Text}
			if verdicts[key] == nil {
				verdicts[key] = new(verdict)
				patterns, results = append(patterns, m.Pattern), append(results, verdicts[key])
			}
			m.verdict = verdicts[key]
		}
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(patterns)) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(patterns)); i = next.Add(1) - 1 {
				s.judge(results[i], patterns[i])
			}
		})
	}
	wg.Wait()
}

// judge fills in the verdict on a pattern.
func (s *shared) judge(v *verdict, p origin.Pattern) {
	if p.Any() {
		v.everyone, v.reachable = true, true
		v.witnesses = []string{stranger}
		return
	}
	if p.Kind == origin.Exact {
		v.reachable = origin.Sendable(p.Text)
		if parts, ok := origin.Parse(p.Text); ok && parts.Scheme == "http" && !parts.Private() {
			v.plain = []string{p.Text}
		}
		v.safe = s.safe(p, v)
		return
	}
	in := p.Intent()
	var err error
	if v.witnesses, err = s.finder.Witnesses(p); err != nil {
		v.witnesses = nil
	}
	v.everyone = len(v.witnesses) > 0 && slices.ContainsFunc([]string{"https", "http"}, func(scheme string) bool {
		return origin.Covers(scheme, []origin.Pattern{p}) == origin.All
	})
	if in.Plain() {
		v.plain = in.Examples(p, func(o origin.Parts) bool { return o.Scheme == "http" && !o.Private() })
	}
	v.reachable = len(v.witnesses) > 0 || len(in.Examples(p, func(origin.Parts) bool { return true })) > 0
	if !v.reachable {
		if v.reachable, err = s.finder.Reachable(p); err != nil {
			v.reachable = true // Nobody knows.
		}
	}
	for _, site := range in.Sites {
		if site.Sub && origin.PublicSuffix(site.Host) {
			v.suffix = site.Host
			v.tenants = in.Examples(p, func(o origin.Parts) bool { return strings.HasSuffix(o.Host, "."+site.Host) })
		}
	}
	v.judgeDots(s, p)
	v.safe = s.safe(p, v)
}

// judgeDots finds what comes in through dots that are not escaped.
func (v *verdict) judgeDots(s *shared, p origin.Pattern) {
	if p.Kind != origin.Regex || len(v.witnesses) == 0 || v.everyone {
		return
	}
	text := escapeDots(p.Text)
	if text == p.Text {
		return
	}
	escaped, err := origin.Compile(origin.Regex, text, false)
	if err != nil {
		return
	}
	v.escaped = text
	for _, w := range v.witnesses {
		if !escaped.Match(w) {
			v.dots = append(v.dots, w)
		}
	}
	// What is open beside the dots is another finding, with origins of its own.
	if v.witnesses, err = s.finder.Witnesses(escaped); err != nil {
		v.witnesses = nil
	}
	v.witnesses = slices.DeleteFunc(v.witnesses, func(w string) bool { return !p.Match(w) })
}

// stranger is an origin that nobody means.
const stranger = "https://evil.test"
