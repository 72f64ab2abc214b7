package advise

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	corsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/cors/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/engine"
	"github.com/crossgate/crossgate/internal/fetch"
	"github.com/crossgate/crossgate/internal/resource"
	"github.com/crossgate/crossgate/internal/xds"
)

// route tells of a route in the virtual host that a request went to.
func (in Input) route(t *engine.Trace, index int) Route {
	out := Route{
		Position: in.position(xds.RouteKey(t.RouteConfig, t.VirtualHost, index)),
		Policy:   in.position(xds.CorsKey(t.RouteConfig, t.VirtualHost, index)),
	}
	if r := in.proto(t, index); r != nil {
		out.Name, out.Reason = r.GetName(), xds.RouteMetadata(r, xds.MetadataReason)
		// A route that the profile made stands for one that was written.
		out.Policy = cmp.Or(xds.RouteMetadata(r, xds.MetadataPosition), out.Policy)
	}
	return out
}

func (in Input) proto(t *engine.Trace, index int) *routev3.Route {
	for _, rc := range in.Snapshot.Routes {
		if rc.GetName() != t.RouteConfig {
			continue
		}
		for _, vh := range rc.GetVirtualHosts() {
			if vh.GetName() == t.VirtualHost && index < len(vh.GetRoutes()) {
				return vh.GetRoutes()[index]
			}
		}
	}
	return nil
}

// allows is what the policy of a route says. On a route that the profile made stands only its place; the policy is that of the
// route behind it that was written there.
func (in Input) allows(t *engine.Trace, route *Route) []string {
	if route.Policy == "" {
		return nil
	}
	for i := t.Route; ; i++ {
		r := in.proto(t, i)
		if r == nil {
			return nil
		}
		if p, err := xds.CorsPolicy(r.GetTypedPerFilterConfig()); err == nil && p != nil && in.route(t, i).Policy == route.Policy {
			return describe(p)
		}
	}
}

// describe renders a policy field by field, under the names that VirtualServices have for them.
func describe(p *corsv3.CorsPolicy) (out []string) {
	say := func(field, value string) {
		if value != "" {
			out = append(out, field+": "+value)
		}
	}
	var origins []string
	for _, m := range p.GetAllowOriginStringMatch() {
		switch m.GetMatchPattern().(type) {
		case *matcherv3.StringMatcher_Prefix:
			origins = append(origins, "prefix "+m.GetPrefix())
		case *matcherv3.StringMatcher_SafeRegex:
			origins = append(origins, "regex "+m.GetSafeRegex().GetRegex())
		default:
			origins = append(origins, m.GetExact())
		}
	}
	say("allowOrigins", strings.Join(origins, ", "))
	say("allowMethods", p.GetAllowMethods())
	say("allowHeaders", p.GetAllowHeaders())
	say("exposeHeaders", p.GetExposeHeaders())
	if c := p.GetAllowCredentials(); c != nil {
		say("allowCredentials", strconv.FormatBool(c.GetValue()))
	}
	say("maxAge", p.GetMaxAge())
	return out
}

// rule is the http route of a VirtualService that a request took.
type rule struct {
	object *resource.Resource
	spec   *networking.VirtualService
	index  int
}

// path is that of a field of the route.
func (r *rule) path(field string) string {
	return strings.TrimSuffix(fmt.Sprintf("spec.http[%d].%s", r.index, field), ".")
}

func (r *rule) policy() *networking.CorsPolicy { return r.spec.GetHttp()[r.index].GetCorsPolicy() }

// rule finds the route in the objects by where it, or its policy, was written.
func (in Input) rule(route *Route) *rule {
	if in.Set == nil || route == nil {
		return nil
	}
	for _, object := range in.Set.Kind(resource.KindVirtualService) {
		spec, ok := object.Spec.(*networking.VirtualService)
		if !ok {
			continue
		}
		for i := range spec.GetHttp() {
			r := &rule{object, spec, i}
			at := func(field string) string { return position(object.Position(r.path(field))) }
			if route.Policy != "" && at("corsPolicy") == route.Policy || route.Policy == "" && in.writtenAt(route, r, at) {
				return r
			}
		}
	}
	return nil
}

// writtenAt tells whether a route without a policy is the rule: it stands at the rule or at one of its matches.
func (in Input) writtenAt(route *Route, r *rule, at func(string) string) bool {
	if at("") == route.Position {
		return true
	}
	for i := range r.spec.GetHttp()[r.index].GetMatch() {
		if at(fmt.Sprintf("match[%d]", i)) == route.Position {
			return true
		}
	}
	return false
}

// because finds the line that decides.
func (p *played) because(in Input) *Because {
	if len(p.hops) == 0 {
		if f := p.last.Failure; f != nil {
			return &Because{Text: f.Text}
		}
		return &Because{Text: "the page asks its own origin"}
	}
	hop := &p.hops[len(p.hops)-1]
	switch {
	case hop.trace == nil:
		return &Because{Text: hop.Error}
	case hop.VirtualHost == "":
		return &Because{Text: fmt.Sprintf("no host of the configuration is %s", hop.hostOf())}
	case hop.Route == nil:
		return &Because{Text: fmt.Sprintf("no route of %s matches", hop.VirtualHost) + nearest(hop)}
	}
	r := in.rule(hop.Route)
	if r == nil {
		if hop.Route.Policy == "" && p.last.Failure != nil {
			return &Because{hop.Route.Position, "the route has no corsPolicy"}
		}
		return &Because{cmp.Or(hop.Route.Policy, hop.Route.Position), p.said()}
	}
	field, text := p.field(hop, r)
	pos := r.object.Position(r.path(field))
	if pos == (diag.Pos{}) {
		pos = r.object.Position(r.path("corsPolicy"))
	}
	return &Because{position(pos), text}
}

// said is the verdict in words.
func (p *played) said() string {
	if f := p.last.Failure; f != nil {
		return f.Text
	}
	return "the policy allows the call"
}

func nearest(h *Hop) string {
	for _, m := range slices.Backward(h.Missed) {
		if !strings.Contains(m.Why, "path") {
			return fmt.Sprintf("; the nearest, %s, does not: %s", cmp.Or(m.Position, m.Name), m.Why)
		}
	}
	return ""
}

// field is the field of the rule that decides, and what it says.
func (p *played) field(hop *Hop, r *rule) (field, text string) {
	policy := r.policy()
	if policy == nil {
		return "", "the route has no corsPolicy"
	}
	switch p.blocked(hop, policy) {
	case byOrigin:
		return "corsPolicy.allowOrigins", fmt.Sprintf("allowOrigins does not match %s", p.call.Page)
	case byMethod:
		return "corsPolicy.allowMethods", fmt.Sprintf("allowMethods does not have %s%s", p.method(), p.hint(policy))
	case byHeaders:
		return "corsPolicy.allowHeaders", "allowHeaders does not have " + strings.Join(p.missingHeaders(policy), ", ")
	case byCredentials:
		return "corsPolicy.allowCredentials", "allowCredentials is not true, and the page includes credentials"
	case byNothing:
		return p.allowing(policy), "the policy allows the call"
	}
	return "corsPolicy", p.said()
}

// method is what the browser sends for the page's method.
func (p *played) method() string {
	if len(p.last.Exchanges) > 0 {
		r := p.last.Exchanges[len(p.last.Exchanges)-1].Request
		for _, h := range r.Headers {
			if r.Preflight && h.Name == "Access-Control-Request-Method" {
				return h.Value
			}
		}
		return r.Method
	}
	return p.call.Method
}

// hint tells of a method that is there in another case.
func (p *played) hint(policy *networking.CorsPolicy) string {
	for _, m := range policy.GetAllowMethods() {
		if strings.EqualFold(m, p.method()) {
			return fmt.Sprintf(": %s is another method, and a page's %q is sent as it is", m, p.method())
		}
	}
	return ""
}

// obstacle is what of a policy stands in the way.
type obstacle int

const (
	byNothing obstacle = iota
	byOrigin
	byMethod
	byHeaders
	byCredentials
	byOther
)

// blocked tells what of the policy keeps the page from its answer.
func (p *played) blocked(hop *Hop, policy *networking.CorsPolicy) obstacle {
	f := p.last.Failure
	if f == nil {
		return byNothing
	}
	switch hop.Route.Reason {
	case "deny-origin", "deny-block", "no-cors":
		return byOrigin
	case "deny-method":
		return byMethod
	case "deny-headers":
		return byHeaders
	}
	switch fetch.Code(strings.TrimPrefix(string(f.Code), "Preflight")) {
	case fetch.MissingAllowOriginHeader, fetch.AllowOriginMismatch, fetch.InvalidAllowOriginValue, fetch.MultipleAllowOriginValues:
		return byOrigin
	case fetch.MethodDisallowedByPreflightResponse:
		return byMethod
	case fetch.HeaderDisallowedByPreflightResponse:
		return byHeaders
	case fetch.InvalidAllowCredentials:
		return byCredentials
	}
	return byOther
}

// missingHeaders are the names that the page sends, need permission and are not in the policy.
func (p *played) missingHeaders(policy *networking.CorsPolicy) (missing []string) {
	for _, x := range p.last.Exchanges {
		for _, h := range x.Request.Headers {
			if h.Name != "Access-Control-Request-Headers" {
				continue
			}
			for name := range strings.SplitSeq(h.Value, ",") {
				if !slices.ContainsFunc(policy.GetAllowHeaders(), func(s string) bool { return strings.EqualFold(s, name) }) {
					missing = append(missing, name)
				}
			}
		}
	}
	return missing
}

// allowing is the field that lets the page's origin in.
func (p *played) allowing(policy *networking.CorsPolicy) string {
	for i, m := range policy.GetAllowOrigins() {
		if m.GetExact() == p.call.Page {
			return fmt.Sprintf("corsPolicy.allowOrigins[%d]", i)
		}
	}
	return "corsPolicy.allowOrigins"
}
