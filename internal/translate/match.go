package translate

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/crossgate/crossgate/internal/diag"
)

// match translates a match condition (TranslateRouteMatch of istiod's
// pilot/pkg/networking/core/route). It reports false if a condition cannot be
// expressed: the route must not match more than was written.
func (b *routeBuilder) match(in *networking.HTTPMatchRequest, path string) (*routev3.RouteMatch, bool) {
	out := &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/"}}
	if in == nil {
		return out, true
	}
	for _, headers := range []map[string]*networking.StringMatch{in.GetHeaders(), in.GetWithoutHeaders()} {
		for name := range headers {
			if strings.HasPrefix(name, "@") {
				b.t.report(diag.Error, CodeUnsupported, b.from, path,
					"route left out: matching JWT claims (%s) is not supported yet", name)
				return nil, false
			}
		}
	}
	out.Headers = headerMatchers(in)
	setPath(out, in.GetUri())
	out.CaseSensitive = wrapperspb.Bool(!in.GetIgnoreUriCase())
	for _, name := range slices.Sorted(maps.Keys(in.GetQueryParams())) {
		out.QueryParameters = append(out.QueryParameters, queryMatcher(name, in.GetQueryParams()[name]))
	}
	return out, true
}

func setPath(out *routev3.RouteMatch, uri *networking.StringMatch) {
	switch m := uri.GetMatchType().(type) {
	case *networking.StringMatch_Exact:
		out.PathSpecifier = &routev3.RouteMatch_Path{Path: m.Exact}
	case *networking.StringMatch_Prefix:
		out.PathSpecifier = &routev3.RouteMatch_Prefix{Prefix: m.Prefix}
	case *networking.StringMatch_Regex:
		out.PathSpecifier = &routev3.RouteMatch_SafeRegex{SafeRegex: &matcherv3.RegexMatcher{Regex: m.Regex}}
	}
}

// headerMatchers translates the conditions on headers, sorted by name, and
// then those on the pseudo headers.
func headerMatchers(in *networking.HTTPMatchRequest) []*routev3.HeaderMatcher {
	var out []*routev3.HeaderMatcher
	for name, m := range in.GetHeaders() {
		out = append(out, headerMatcher(name, m))
	}
	for name, m := range in.GetWithoutHeaders() {
		h := headerMatcher(name, m)
		h.InvertMatch = true
		// Envoy fails an inverted match of a missing header unless told that
		// it is empty; a presence match knows by itself.
		h.TreatMissingHeaderAsEmpty = !isPresence(m)
		out = append(out, h)
	}
	slices.SortFunc(out, func(a, b *routev3.HeaderMatcher) int {
		if n := strings.Compare(a.GetName(), b.GetName()); n != 0 {
			return n
		}
		return cmp.Compare(toInt(a.GetInvertMatch()), toInt(b.GetInvertMatch()))
	})
	for _, p := range []struct {
		name  string
		match *networking.StringMatch
	}{{":method", in.GetMethod()}, {":authority", in.GetAuthority()}, {":scheme", in.GetScheme()}} {
		if p.match != nil {
			out = append(out, headerMatcher(p.name, p.match))
		}
	}
	return out
}

func toInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func headerMatcher(name string, m *networking.StringMatch) *routev3.HeaderMatcher {
	out := &routev3.HeaderMatcher{Name: name}
	if isPresence(m) {
		out.HeaderMatchSpecifier = &routev3.HeaderMatcher_PresentMatch{PresentMatch: true}
	} else {
		out.HeaderMatchSpecifier = &routev3.HeaderMatcher_StringMatch{StringMatch: stringMatcher(m)}
	}
	return out
}

func queryMatcher(name string, m *networking.StringMatch) *routev3.QueryParameterMatcher {
	out := &routev3.QueryParameterMatcher{Name: name}
	if isPresence(m) {
		out.QueryParameterMatchSpecifier = &routev3.QueryParameterMatcher_PresentMatch{PresentMatch: true}
	} else {
		out.QueryParameterMatchSpecifier = &routev3.QueryParameterMatcher_StringMatch{StringMatch: stringMatcher(m)}
	}
	return out
}

// isPresence reports whether a match asks only that something is there: an
// empty match, or the regex "*", which Istio takes for "any".
func isPresence(m *networking.StringMatch) bool {
	return m.GetMatchType() == nil || m.GetRegex() == "*"
}

// stringMatcher translates a match that has a type.
func stringMatcher(in *networking.StringMatch) *matcherv3.StringMatcher {
	switch m := in.GetMatchType().(type) {
	case *networking.StringMatch_Exact:
		return exactMatcher(m.Exact)
	case *networking.StringMatch_Prefix:
		return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Prefix{Prefix: m.Prefix}}
	case *networking.StringMatch_Regex:
		return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_SafeRegex{
			SafeRegex: &matcherv3.RegexMatcher{Regex: m.Regex},
		}}
	}
	return nil
}

func exactMatcher(s string) *matcherv3.StringMatcher {
	return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: s}}
}
