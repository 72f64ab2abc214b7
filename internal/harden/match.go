package harden

import (
	"regexp"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/proto"
)

// The names of the headers that make a preflight, as Envoy writes them.
const (
	hMethod           = ":method"
	hOrigin           = "origin"
	hRequestedMethod  = "access-control-request-method"
	hRequestedHeaders = "access-control-request-headers"
	hFetchSite        = "sec-fetch-site"
	hAuthority        = ":authority"
)

func exactly(s string) *matcherv3.StringMatcher {
	return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: s}}
}

func expression(s string) *matcherv3.StringMatcher {
	return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_SafeRegex{SafeRegex: &matcherv3.RegexMatcher{Regex: s}}}
}

func is(name string, m *matcherv3.StringMatcher) *routev3.HeaderMatcher {
	return &routev3.HeaderMatcher{Name: name, HeaderMatchSpecifier: &routev3.HeaderMatcher_StringMatch{StringMatch: m}}
}

// isNot is true also where the header is missing, unless m matches the empty text.
func isNot(name string, m *matcherv3.StringMatcher) *routev3.HeaderMatcher {
	h := is(name, m)
	h.InvertMatch, h.TreatMissingHeaderAsEmpty = true, true
	return h
}

// filled: the header is there and not empty.
func filled(name string) *routev3.HeaderMatcher { return is(name, expression(".+")) }

// noneOf: the origin is none that the matchers match.
func noneOf(matchers []*matcherv3.StringMatcher) []*routev3.HeaderMatcher {
	out := make([]*routev3.HeaderMatcher, 0, len(matchers))
	for _, m := range matchers {
		out = append(out, isNot(hOrigin, m))
	}
	return out
}

// with returns a copy of a match with more conditions.
func with(m *routev3.RouteMatch, more ...*routev3.HeaderMatcher) *routev3.RouteMatch {
	out := proto.CloneOf(m)
	out.Headers = append(out.Headers, more...)
	return out
}

// preflights is the match of the preflights that announce requests for which m is
// the match. unknown are the headers whose value m asks for: a preflight tells the
// names only.
//
// The method comes first: it keeps other requests from all that follows.
func preflights(m *routev3.RouteMatch, announced bool) (out *routev3.RouteMatch, unknown []string) {
	out = proto.CloneOf(m)
	out.Headers = []*routev3.HeaderMatcher{is(hMethod, exactly("OPTIONS")), filled(hRequestedMethod), filled(hOrigin)}
	if !announced {
		out.Headers = append(out.Headers, m.GetHeaders()...)
		return out, nil
	}
	if out.GetGrpc() != nil {
		out.Grpc = nil
		out.Headers = append(out.Headers, announces("content-type"))
		unknown = append(unknown, "content-type")
	}
	for _, h := range m.GetHeaders() {
		translated, valued := announcedBy(h)
		if translated != nil {
			out.Headers = append(out.Headers, translated)
		}
		if valued {
			unknown = append(unknown, h.GetName())
		}
	}
	return out, unknown
}

// announcedBy turns a condition on a request into one on its preflight; nil if a
// preflight says nothing about it. valued: it asks for a value that is not known.
func announcedBy(h *routev3.HeaderMatcher) (out *routev3.HeaderMatcher, valued bool) {
	name := strings.ToLower(h.GetName())
	switch {
	case name == hMethod:
		out = proto.CloneOf(h)
		out.Name = hRequestedMethod
		return out, false
	case strings.HasPrefix(name, ":"), name == hOrigin, name == "host":
		return h, false // the preflight has the same
	case setByBrowser(name):
		return nil, true
	}
	out = announces(name)
	// present_match: false asks for a header that is missing.
	absent := h.GetInvertMatch()
	if p, ok := h.GetHeaderMatchSpecifier().(*routev3.HeaderMatcher_PresentMatch); ok {
		if !p.PresentMatch {
			absent = !absent
		}
	} else {
		valued = h.GetHeaderMatchSpecifier() != nil
	}
	if absent {
		out.InvertMatch, out.TreatMissingHeaderAsEmpty = true, true
	}
	return out, valued
}

// announces: Access-Control-Request-Headers has the name.
func announces(name string) *routev3.HeaderMatcher {
	return is(hRequestedHeaders, expression(`(?i)(?:.*[ \t,])?`+regexp.QuoteMeta(name)+`(?:[ \t,].*)?`))
}

// setByBrowser reports whether a browser sends a header without announcing it, so
// that a preflight does not tell whether it will come (Fetch, section 2.2.2:
// forbidden and safelisted names).
func setByBrowser(name string) bool {
	switch name {
	case "accept", "accept-charset", "accept-encoding", "accept-language", "content-language", "connection", "content-length",
		"cookie", "cookie2", "date", "dnt", "expect", "keep-alive", "referer", "te", "trailer", "transfer-encoding", "upgrade",
		"user-agent", "via":
		return true
	}
	return strings.HasPrefix(name, "sec-") || strings.HasPrefix(name, "proxy-")
}

// listOf is an expression for lists (RFC 9110 section 5.6.1, with empty elements)
// of names in any case. Each name stands in it once: RE2 counts.
func listOf(names []string) string {
	if len(names) == 0 {
		return `[ \t,]*`
	}
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = regexp.QuoteMeta(strings.ToLower(n))
	}
	return `(?i)(?:[ \t]*(?:` + strings.Join(quoted, "|") + `)?[ \t]*(?:,|$))*`
}

// ownOrigins is an expression for the origins of pages of a host, of either scheme
// and any port. Browsers write them in lower case.
func ownOrigins(domain string) string {
	return `https?://` + regexp.QuoteMeta(strings.ToLower(bare(domain))) + `(?::\d+)?`
}

// atHost: the request is for the domain, with or without a port.
func atHost(domain string) *matcherv3.StringMatcher {
	return expression(`(?i)` + regexp.QuoteMeta(bare(domain)) + `(?::\d+)?`)
}

// bare is a domain without its port.
func bare(domain string) string {
	host, port, ok := strings.Cut(domain, ":")
	if !ok || strings.Contains(port, ":") || strings.HasPrefix(domain, "[") {
		if i := strings.LastIndex(domain, "]:"); i >= 0 {
			return domain[:i+1]
		}
		return domain
	}
	return host
}
