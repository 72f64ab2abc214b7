package engine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"

	"github.com/crossgate/crossgate/internal/harden"
	"github.com/crossgate/crossgate/internal/xds"
)

// compileList makes a list of matches, whose routes are named by their indexes.
func compileList(t testing.TB, matches []*routev3.RouteMatch) *routeList {
	t.Helper()
	var routes []*route
	for i, m := range matches {
		c, err := compileMatch(m, runtime{})
		if err != nil {
			t.Fatal(err)
		}
		routes = append(routes, &route{name: fmt.Sprint(i), match: c})
	}
	return newRouteList(routes)
}

// poison makes conditions that the route before has, too, panic if they are looked at.
func poison(l *routeList) {
	for _, e := range l.entries {
		m := &e.route.match
		if e.shared > 0 {
			m.kind, m.re = pathRegex, nil
		}
		for k := 1; k < int(e.shared); k++ {
			m.headers[k-1] = headerMatch{}
		}
	}
}

// TestRouteList: random tables of matches that have much in common, and random
// requests. The first route whose every condition holds is found, and what a route has
// in common with the one before is not looked at again.
func TestRouteList(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	shared := 0
	for range 500 {
		matches := make([]*routev3.RouteMatch, 1+rnd.IntN(12))
		for i := range matches {
			matches[i] = randomMatch(rnd)
			if i > 0 && rnd.IntN(2) == 0 { // as the one before, but for the end
				before := matches[i-1]
				matches[i].PathSpecifier = before.GetPathSpecifier()
				n := rnd.IntN(1 + len(before.GetHeaders()))
				matches[i].Headers = slices.Concat(before.GetHeaders()[:n], matches[i].GetHeaders())
			}
		}
		plain, list := compileList(t, matches), compileList(t, matches)
		poison(list)
		for _, e := range list.entries {
			shared += int(e.shared)
		}
		for range 40 {
			s := randomRequest(rnd)
			want := ""
			for _, e := range plain.entries {
				if m := &e.route.match; m.leading(s, 0) == m.leads() && m.rest(s) {
					want = e.route.name
					break
				}
			}
			got := ""
			if r := list.find(s); r != nil {
				got = r.name
			}
			if got != want {
				t.Fatalf("%s %s %v: route %q, want %q of %v", s.req.Method, s.path, s.req.Headers.Fields, got, want, matches)
			}
		}
	}
	if shared < 1000 {
		t.Errorf("%d conditions in common: the tables show nothing", shared)
	}
}

func randomMatch(rnd *rand.Rand) *routev3.RouteMatch {
	regex := func(text string) *matcherv3.RegexMatcher { return &matcherv3.RegexMatcher{Regex: text} }
	m := &routev3.RouteMatch{}
	switch rnd.IntN(4) {
	case 0:
		m.PathSpecifier = &routev3.RouteMatch_Prefix{Prefix: "/a"}
	case 1:
		m.PathSpecifier = &routev3.RouteMatch_Path{Path: "/a"}
	case 2:
		m.PathSpecifier = &routev3.RouteMatch_SafeRegex{SafeRegex: regex("/a.*")}
	default:
		m.PathSpecifier = &routev3.RouteMatch_SafeRegex{SafeRegex: regex("/[ab]")}
	}
	for _, name := range []string{":method", "x", "y", "y"}[:rnd.IntN(5)] {
		value := &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: []string{"GET", "1"}[rnd.IntN(2)]}}
		switch rnd.IntN(4) {
		case 0:
			value.MatchPattern = &matcherv3.StringMatcher_SafeRegex{SafeRegex: regex(".+")}
		case 1:
			value.IgnoreCase = true
		}
		m.Headers = append(m.Headers, &routev3.HeaderMatcher{
			Name: name, InvertMatch: rnd.IntN(4) == 0, TreatMissingHeaderAsEmpty: rnd.IntN(4) == 0,
			HeaderMatchSpecifier: &routev3.HeaderMatcher_StringMatch{StringMatch: value},
		})
	}
	if rnd.IntN(4) == 0 {
		m.QueryParameters = []*routev3.QueryParameterMatcher{{Name: "q"}}
	}
	return m
}

func randomRequest(rnd *rand.Rand) *stream {
	s := &stream{}
	s.req.Method = []byte([]string{"GET", "get", "POST"}[rnd.IntN(3)])
	s.path = []byte([]string{"/a", "/b", "/ab", "/c", "/a?q=1"}[rnd.IntN(5)])
	for _, name := range []string{"x", "y"} {
		if v := rnd.IntN(4); v > 0 {
			s.req.Headers.Add([]byte(name), []byte([]string{"", "GET", "1"}[v-1]))
		}
	}
	return s
}

// TestFractionsAreDrawnApart: routes that have all but their fraction in common draw
// for themselves.
func TestFractionsAreDrawnApart(t *testing.T) {
	half := &corev3.RuntimeFractionalPercent{DefaultValue: &typev3.FractionalPercent{Numerator: 50}}
	of := func(f *corev3.RuntimeFractionalPercent) *routev3.RouteMatch {
		return &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/"}, RuntimeFraction: f}
	}
	list := compileList(t, []*routev3.RouteMatch{of(half), of(half), of(nil)})
	s := &stream{}
	s.path = []byte("/")
	counts := map[string]int{}
	const n = 10000
	for range n {
		counts[list.find(s).name]++
	}
	for name, want := range map[string]int{"0": n / 2, "1": n / 4, "2": n / 4} {
		if got := counts[name]; got < want-n/20 || got > want+n/20 {
			t.Errorf("route %s: %d of %d, want about %d", name, got, n, want)
		}
	}
}

// policyRoute has a policy, and a path that takes time to match.
const policyRoute = `
              - name: api
                match: {safe_regex: {regex: "/(api|open)/v[0-9]+/.*"}}
                route: {cluster: up}
                typed_per_filter_config:
                  envoy.filters.http.cors:
                    "@type": type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy
                    allow_origin_string_match: [{exact: "https://app.shop.example"}]
                    allow_methods: GET,PUT
                    allow_headers: content-type
`

// hardenedHost is the virtual host of policyRoute.
func hardenedHost(t testing.TB) *virtualHost {
	t.Helper()
	snapshot, diags := xds.LoadBootstrap("test.yaml", []byte(strings.ReplaceAll(bootstrap("", policyRoute, ""), "UP}", "9}")))
	if !diags.HasErrors() {
		snapshot, diags = harden.Snapshot(snapshot, harden.Options{})
	}
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	prog, diags := Compile(snapshot)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return prog.listeners[0].chains[0].manager.routes.hosts.find([]byte("a.test"))
}

// TestRefusalsShareTheirConditions: the path of a route with a policy, and what makes a
// request a preflight, are looked at once for all of its refusals.
func TestRefusalsShareTheirConditions(t *testing.T) {
	var got []string
	for _, e := range hardenedHost(t).routes.entries {
		got = append(got, fmt.Sprint(e.route.name, " ", e.shared))
	}
	// The path, OPTIONS, Access-Control-Request-Method and Origin; the route itself has the
	// path only.
	want := []string{
		"api#deny-origin 0", "api#deny-method 4", "api#deny-headers 4", "api 1",
		"not-found#deny-origin 0", "not-found#deny-method 4", "not-found#deny-headers 4", "not-found 1",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// preflightFor is a preflight that policyRoute allows.
func preflightFor(path string) *stream {
	s := &stream{}
	s.path = []byte(path)
	s.req.Method = []byte("OPTIONS")
	for _, f := range [][2]string{
		{"accept", "*/*"},
		{"origin", "https://app.shop.example"},
		{"access-control-request-method", "PUT"},
		{"access-control-request-headers", "content-type"},
	} {
		s.req.Headers.Add([]byte(f[0]), []byte(f[1]))
	}
	return s
}

// TestMissesOfSharedConditions: the trace tells of every route before the one that was
// found why it does not match, also of those that were passed by.
func TestMissesOfSharedConditions(t *testing.T) {
	byHeader := func(route int, name string) Miss {
		return Miss{Route: route, Why: ByHeader, Name: name, There: true}
	}
	byPath := func(route int) Miss { return Miss{Route: route, Why: ByPath} }
	for _, tt := range []struct {
		path   string
		route  int
		missed []Miss
	}{
		{"/api/v1/items", 3, []Miss{
			byHeader(0, "origin"), byHeader(1, "access-control-request-method"), byHeader(2, "access-control-request-headers"),
		}},
		{"/other", 7, []Miss{
			byPath(0), byPath(1), byPath(2), byPath(3),
			byHeader(4, "origin"), byHeader(5, "access-control-request-method"), byHeader(6, "access-control-request-headers"),
		}},
	} {
		s := preflightFor(tt.path)
		s.peer = &peer{engine: &Engine{opts: Options{Trace: func(*Trace) {}}}}
		s.vhost = hardenedHost(t)
		s.findRoute()
		if got := s.routeIndex(); got != tt.route || !slices.Equal(s.missed, tt.missed) {
			t.Errorf("%s: route %d after %v, want %d after %v", tt.path, got, s.missed, tt.route, tt.missed)
		}
	}
}

func BenchmarkFindRoute(b *testing.B) {
	host := hardenedHost(b)
	for name, path := range map[string]string{"api": "/api/v1/items", "not-found": "/other"} {
		b.Run(name, func(b *testing.B) {
			s := preflightFor(path)
			b.ReportAllocs()
			for b.Loop() {
				if r := host.routes.find(s); r == nil || r.name != name {
					b.Fatal(r)
				}
			}
		})
	}
}
