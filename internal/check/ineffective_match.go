package check

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/resource"
)

// ineffectiveMatch finds matches whose requests a match before takes, by the rules
// of analyzeUnreachableHTTPRules in istio's pkg/config/validation.
func ineffectiveMatch() *Check {
	return &Check{
		Name: "ineffective-match",
		Code: CodeIneffectiveMatch,
		Doc: "A match of a VirtualService has no effect, because a match before it is the same or has a prefix that covers its own. " +
			"Move the longer prefix up, or remove the match.",
		Run: func(p *Pass) {
			for _, r := range p.Set.Kind(resource.KindVirtualService) {
				vs := r.Spec.(*networking.VirtualService)
				for i, table := range ruleTables(vs) {
					dup := duplicates(table)
					p.duplicateMatches(r, table, dup)
					if i == 0 {
						p.coveredMatches(r, vs.Http, dup)
					}
				}
			}
		},
	}
}

func (p *Pass) duplicateMatches(r *resource.Resource, rules []rule, dup map[matchIndex]matchIndex) {
	for i, rule := range rules {
		for j := range rule.matches {
			if f, ok := dup[matchIndex{i, j}]; ok {
				first := fmt.Sprintf("%s.match[%d]", rules[f.rule].path, f.match)
				p.ReportBeside(r, fmt.Sprintf("%s.match[%d]", rule.path, j), diag.Related{Pos: r.Position(first), Message: "what is before it"}, diag.Info, "not used: %s is the same", first)
			}
		}
	}
}

// prefixMatch is a match of a URI prefix, in the parts that are compared. A value
// is "exact:…", "prefix:…", or empty for any other.
type prefixMatch struct {
	path, prefix                  string
	port                          uint32
	method, authority             string
	headers, without, queryParams map[string]string
}

func (p *Pass) coveredMatches(r *resource.Resource, routes []*networking.HTTPRoute, dup map[matchIndex]matchIndex) {
	byPrefix := make(map[string][]*prefixMatch)
	for i, route := range routes {
		if len(route.GetMatch()) == 0 {
			return
		}
		for j, m := range route.Match {
			if _, ok := dup[matchIndex{i, j}]; ok || m.GetUri().GetPrefix() == "" {
				continue
			}
			b := newPrefixMatch(fmt.Sprintf("spec.http[%d].match[%d]", i, j), m)
			if a := covering(byPrefix, b); a != nil {
				p.ReportBeside(r, b.path, diag.Related{Pos: r.Position(a.path), Message: "what is before it"}, diag.Info, "not used: the prefix %s of %s covers %s", a.prefix, a.path, b.prefix)
			}
			byPrefix[b.prefix] = append(byPrefix[b.prefix], b)
		}
	}
}

// covering returns a match before b, of a shorter prefix, that takes what b takes.
func covering(byPrefix map[string][]*prefixMatch, b *prefixMatch) *prefixMatch {
	if len(byPrefix) == 0 {
		return nil
	}
	for n := 1; n < len(b.prefix); n++ {
		for _, a := range byPrefix[b.prefix[:n]] {
			if a.covers(b) {
				return a
			}
		}
	}
	return nil
}

func newPrefixMatch(path string, m *networking.HTTPMatchRequest) *prefixMatch {
	out := &prefixMatch{
		path: path, prefix: m.Uri.GetPrefix(), port: m.Port,
		method: exactOrPrefix(m.Method), authority: exactOrPrefix(m.Authority),
		headers: valueTexts(m.Headers), without: valueTexts(m.WithoutHeaders), queryParams: valueTexts(m.QueryParams),
	}
	if out.method == "" {
		out.method = "exact:GET" // Istio's analyzer takes it so.
	}
	return out
}

func exactOrPrefix(m *networking.StringMatch) string {
	switch {
	case m.GetExact() != "":
		return "exact:" + m.GetExact()
	case m.GetPrefix() != "":
		return "prefix:" + m.GetPrefix()
	}
	return ""
}

func valueTexts(ms map[string]*networking.StringMatch) map[string]string {
	if len(ms) == 0 {
		return nil
	}
	out := make(map[string]string, len(ms))
	for name, m := range ms {
		out[name] = exactOrPrefix(m)
	}
	return out
}

func (a *prefixMatch) covers(b *prefixMatch) bool {
	covers := func(a, b string) bool { return strings.HasPrefix(a, b) }
	return a.port == b.port && covers(a.method, b.method) && covers(a.authority, b.authority) &&
		slices.IndexFunc([][2]map[string]string{{a.headers, b.headers}, {a.without, b.without}, {a.queryParams, b.queryParams}}, func(m [2]map[string]string) bool {
			return !maps.EqualFunc(m[0], m[1], covers)
		}) < 0
}
