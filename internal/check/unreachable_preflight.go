package check

import (
	"fmt"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/origin"
)

// unreachablePreflight finds policies of routes that no preflight matches.
func unreachablePreflight() *Check {
	return policyCheck("unreachable-preflight", CodeUnreachablePreflight,
		"A route with a policy asks for a method or a header that no preflight has: preflights are OPTIONS requests without the headers that they ask "+
			"for. On Istio they miss the route and its policy. The profile hardened sends a preflight where the request goes that it announces. For Istio, "+
			"leave the condition out, or add a match for OPTIONS.",
		func(p *Pass, c *corsPolicy) {
			reason := ""
			for i, m := range c.route.Match {
				why := missesPreflights(m)
				if why == "" {
					return
				}
				if reason == "" {
					reason = fmt.Sprintf("match[%d] asks for %s", i, why)
				}
			}
			if reason != "" {
				p.Report(c.object, c.path, diag.Warning, "no preflight reaches this policy on Istio: %s", reason)
			}
		})
}

// missesPreflights says which condition of a match no preflight meets.
func missesPreflights(m *networking.HTTPMatchRequest) string {
	if m.GetMethod() != nil && !matches(m.Method, "OPTIONS") {
		return "another method than OPTIONS"
	}
	var names []string
	for name, value := range m.GetHeaders() {
		if !carried(strings.ToLower(name)) && value.GetMatchType() != nil && !matches(value, "") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	if len(names) > 0 {
		return "the header " + names[0]
	}
	return ""
}

// carried reports whether browsers send a header with preflights.
func carried(name string) bool {
	switch name {
	case "host", "origin", "access-control-request-method", "access-control-request-headers", "user-agent", "accept", "accept-language",
		"accept-encoding", "referer", "connection", "cache-control", "pragma":
		return true
	}
	return strings.HasPrefix(name, ":") || strings.HasPrefix(name, "sec-") || strings.HasPrefix(name, "x-forwarded-") || name == "x-envoy-external-address"
}

// matches reports whether a matcher takes a text. One that does not compile is an
// error of its own and takes everything here.
func matches(m *networking.StringMatch, text string) bool {
	key, ok := keyOf(m)
	if !ok {
		return true
	}
	pattern, err := origin.Compile(key.kind, key.text, false)
	return err != nil || pattern.Match(text)
}
