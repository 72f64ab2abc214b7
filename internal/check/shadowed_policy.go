package check

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/crossgate/crossgate/internal/diag"
)

// shadowedPolicy finds policies of routes that get no request.
func shadowedPolicy() *Check {
	return policyCheck("shadowed-policy", CodeShadowedPolicy,
		"The routes before a route with a policy take all of its requests, so that the policy is never used: the first route that matches counts, and "+
			"nothing is inherited. Move the more general route down.",
		func(p *Pass, c *corsPolicy) {
			before := c.object.Spec.(*networking.VirtualService).Http[:c.number]
			taker := -1
			if len(c.route.Match) == 0 {
				taker = takerOf(before, &networking.HTTPMatchRequest{})
			}
			for i, m := range c.route.Match {
				t := takerOf(before, m)
				if t < 0 {
					return
				}
				if i == 0 {
					taker = t
				}
			}
			if taker < 0 {
				return
			}
			path, instead := fmt.Sprintf("spec.http[%d]", taker), "another policy"
			switch other := before[taker].CorsPolicy; {
			case other == nil:
				instead = "no policy"
			case proto.Equal(other, c.CorsPolicy):
				instead = "the same policy"
			}
			p.ReportBeside(c.object, c.path, diag.Related{Pos: c.object.Position(path), Message: "the route that takes them"}, diag.Warning,
				"never used: %s takes all requests before this route, and has %s", path, instead)
		})
}

// takerOf returns the first route that takes all requests of a match, or -1.
func takerOf(routes []*networking.HTTPRoute, m *networking.HTTPMatchRequest) int {
	for i, r := range routes {
		if len(r.GetMatch()) == 0 {
			return i
		}
		for _, e := range r.Match {
			if covers(e, m) {
				return i
			}
		}
	}
	return -1
}

// covers reports whether a match takes all requests of another one: it is the same,
// or asks for nothing but a part of the path.
func covers(e, m *networking.HTTPMatchRequest) bool {
	if matchKey(e) == matchKey(m) {
		return true
	}
	if matchKey(e) != matchKey(&networking.HTTPMatchRequest{Uri: e.Uri}) || m.IgnoreUriCase {
		return false
	}
	switch uri := e.Uri.GetMatchType().(type) {
	case nil:
		return true
	case *networking.StringMatch_Prefix:
		inner := m.Uri.GetExact()
		if inner == "" {
			inner = m.Uri.GetPrefix()
		}
		return inner != "" && strings.HasPrefix(inner, uri.Prefix) || uri.Prefix == "/"
	case *networking.StringMatch_Exact:
		return m.Uri.GetExact() == uri.Exact
	case *networking.StringMatch_Regex:
		return m.Uri.GetRegex() == uri.Regex
	}
	return false
}
