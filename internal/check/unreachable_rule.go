package check

import (
	networking "istio.io/api/networking/v1alpha3"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/resource"
)

// unreachableRule finds routes that get no request, as
// analyzeUnreachableHTTPRules of istio's pkg/config/validation does.
func unreachableRule() *Check {
	return &Check{
		Name: "unreachable-rule",
		Code: CodeUnreachableRule,
		Doc: "A route of a VirtualService gets no request, because a route before it takes them all: one without a match, or one with " +
			"the same matches. Move the more general route down, or remove the route.",
		Run: func(p *Pass) {
			for _, r := range p.Set.Kind(resource.KindVirtualService) {
				for _, table := range ruleTables(r.Spec.(*networking.VirtualService)) {
					p.unreachable(r, table)
				}
			}
		},
	}
}

func (p *Pass) unreachable(r *resource.Resource, rules []rule) {
	all := -1 // the first rule that takes everything
	dup := duplicates(rules)
	for i, rule := range rules {
		if all >= 0 {
			p.ReportBeside(r, rule.path, diag.Related{Pos: r.Position(rules[all].path), Message: "what is before it"}, diag.Warning, "not used: %s has no match and takes every request before it", rules[all].path)
			continue
		}
		if len(rule.matches) == 0 {
			all = i
			continue
		}
		n := 0
		for j := range rule.matches {
			if _, ok := dup[matchIndex{i, j}]; ok {
				n++
			}
		}
		if n == len(rule.matches) {
			before := rules[dup[matchIndex{i, 0}].rule].path
			p.ReportBeside(r, rule.path, diag.Related{Pos: r.Position(before), Message: "what is before it"}, diag.Warning, "not used: rules before it have all of its matches")
		}
	}
}
