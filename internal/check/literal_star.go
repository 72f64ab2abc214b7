package check

import (
	"slices"
)

// literalStar finds patterns that match the one character *, which Envoy asks every
// policy for (isOriginAllowed in source/extensions/filters/http/cors/cors_filter.cc).
func literalStar() *Check {
	return matcherCheck("literal-star", CodeLiteralStar,
		"An origin is a pattern that happens to match the text *. Istio's Envoy takes the policy for one that allows every origin, whatever else it "+
			"says; the profile hardened does not. Write the pattern so that it matches origins only, with their scheme.",
		func(c *corsPolicy, m *matcher) *opening {
			if !m.Star() || m.everyone {
				return nil
			}
			open := func(o matcher) bool { return o.everyone || o.Match(stranger) }
			if slices.ContainsFunc(c.matchers, open) {
				return nil // It is open without that.
			}
			witnesses := []string{stranger}
			return &opening{
				severity:  c.everybody(),
				message:   "matches the text *, and Envoy then allows every origin: with Istio " + c.letIn(witnesses),
				witnesses: witnesses,
			}
		})
}
