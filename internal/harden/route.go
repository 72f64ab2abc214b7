package harden

import (
	"maps"
	"slices"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/crossgate/crossgate/internal/cors"
	"github.com/crossgate/crossgate/internal/xds"
)

// noCluster is the name of no cluster. Routes to it are answered with a status
// after the filters have run, which direct responses are not.
const noCluster = "crossgate-none"

// rows makes the routes that take the place of one.
type rows struct {
	pass  *pass
	host  *host
	src   *routev3.Route
	p     *policy
	s     cors.Settings
	pos   string // where the policy was written, for logs
	owner string
	// inherits: an outer level has a policy, which a route without one would get.
	inherits bool
	trials   []trial

	pre *routev3.RouteMatch // the preflights of src's requests
}

// refuses reports whether preflights that the policy does not allow are answered
// here.
func (b *rows) refuses() bool {
	return b.s.Level != cors.Headers && b.s.Has(cors.RefusePreflights) && !b.p.forward
}

// answers reports whether the route answers by itself, and has to carry the headers
// of CORS by itself too: the CORS filter leaves such routes alone.
func (b *rows) answers() bool {
	return b.src.GetRoute() == nil && b.s.Has(cors.ErrorHeaders)
}

// literal: one of the patterns matches "*" and must not mean everything.
func (b *rows) literal() bool { return b.p.star && b.s.Has(cors.LiteralStar) }

func (b *rows) build() []*routev3.Route {
	if b.p.unsafe != nil {
		return b.closed()
	}
	var out []*routev3.Route
	if b.refuses() {
		out = append(out, b.refusals(b.p, b.pre, "deny-")...)
		if m := b.stray(); m != nil {
			out = append(out, b.refusals(b.p, m, "deny-")...)
		}
	}
	// Where the answers to preflights do not look at the origin, those of other
	// origins must be gone.
	if !b.refuses() && !b.p.any && (b.literal() || b.answers()) {
		out = append(out, b.without("no-cors-preflight", with(b.pre, noneOf(b.origins())...)))
	}
	for _, t := range b.trials {
		out = append(out, b.tryPreflights(t)...)
	}
	if b.needsPreflight() {
		out = append(out, b.preflight("preflight", b.pre))
	}
	if b.s.Level == cors.Block {
		out = append(out, b.blocks(b.p, "deny-block", func(reason string, m *routev3.RouteMatch) *routev3.Route { return b.deny(reason, m) })...)
	}
	if !b.p.any && (b.literal() || b.answers()) {
		others := with(b.src.GetMatch(), noneOf(b.origins())...)
		for _, t := range b.trials {
			out = append(out, b.tryBlock(t, others, b.without)...)
		}
		out = append(out, b.without("no-cors", others))
	}
	// What the route itself adds beside the origin is for requests that have one.
	if b.answers() && len(b.ownHeaders()) > 1 && b.p.takesNoOrigin() {
		out = append(out, b.without("no-cors", with(b.src.GetMatch(), isNot(hOrigin, expression(".+")))))
	}
	for _, t := range b.trials {
		out = append(out, b.tryBlock(t, b.src.GetMatch(), b.open)...)
		out = append(out, b.tryHeaders(t)...)
	}
	return append(out, b.open("", b.src.GetMatch()))
}

// needsPreflight reports whether allowed preflights would not take the route
// itself, or would not be answered there.
func (b *rows) needsPreflight() bool {
	predicates := len(b.src.GetMatch().GetHeaders()) > 0 || b.src.GetMatch().GetGrpc() != nil
	return predicates && b.s.Has(cors.AnnouncedRoute) || b.answers() || b.literal() || b.s.Level == cors.Block || len(b.trials) > 0
}

// closed stands for a route whose policy cannot be enforced: it is served without
// CORS.
func (b *rows) closed() []*routev3.Route {
	var out []*routev3.Route
	if b.refuses() {
		out = append(out, b.deny("deny-origin", b.pre))
	} else if len(b.src.GetMatch().GetHeaders()) > 0 && b.s.Has(cors.AnnouncedRoute) {
		out = append(out, b.without("no-cors-preflight", b.pre))
	}
	r := b.without("", b.src.GetMatch())
	return append(out, r)
}

func (b *rows) origins() []*matcherv3.StringMatcher { return b.p.proto.GetAllowOriginStringMatch() }

// refusals are the routes for the preflights that a policy does not allow: by
// origin, then by method, then by headers.
func (b *rows) refusals(p *policy, pre *routev3.RouteMatch, prefix string) (out []*routev3.Route) {
	row := b.deny
	if prefix != "deny-" {
		row = b.preflight
	}
	if !p.any {
		out = append(out, row(prefix+"origin", with(pre, noneOf(p.proto.GetAllowOriginStringMatch())...)))
	}
	if methods, all := p.methods(); !all {
		var none []*routev3.HeaderMatcher
		for _, m := range methods {
			none = append(none, isNot(hRequestedMethod, exactly(m)))
		}
		out = append(out, row(prefix+"method", with(pre, none...)))
	}
	if headers, all := p.headers(); !all {
		out = append(out, row(prefix+"headers", with(pre, isNot(hRequestedHeaders, expression(listOf(headers))))))
	}
	return out
}

// stray is the match of preflights that announce another request than the route is
// for, and take the route all the same: because they have the headers that it asks
// for themselves. No browser sends one. Nil if there can be none.
func (b *rows) stray() *routev3.RouteMatch {
	conditions := b.src.GetMatch().GetHeaders()
	if len(conditions) == 0 || !b.s.Has(cors.AnnouncedRoute) {
		return nil
	}
	for _, h := range conditions {
		if e := h.GetStringMatch().GetExact(); h.GetName() == hMethod && !h.GetInvertMatch() && e != "" && !strings.EqualFold(e, "OPTIONS") {
			return nil
		}
	}
	m, _ := preflights(b.src.GetMatch(), false)
	return m
}

// blocks are the routes for requests of other sites' pages: those whose origin is
// neither allowed nor the host itself, unless the browser says that the page is of
// the same origin, or that no page sent them.
//
// Envoy cannot compare two headers, so that each domain of the host has a route of
// its own; where the host is a wildcard, what the browser says has to do.
func (b *rows) blocks(p *policy, reason string, row func(string, *routev3.RouteMatch) *routev3.Route) (out []*routev3.Route) {
	if p.any {
		return nil
	}
	foreign := append([]*routev3.HeaderMatcher{filled(hOrigin), isNot(hFetchSite, expression("same-origin|none"))},
		noneOf(p.proto.GetAllowOriginStringMatch())...)
	var elsewhere []*routev3.HeaderMatcher
	for _, domain := range b.host.exact {
		more := append(slices.Clone(foreign), isNot(hOrigin, expression(ownOrigins(domain))))
		if len(b.host.exact) > 1 || b.host.wildcard {
			more = append([]*routev3.HeaderMatcher{is(hAuthority, atHost(domain))}, more...)
		}
		elsewhere = append(elsewhere, isNot(hAuthority, atHost(domain)))
		out = append(out, row(reason, with(b.src.GetMatch(), more...)))
	}
	if b.host.wildcard {
		out = append(out, row(reason, with(b.src.GetMatch(), append(elsewhere, foreign...)...)))
	}
	return out
}

// deny is a route that refuses.
func (b *rows) deny(reason string, m *routev3.RouteMatch) *routev3.Route {
	r := &routev3.Route{
		Name: b.name(reason), Match: m,
		Action: &routev3.Route_DirectResponse{DirectResponse: &routev3.DirectResponseAction{Status: 403}},
	}
	b.mark(r, reason)
	b.setVary(r)
	return r
}

// preflight is a route on which allowed preflights are answered.
func (b *rows) preflight(reason string, m *routev3.RouteMatch) *routev3.Route {
	r := b.open(reason, m)
	if b.answers() {
		r.Action = nowhere(routev3.RouteAction_SERVICE_UNAVAILABLE)
		r.ResponseHeadersToAdd = b.src.GetResponseHeadersToAdd()
		b.setPolicy(r)
	}
	return r
}

// nowhere is an action that answers with a status, after the filters.
func nowhere(status routev3.RouteAction_ClusterNotFoundResponseCode) *routev3.Route_Route {
	return &routev3.Route_Route{Route: &routev3.RouteAction{
		ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: noCluster}, ClusterNotFoundResponseCode: status,
	}}
}

// copyOf is the route under another match. Without a reason it is the route itself.
func (b *rows) copyOf(reason string, m *routev3.RouteMatch) *routev3.Route {
	r := proto.CloneOf(b.src)
	r.Match = m
	if reason != "" {
		r.Name = b.name(reason)
	}
	b.mark(r, reason)
	b.setVary(r)
	if b.s.Has(cors.StripUpstream) && r.GetRoute() != nil {
		r.ResponseHeadersToRemove = append(r.ResponseHeadersToRemove, upstreamHeaders...)
	}
	return r
}

// upstreamHeaders are the headers that only the gateway's policy may set.
var upstreamHeaders = []string{
	"access-control-allow-origin", "access-control-allow-credentials", "access-control-allow-methods", "access-control-allow-headers",
	"access-control-expose-headers", "access-control-max-age", "access-control-allow-private-network",
}

// open is the route with its policy.
func (b *rows) open(reason string, m *routev3.RouteMatch) *routev3.Route {
	r := b.copyOf(reason, m)
	if b.answers() {
		r.ResponseHeadersToAdd = append(r.ResponseHeadersToAdd, b.ownHeaders()...)
		return r
	}
	b.setPolicy(r)
	return r
}

// without is the route without CORS.
func (b *rows) without(reason string, m *routev3.RouteMatch) *routev3.Route {
	r := b.copyOf(reason, m)
	delete(r.TypedPerFilterConfig, xds.CorsFilter)
	if b.inherits {
		b.setConfig(r, xds.CorsFilter, &routev3.FilterConfig{Disabled: true})
	}
	return r
}

// setPolicy gives a route the policy, or, where others were sorted out before, one
// that allows every origin: it would do so anyway.
func (b *rows) setPolicy(r *routev3.Route) {
	p := b.p.proto
	if b.literal() {
		p = proto.CloneOf(p)
		p.AllowOriginStringMatch = []*matcherv3.StringMatcher{exactly("*")}
	}
	b.setConfig(r, xds.CorsFilter, p)
}

// ownHeaders are what the CORS filter would add. Without an Origin the first is
// empty, and not sent.
func (b *rows) ownHeaders() []*corev3.HeaderValueOption {
	set := func(name, value string) *corev3.HeaderValueOption {
		return &corev3.HeaderValueOption{
			Header: &corev3.HeaderValue{Key: name, Value: value}, AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
		}
	}
	out := []*corev3.HeaderValueOption{set("access-control-allow-origin", "%REQ(origin)%")}
	if b.p.proto.GetAllowCredentials().GetValue() {
		out = append(out, set("access-control-allow-credentials", "true"))
	}
	if e := b.p.proto.GetExposeHeaders(); e != "" {
		out = append(out, set("access-control-expose-headers", escapePercent(e)))
	}
	return out
}

func (b *rows) setVary(r *routev3.Route) {
	if !b.s.Has(cors.Vary) {
		return
	}
	if r.TypedPerFilterConfig == nil {
		r.TypedPerFilterConfig = map[string]*anypb.Any{}
	}
	r.TypedPerFilterConfig[filterVary] = b.pass.varyRoute
	b.pass.varied[b.host.rc.GetName()] = true
}

func (b *rows) setConfig(r *routev3.Route, filter string, m proto.Message) {
	a, err := xds.Pack(m)
	if err != nil {
		b.pass.fail(err)
		return
	}
	config := maps.Clone(r.GetTypedPerFilterConfig())
	if config == nil {
		config = map[string]*anypb.Any{}
	}
	config[filter] = a
	r.TypedPerFilterConfig = config
}
