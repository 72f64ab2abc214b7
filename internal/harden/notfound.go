package harden

import (
	"slices"
	"strconv"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	corsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/cors/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/crossgate/crossgate/internal/cors"
	"github.com/crossgate/crossgate/internal/xds"
)

// notFound answers 404 where no route matches, with the headers of CORS for the
// origins of all policies of the host: a page can then read the status, which it
// could not if Envoy answered. Nothing is revealed: the answer is empty.
func (h *host) notFound() []*routev3.Route {
	if len(h.safe) == 0 || !h.limits.Has(cors.ErrorHeaders) {
		return nil
	}
	if n := len(h.vh.GetRoutes()); n > 0 && catchesAll(h.vh.GetRoutes()[n-1]) {
		return nil
	}
	merged := union(h.safe)
	src := &routev3.Route{
		Name:   "not-found",
		Match:  &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/"}},
		Action: nowhere(routev3.RouteAction_NOT_FOUND),
	}
	b := &rows{pass: h.pass, host: h, src: src, p: h.pass.compiled.read(merged, false, h.limits), s: h.limits, inherits: h.inherits()}
	if b.p.unsafe != nil {
		// Credentials of one policy and the origins of another.
		merged.AllowCredentials = nil
		b.p = h.pass.compiled.read(merged, false, h.limits)
	}
	b.pre, _ = preflights(src.GetMatch(), true)
	made := b.build()
	last := made[len(made)-1]
	last.Metadata.FilterMetadata[xds.MetadataNamespace].Fields[xds.MetadataReason] = text("not-found")
	return made
}

// catchesAll reports whether nothing behind the route is reached.
func catchesAll(r *routev3.Route) bool {
	m := r.GetMatch()
	return m.GetPrefix() == "/" && len(m.GetHeaders()) == 0 && len(m.GetQueryParameters()) == 0 && m.GetGrpc() == nil &&
		m.GetRuntimeFraction() == nil && len(m.GetDynamicMetadata()) == 0 && m.GetTlsContext() == nil && len(m.GetFilterState()) == 0
}

// union is a policy that allows what any of the policies does.
func union(list []*policy) *corsv3.CorsPolicy {
	out := &corsv3.CorsPolicy{ForwardNotMatchingPreflights: wrapperspb.Bool(true)}
	var methods, headers, expose []string
	allMethods, allHeaders := false, false
	age := ""
	for _, p := range list {
		for _, m := range p.proto.GetAllowOriginStringMatch() {
			if !slices.ContainsFunc(out.AllowOriginStringMatch, func(o *matcherv3.StringMatcher) bool { return proto.Equal(o, m) }) {
				out.AllowOriginStringMatch = append(out.AllowOriginStringMatch, m)
			}
		}
		if p.proto.GetAllowCredentials().GetValue() {
			out.AllowCredentials = wrapperspb.Bool(true)
		}
		m, all := p.methods()
		methods, allMethods = addNew(methods, m), allMethods || all
		m, all = p.headers()
		headers, allHeaders = addNew(headers, m), allHeaders || all
		e, _ := p.list(p.proto.GetExposeHeaders())
		expose = addNew(expose, e)
		age = shorter(age, p.proto.GetMaxAge())
	}
	out.AllowMethods, out.AllowHeaders = strings.Join(methods, ","), strings.Join(headers, ",")
	if allMethods {
		out.AllowMethods = "*"
	}
	if allHeaders {
		out.AllowHeaders = "*"
	}
	out.ExposeHeaders, out.MaxAge = strings.Join(expose, ","), age
	return out
}

func addNew(list, more []string) []string {
	for _, s := range more {
		if !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	return list
}

// shorter returns the smaller of two times in seconds, the only one if there is one.
func shorter(a, b string) string {
	x, errX := strconv.Atoi(a)
	y, errY := strconv.Atoi(b)
	switch {
	case errY != nil:
		return a
	case errX != nil || y < x:
		return b
	}
	return a
}
