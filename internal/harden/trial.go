package harden

import (
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/crossgate/crossgate/internal/cors"
)

// trial is a policy or a level that is evaluated beside the one in force: what it
// would refuse takes a route of its own, which does what the route in force does
// and whose name says why.
type trial struct {
	p     *policy
	level cors.Level
	own   bool // the policy in force, at a stricter level
}

// trialsOf lists what is tried on a route.
func trialsOf(p, candidate *policy, s, tried cors.Settings) (out []trial) {
	if s.ReportOnly > s.Level {
		out = append(out, trial{p, s.ReportOnly, true})
	}
	if candidate != nil {
		out = append(out, trial{candidate, tried.Level, false})
	}
	return out
}

const would = "would-deny-"

// tryPreflights are the routes for preflights that the trial would refuse.
func (b *rows) tryPreflights(t trial) []*routev3.Route {
	if t.level == cors.Headers || t.p.forward || t.own && b.refuses() {
		return nil
	}
	if t.p.unsafe != nil {
		return []*routev3.Route{b.preflight(would+"origin", b.pre)}
	}
	return b.refusals(t.p, b.pre, would)
}

// tryBlock are the routes for requests that the trial would block, among those that
// match m.
func (b *rows) tryBlock(t trial, m *routev3.RouteMatch, row func(string, *routev3.RouteMatch) *routev3.Route) []*routev3.Route {
	if t.level != cors.Block || t.p.unsafe != nil || t.own && b.s.Level == cors.Block {
		return nil
	}
	return b.blocks(t.p, would+"block", func(reason string, blocked *routev3.RouteMatch) *routev3.Route {
		more := blocked.GetHeaders()[len(b.src.GetMatch().GetHeaders()):]
		return row(reason, with(m, more...))
	})
}

// tryHeaders is the route for requests whose page could read the answer and could
// not with the trial.
func (b *rows) tryHeaders(t trial) []*routev3.Route {
	if t.own || t.p.any {
		return nil
	}
	m := with(b.src.GetMatch(), filled(hOrigin))
	if !b.p.any {
		m = with(m, is(hOrigin, expression(b.p.union())))
	}
	if t.p.unsafe == nil {
		m = with(m, noneOf(t.p.proto.GetAllowOriginStringMatch())...)
	}
	return []*routev3.Route{b.open("would-drop-headers", m)}
}

// union is one expression for all origins of the policy.
func (p *policy) union() string {
	parts := make([]string, len(p.patterns))
	for i, o := range p.patterns {
		parts[i] = o.Regexp()
	}
	return strings.Join(parts, "|")
}
