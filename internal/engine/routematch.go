package engine

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"

	"github.com/crossgate/crossgate/internal/header"
)

// routeMatch is a compiled RouteMatch: all of it has to hold.
type routeMatch struct {
	kind     pathKind
	path     []byte
	fold     bool
	re       *regexp.Regexp
	headers  []headerMatch
	none     []noneMatch
	queries  []queryMatch
	cookies  []cookieMatch
	fraction *fraction
	grpc     bool

	// onlyOptions: the method has to be OPTIONS. Such a route is not looked at for
	// other requests.
	onlyOptions bool
}

type pathKind uint8

const (
	pathPrefix pathKind = iota
	pathExact
	pathSeparatedPrefix
	pathRegex
	pathTemplate
)

func compileMatch(m *routev3.RouteMatch, rt runtime) (routeMatch, error) {
	out := routeMatch{fold: m.GetCaseSensitive() != nil && !m.GetCaseSensitive().GetValue(), grpc: m.GetGrpc() != nil}
	switch p := m.GetPathSpecifier().(type) {
	case *routev3.RouteMatch_Prefix:
		out.kind, out.path = pathPrefix, []byte(p.Prefix)
	case *routev3.RouteMatch_Path:
		out.kind, out.path = pathExact, []byte(p.Path)
	case *routev3.RouteMatch_PathSeparatedPrefix:
		out.kind, out.path = pathSeparatedPrefix, []byte(p.PathSeparatedPrefix)
	case *routev3.RouteMatch_SafeRegex:
		re, err := compileRegex(p.SafeRegex)
		if err != nil {
			return out, fmt.Errorf("match.safe_regex: %w", err)
		}
		out.kind, out.re = pathRegex, re
	case *routev3.RouteMatch_PathMatchPolicy:
		re, err := compilePathPolicy(p.PathMatchPolicy)
		if err != nil {
			return out, fmt.Errorf("match.path_match_policy: %w", err)
		}
		out.kind, out.re = pathTemplate, re
	default:
		return out, fmt.Errorf("match.%T is not supported", p)
	}
	if out.fold {
		out.path = bytes.ToLower(out.path)
	}
	for i, h := range m.GetHeaders() {
		c, err := compileHeaderMatch(h)
		if err != nil {
			return out, fmt.Errorf("match.headers[%d]: %w", i, err)
		}
		out.addHeader(c)
	}
	out.seal()
	for i, q := range m.GetQueryParameters() {
		c, err := compileQueryMatch(q)
		if err != nil {
			return out, fmt.Errorf("match.query_parameters[%d]: %w", i, err)
		}
		out.queries = append(out.queries, c)
	}
	for i, k := range m.GetCookies() {
		c, err := compileCookieMatch(k)
		if err != nil {
			return out, fmt.Errorf("match.cookies[%d]: %w", i, err)
		}
		out.cookies = append(out.cookies, c)
	}
	if f := m.GetRuntimeFraction(); f != nil {
		v := rt.fraction(f)
		out.fraction = &v
	}
	return out, nil
}

// rest decides for a request that meets the leading conditions.
func (m *routeMatch) rest(s *stream) bool {
	for i := range m.none {
		if !m.none[i].matches(s) {
			return false
		}
	}
	if len(m.queries) > 0 {
		query := s.query()
		for i := range m.queries {
			if !m.queries[i].matches(query) {
				return false
			}
		}
	}
	for i := range m.cookies {
		if !m.cookies[i].matches(&s.req.Headers) {
			return false
		}
	}
	if m.grpc && !isGRPC(&s.req.Headers) {
		return false
	}
	return m.fraction == nil || m.fraction.draw()
}

func (m *routeMatch) matchesPath(path []byte) bool {
	switch m.kind {
	case pathRegex, pathTemplate:
		return m.re.Match(path)
	case pathExact:
		return len(path) == len(m.path) && m.equal(path)
	}
	n := len(m.path)
	if len(path) < n || !m.equal(path[:n]) {
		return false
	}
	return m.kind == pathPrefix || len(path) == n || path[n] == '/'
}

func (m *routeMatch) equal(b []byte) bool {
	if m.fold {
		return equalFold(b, m.path)
	}
	return bytes.Equal(b, m.path)
}

// headerMatch is a compiled HeaderMatcher.
type headerMatch struct {
	name         string
	value        *stringMatch
	ranged       bool
	from, to     int64
	present      bool
	invert       bool
	missingEmpty bool
}

func compileHeaderMatch(h *routev3.HeaderMatcher) (headerMatch, error) {
	m := headerMatch{name: strings.ToLower(h.GetName()), invert: h.GetInvertMatch(), missingEmpty: h.GetTreatMissingHeaderAsEmpty()}
	if m.name == "host" {
		m.name = ":authority" // as which Envoy keeps the field
	}
	switch p := h.GetHeaderMatchSpecifier().(type) {
	case nil:
		m.present = true
	case *routev3.HeaderMatcher_PresentMatch:
		m.present = true
		if !p.PresentMatch {
			m.invert = !m.invert
		}
	case *routev3.HeaderMatcher_RangeMatch:
		m.ranged, m.from, m.to = true, p.RangeMatch.GetStart(), p.RangeMatch.GetEnd()
	default:
		sm := headerStringMatcher(h)
		if sm == nil {
			return m, fmt.Errorf("header match %T is not supported", p)
		}
		v, err := compileString(sm)
		if err != nil {
			return m, err
		}
		m.value = &v
	}
	return m, nil
}

func (m *headerMatch) matches(s *stream) bool {
	if m.name[0] == ':' {
		return m.matchesOne(s.pseudoHeader(m.name)) != m.invert
	}
	found, ok := false, false
	for i := range s.req.Headers.Fields {
		f := &s.req.Headers.Fields[i]
		if string(f.Name) != m.name {
			continue
		}
		found = true
		if m.present || m.matchesOne(f.Value) {
			ok = true
			break
		}
	}
	switch {
	case m.present:
		return (found || m.missingEmpty) != m.invert
	case !found && m.missingEmpty:
		return m.matchesOne(nil) != m.invert
	case !found:
		// A missing header never matches a value, not even inverted.
		return false
	}
	return ok != m.invert
}

func (m *headerMatch) matchesOne(v []byte) bool {
	switch {
	case m.present:
		return true
	case m.ranged:
		n, err := strconv.ParseInt(string(v), 10, 64)
		return err == nil && n >= m.from && n < m.to
	}
	return m.value.match(v)
}

// queryMatch is a compiled QueryParameterMatcher.
type queryMatch struct {
	name  string
	value *stringMatch // nil: it has to be there
}

func compileQueryMatch(q *routev3.QueryParameterMatcher) (queryMatch, error) {
	m := queryMatch{name: q.GetName()}
	switch p := q.GetQueryParameterMatchSpecifier().(type) {
	case nil, *routev3.QueryParameterMatcher_PresentMatch:
	case *routev3.QueryParameterMatcher_StringMatch:
		v, err := compileString(p.StringMatch)
		if err != nil {
			return m, err
		}
		m.value = &v
	default:
		return m, fmt.Errorf("query match %T is not supported", p)
	}
	return m, nil
}

// matches looks at the first parameter with the name only; nothing is decoded.
func (m *queryMatch) matches(query []byte) bool {
	for len(query) > 0 {
		var pair []byte
		pair, query, _ = bytes.Cut(query, []byte("&"))
		key, value, _ := bytes.Cut(pair, []byte("="))
		if string(key) == m.name {
			return m.value == nil || m.value.match(value)
		}
	}
	return false
}

// isGRPC follows Envoy: application/grpc, also with a suffix after +.
func isGRPC(h *header.List) bool {
	v, _ := h.Get("content-type")
	rest, ok := bytes.CutPrefix(v, []byte("application/grpc"))
	return ok && (len(rest) == 0 || rest[0] == '+')
}

// fraction is a share of the requests, in millionths.
type fraction uint32

const oneMillion = 1_000_000

func (f fraction) draw() bool {
	return f >= oneMillion || f > 0 && rand.Uint32N(oneMillion) < uint32(f)
}

// headerStringMatcher returns the string matcher of a header matcher, also of
// the fields that string_match replaced; nil if it is of another kind.
func headerStringMatcher(h *routev3.HeaderMatcher) *matcherv3.StringMatcher {
	switch p := h.GetHeaderMatchSpecifier().(type) {
	case *routev3.HeaderMatcher_StringMatch:
		return p.StringMatch
	case *routev3.HeaderMatcher_ExactMatch:
		return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: p.ExactMatch}}
	case *routev3.HeaderMatcher_PrefixMatch:
		return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Prefix{Prefix: p.PrefixMatch}}
	case *routev3.HeaderMatcher_SuffixMatch:
		return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Suffix{Suffix: p.SuffixMatch}}
	case *routev3.HeaderMatcher_ContainsMatch:
		return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Contains{Contains: p.ContainsMatch}}
	case *routev3.HeaderMatcher_SafeRegexMatch:
		return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_SafeRegex{SafeRegex: p.SafeRegexMatch}}
	}
	return nil
}
