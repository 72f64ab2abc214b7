package square

import (
	"fmt"
	"slices"
	"strings"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	corsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/cors/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"

	"github.com/crossgate/crossgate/internal/cors"
	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/harden"
	"github.com/crossgate/crossgate/internal/origin"
	"github.com/crossgate/crossgate/internal/xds"
	"github.com/crossgate/crossgate/test/rawhttp"
)

// guarded is a virtual host of the profile hardened, in the words of the model.
type guarded struct {
	routes  []cors.Route
	domains []string
	tried   []*cors.Policy // beside those of the routes; they change nothing
}

// at is the model of the host that a request with this authority is for.
func (h *guarded) at(authority string) *cors.Host {
	if slices.Contains(h.domains, authority) {
		return &cors.Host{Name: authority, Routes: h.routes}
	}
	return &cors.Host{Routes: h.routes} // a wildcard
}

// guard makes a random host: a few routes, some with policies, predicates and
// answers of their own, under settings that differ from host to host.
func (g generator) guard(n int) *guarded {
	h := &guarded{}
	exact, other, wildcard := fmt.Sprintf("h%d.test", n), fmt.Sprintf("o%d.test", n), fmt.Sprintf("*.w%d.test", n)
	switch g.IntN(10) {
	case 0:
		h.domains = []string{wildcard}
	case 1:
		h.domains = []string{exact, other}
	case 2:
		h.domains = []string{exact, other, wildcard}
	default:
		h.domains = []string{exact}
	}
	s := cors.Settings{Level: cors.Preflight}
	switch g.IntN(10) {
	case 0, 1:
		s.Level = cors.Headers
	case 2, 3, 4:
		s.Level = cors.Block
	}
	if g.chance(20) {
		s.ReportOnly = pick(g, cors.Preflight, cors.Block) // which changes nothing
	}
	if g.chance(25) {
		s.Without = cors.Rules(g.IntN(int(cors.AllRules) + 1))
	}
	for range 1 + g.IntN(3) {
		h.routes = append(h.routes, g.guardedRoute(s))
		var tried *cors.Policy
		if g.chance(20) {
			tried = g.guardedPolicy()
		}
		h.tried = append(h.tried, tried)
	}
	return h
}

func (g generator) guardedRoute(s cors.Settings) cors.Route {
	r := cors.Route{Settings: s, Path: origin.Pattern{Kind: origin.Prefix, Text: pick(g, "/", "/a", "/a", "/b")}}
	if g.chance(15) {
		r.Path = origin.Pattern{Kind: origin.Exact, Text: "/a"}
	}
	if g.chance(30) {
		r.Conditions = append(r.Conditions, g.condition())
	}
	if g.chance(10) {
		r.Conditions = append(r.Conditions, g.condition())
	}
	switch g.IntN(8) {
	case 0:
		r.Action, r.Status = cors.Redirect, 301
	case 1:
		r.Action, r.Status = cors.DirectResponse, 200
	}
	if g.chance(85) {
		r.Policy = g.guardedPolicy()
	}
	return r
}

func (g generator) condition() cors.Condition {
	c := cors.Condition{Name: pick(g, "x-beta", "x-beta", "x-t", ":method"), Invert: g.chance(25)}
	if c.Name == ":method" {
		p := compiled(origin.Exact, pick(g, "GET", "POST", "PUT", "OPTIONS"))
		if g.chance(20) {
			p = compiled(origin.Regex, "GET|PUT")
		}
		c.Value = &p
	} else if g.chance(30) {
		p := compiled(origin.Exact, "1")
		c.Value = &p
	}
	return c
}

func compiled(kind origin.Kind, text string) origin.Pattern {
	p, err := origin.Compile(kind, text, false)
	if err != nil {
		panic(err) // the texts are written here
	}
	return p
}

func (g generator) guardedPolicy() *cors.Policy {
	p := &cors.Policy{
		Methods:     pick(g, "", "*", "GET", "GET,POST", "GET, POST ,PUT", "*,GET", "get", "GET,POST,PUT,PATCH,DELETE"),
		Headers:     pick(g, "", "*", "content-type", "content-type,x-a", "X-A, x-b", "*,x-a", "authorization", "x-beta,x-t,x-a"),
		Expose:      pick(g, "", "", "*", "x-a", "x-a,x-b", "X-A , x-b"),
		MaxAge:      pick(g, "", "", "0", "600", "86400"),
		Credentials: g.chance(50),
		Forward:     g.chance(10),
		Ignore:      g.chance(20),
	}
	if p.Forward {
		p.Ignore = false
	}
	for range 1 + g.IntN(4) {
		m := g.matcher()
		if pattern, err := patternOf(m); err == nil {
			p.Origins = append(p.Origins, pattern)
		}
	}
	return p
}

func patternOf(m *matcherv3.StringMatcher) (origin.Pattern, error) {
	switch p := m.GetMatchPattern().(type) {
	case *matcherv3.StringMatcher_Prefix:
		return origin.Compile(origin.Prefix, p.Prefix, m.GetIgnoreCase())
	case *matcherv3.StringMatcher_Suffix:
		return origin.Compile(origin.Suffix, p.Suffix, m.GetIgnoreCase())
	case *matcherv3.StringMatcher_Contains:
		return origin.Compile(origin.Contains, p.Contains, m.GetIgnoreCase())
	case *matcherv3.StringMatcher_SafeRegex:
		return origin.Compile(origin.Regex, p.SafeRegex.GetRegex(), false)
	}
	return origin.Compile(origin.Exact, m.GetExact(), m.GetIgnoreCase())
}

func matcherOf(p origin.Pattern) *matcherv3.StringMatcher {
	m := &matcherv3.StringMatcher{IgnoreCase: p.Fold}
	switch p.Kind {
	case origin.Exact:
		m.MatchPattern = &matcherv3.StringMatcher_Exact{Exact: p.Text}
	case origin.Prefix:
		m.MatchPattern = &matcherv3.StringMatcher_Prefix{Prefix: p.Text}
	case origin.Suffix:
		m.MatchPattern = &matcherv3.StringMatcher_Suffix{Suffix: p.Text}
	case origin.Contains:
		m.MatchPattern = &matcherv3.StringMatcher_Contains{Contains: p.Text}
	case origin.Regex:
		m.MatchPattern = &matcherv3.StringMatcher_SafeRegex{SafeRegex: &matcherv3.RegexMatcher{Regex: p.Text}}
	}
	return m
}

// hardened makes the bootstrap of hosts, as the profile has it.
func hardened(hosts []*guarded, port uint32) ([]byte, diag.List, error) {
	rc, tried := &routev3.RouteConfiguration{Name: "table"}, &routev3.RouteConfiguration{Name: "table"}
	in := &xds.Snapshot{Origins: map[string]diag.Pos{}}
	opts := harden.Options{Objects: map[string]cors.Settings{}}
	for i, h := range hosts {
		vh := &routev3.VirtualHost{Name: fmt.Sprintf("host%d", i), Domains: h.domains}
		on := &routev3.VirtualHost{Name: vh.GetName(), Domains: vh.GetDomains()}
		for j, r := range h.routes {
			owner := fmt.Sprintf("h%d/r%d", i, j)
			opts.Objects[owner] = r.Settings
			if r.Policy != nil && r.Policy.Forward {
				in.Origins[xds.ForwardKey(rc.GetName(), vh.GetName(), j)] = diag.Pos{File: "generated"}
			}
			vh.Routes = append(vh.Routes, guardedProto(r, owner))
			if r.Policy = h.tried[j]; r.Policy != nil {
				on.Routes = append(on.Routes, guardedProto(r, owner))
			}
		}
		rc.VirtualHosts = append(rc.VirtualHosts, vh)
		tried.VirtualHosts = append(tried.VirtualHosts, on)
	}
	opts.Candidate = &xds.Snapshot{Routes: []*routev3.RouteConfiguration{tried}}
	in.Listeners = []*listenerv3.Listener{listener("hardened", rc)}
	out, diags := harden.Snapshot(in, opts)
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(&bootstrapv3.Bootstrap{
		LayeredRuntime: &bootstrapv3.LayeredRuntime{Layers: []*bootstrapv3.RuntimeLayer{{
			Name: "static", LayerSpecifier: &bootstrapv3.RuntimeLayer_StaticLayer{StaticLayer: &structpb.Struct{Fields: map[string]*structpb.Value{
				"re2.max_program_size.error_level": structpb.NewNumberValue(32768),
			}}},
		}}},
		StaticResources: &bootstrapv3.Bootstrap_StaticResources{Listeners: out.Listeners, Clusters: clusters(nil, port, 0)},
	})
	return text, diags, err
}

func guardedProto(r cors.Route, owner string) *routev3.Route {
	ns, name, _ := strings.Cut(owner, "/")
	out := &routev3.Route{
		Name: owner, Match: &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: r.Path.Text}},
		Metadata: &corev3.Metadata{FilterMetadata: map[string]*structpb.Struct{"istio": {Fields: map[string]*structpb.Value{
			"config": structpb.NewStringValue("/apis/networking.istio.io/v1/namespaces/" + ns + "/virtual-service/" + name),
		}}}},
	}
	if r.Path.Kind == origin.Exact {
		out.Match.PathSpecifier = &routev3.RouteMatch_Path{Path: r.Path.Text}
	}
	for _, c := range r.Conditions {
		h := &routev3.HeaderMatcher{Name: c.Name, InvertMatch: c.Invert}
		if c.Value == nil {
			h.HeaderMatchSpecifier = &routev3.HeaderMatcher_PresentMatch{PresentMatch: true}
		} else {
			h.HeaderMatchSpecifier = &routev3.HeaderMatcher_StringMatch{StringMatch: matcherOf(*c.Value)}
			h.TreatMissingHeaderAsEmpty = c.Invert
		}
		out.Match.Headers = append(out.Match.Headers, h)
	}
	s := site{Action: map[cors.Action]string{cors.ToService: actCluster, cors.Redirect: actRedirect, cors.DirectResponse: actDirect}[r.Action]}
	s.setAction(out)
	if p := r.Policy; p != nil {
		proto := &corsv3.CorsPolicy{
			AllowMethods: p.Methods, AllowHeaders: p.Headers, ExposeHeaders: p.Expose, MaxAge: p.MaxAge,
			AllowCredentials: wrapperspb.Bool(p.Credentials), ForwardNotMatchingPreflights: wrapperspb.Bool(!p.Ignore),
		}
		for _, o := range p.Origins {
			proto.AllowOriginStringMatch = append(proto.AllowOriginStringMatch, matcherOf(o))
		}
		out.TypedPerFilterConfig = perFilter(proto)
	}
	return out
}

// knock makes a random request to a host.
func (g generator) knock(h *guarded) (Request, rawhttp.Plan) {
	r := Request{Method: "OPTIONS", Target: pick(g, "/a", "/a", "/ab?x=1", "/b", "/", "/c")}
	if g.chance(40) {
		r.Method = pick(g, "GET", "GET", "POST", "PUT", "DELETE")
	}
	host := pick(g, h.domains...)
	if rest, ok := strings.CutPrefix(host, "*"); ok {
		host = pick(g, "x", "y.z") + rest
	}
	r.Fields = rawhttp.Fields{{Name: "Host", Value: host}}
	add := func(name string, values ...string) {
		r.Fields = append(r.Fields, rawhttp.Field{Name: name, Value: pick(g, values...)})
	}
	if g.chance(88) {
		value := pick(g, origins...)
		switch {
		case g.chance(30):
			value = g.nearMiss(value)
		case g.chance(15):
			value = pick(g, "https://"+host, "http://"+host+":8080", "https://x."+host, "https://"+strings.ToUpper(host), "ftp://"+host, "https://"+strings.TrimPrefix(h.domains[0], "*."))
		}
		r.Fields = append(r.Fields, rawhttp.Field{Name: "Origin", Value: value})
	}
	if r.Method == "OPTIONS" && g.chance(85) || g.chance(5) {
		add("Access-Control-Request-Method", "GET", "POST", "PUT", "DELETE", "get", "", "OPTIONS")
		if g.chance(50) {
			add("Access-Control-Request-Headers", "content-type", "x-beta", "x-a,x-beta", "X-A , x-b", "", "*", ",,,", "x-t", "x-beta,x-t", "authorization")
		}
	}
	if g.chance(25) {
		add(pick(g, "x-beta", "x-t"), "1", "2", "")
	}
	if g.chance(25) {
		add("Sec-Fetch-Site", "same-origin", "none", "cross-site", "same-site")
	}
	if r.Method == "POST" || r.Method == "PUT" {
		r.Body = []byte("a=1")
	}
	return r, rawhttp.Plan{Fields: g.corsFields(30)}
}

// modelRequest is the request as the model sees it.
func modelRequest(r Request) cors.Request {
	out := cors.Request{Method: r.Method, Path: r.Target, Headers: map[string]string{}}
	for _, f := range r.Fields {
		out.Headers[strings.ToLower(f.Name)] = strings.Trim(f.Value, " \t")
	}
	return out
}
