package engine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/crossgate/crossgate/test/tool"
)

// scan is what a routeList stands for: the first route whose every condition holds.
func scan(routes []*route, s *stream) *route {
	for _, r := range routes {
		if m := &r.match; m.leading(s, 0) == m.leads() && m.rest(s) {
			return r
		}
	}
	return nil
}

// randomPathMatch asks for paths of few letters, so that many are beginnings of others.
func randomPathMatch(rnd *rand.Rand) *routev3.RouteMatch {
	m := randomMatch(rnd) // its conditions on headers and queries
	if rnd.IntN(3) > 0 {
		m.Headers, m.QueryParameters = nil, nil
	}
	path := randomPath(rnd)
	switch rnd.IntN(12) {
	case 0:
		m.PathSpecifier = &routev3.RouteMatch_SafeRegex{SafeRegex: &matcherv3.RegexMatcher{Regex: path + "[ab]*"}}
	case 1:
		m.PathSpecifier = &routev3.RouteMatch_PathSeparatedPrefix{PathSeparatedPrefix: path}
	case 2, 3, 4:
		m.PathSpecifier = &routev3.RouteMatch_Path{Path: path}
	default:
		m.PathSpecifier = &routev3.RouteMatch_Prefix{Prefix: path}
	}
	if rnd.IntN(4) == 0 && m.GetSafeRegex() == nil {
		m.CaseSensitive = wrapperspb.Bool(false)
	}
	return m
}

func randomPath(rnd *rand.Rand) string {
	var b strings.Builder
	b.WriteByte('/')
	for range rnd.IntN(24) {
		b.WriteString([]string{"a", "a", "a", "a", "b", "B", "/", "É"}[rnd.IntN(8)])
	}
	return b.String()
}

func randomPathRequest(rnd *rand.Rand) *stream {
	s := randomRequest(rnd)
	s.path = []byte(randomPath(rnd))
	if rnd.IntN(8) == 0 {
		s.path = append(s.path, "?q=1"...)
	}
	return s
}

func compileRoutes(t testing.TB, n int, match func() *routev3.RouteMatch) []*route {
	t.Helper()
	routes := make([]*route, n)
	for i := range routes {
		routes[i] = compiledRoute(t, match())
	}
	return routes
}

func compiledRoute(t testing.TB, m *routev3.RouteMatch) *route {
	t.Helper()
	c, err := compileMatch(m, runtime{})
	if err != nil {
		t.Fatal(err)
	}
	return &route{name: m.String(), match: c}
}

// without makes a list of routes shorter as long as it stays wrong.
func without(routes []*route, wrong func([]*route) bool) []*route {
	for i := 0; i < len(routes); {
		if less := slices.Delete(slices.Clone(routes), i, i+1); wrong(less) {
			routes = less
		} else {
			i++
		}
	}
	return routes
}

// TestRouteIndex: tables of many routes find the route that a scan in order finds. So do
// those that are made of an earlier one, and they are as if they were made afresh.
func TestRouteIndex(t *testing.T) {
	seed := tool.Seed(t, "ENGINE_SEED", 1)
	rnd := rand.New(rand.NewPCG(seed, 0))
	found, indexed := 0, 0
	for range 300 {
		routes := compileRoutes(t, rnd.IntN(70), func() *routev3.RouteMatch { return randomPathMatch(rnd) })
		list := newRouteList(routes)
		for range 6 {
			if list.index != nil {
				indexed++
			}
			for range 40 {
				s := randomPathRequest(rnd)
				want := scan(routes, s)
				if want != nil {
					found++
				}
				if got := list.find(s); got != want {
					least := without(routes, func(l []*route) bool { return newRouteList(l).find(s) != scan(l, s) })
					t.Fatalf("ENGINE_SEED=%d: %s %v: %s, want %s of\n%s", seed, s.path, s.req.Headers.Fields, nameOf(got), nameOf(want), names(least))
				}
			}
			before := list
			routes = changed(t, rnd, routes)
			list = list.with(routes)
			if fresh := newRouteList(routes); !sameList(list, fresh) {
				t.Fatalf("ENGINE_SEED=%d: another list after a change\n%v\n%v\nof %v", seed, list, fresh, before)
			}
		}
	}
	if found < 10000 || indexed < 500 {
		t.Errorf("%d requests have a route, %d tables are indexed: they show nothing", found, indexed)
	}
}

// changed makes some changes to routes.
func changed(t *testing.T, rnd *rand.Rand, routes []*route) []*route {
	routes = slices.Clone(routes)
	for range rnd.IntN(4) {
		i := rnd.IntN(len(routes) + 1)
		j := min(len(routes), i+rnd.IntN(3))
		routes = slices.Replace(routes, i, j, compileRoutes(t, rnd.IntN(3), func() *routev3.RouteMatch { return randomPathMatch(rnd) })...)
	}
	return routes
}

// sameList compares all that find goes by; the index may have had more in it once.
func sameList(a, b *routeList) bool {
	if !slices.Equal(a.entries, b.entries) || a.loose != b.loose || (a.index == nil) != (b.index == nil) {
		return false
	}
	return a.index == nil || slices.Equal(a.index.lengths, b.index.lengths) && a.index.exact >= b.index.exact
}

func nameOf(r *route) string {
	if r == nil {
		return "none"
	}
	return r.name
}

func names(routes []*route) string {
	var b strings.Builder
	for _, r := range routes {
		fmt.Fprintln(&b, r.name)
	}
	return b.String()
}

// TestManyPrefixesOfOnePath: more of them than are gone through side by side.
func TestManyPrefixesOfOnePath(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	var routes []*route
	for _, n := range rnd.Perm(60) {
		m := &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/" + strings.Repeat("a", n)}}
		m.Headers = []*routev3.HeaderMatcher{{Name: "x", HeaderMatchSpecifier: &routev3.HeaderMatcher_ExactMatch{ExactMatch: fmt.Sprint(n)}}} //nolint:staticcheck // short
		routes = append(routes, compiledRoute(t, m))
	}
	list := newRouteList(routes)
	for n := range 60 {
		s := &stream{}
		s.path = []byte("/" + strings.Repeat("a", 59))
		s.req.Headers.Add([]byte("x"), fmt.Append(nil, n))
		if got, want := list.find(s), scan(routes, s); got != want || want == nil {
			t.Errorf("%d: %s, want %s", n, nameOf(got), nameOf(want))
		}
		if allocs := testing.AllocsPerRun(10, func() { list.find(s) }); allocs != 0 {
			t.Errorf("%d: %v allocations", n, allocs)
		}
	}
}

// BenchmarkRoutes: what the look-up costs in tables of 10 and 100,000 routes.
func BenchmarkRoutes(b *testing.B) {
	for _, n := range []int{10, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			i := 0
			list := newRouteList(compileRoutes(b, n, func() *routev3.RouteMatch {
				i++
				return &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: fmt.Sprintf("/svc%d/", i)}}
			}))
			s := &stream{}
			s.path = fmt.Appendf(nil, "/svc%d/items/7?q=1", n)
			b.ReportAllocs()
			for b.Loop() {
				if list.find(s) == nil {
					b.Fatal("no route")
				}
			}
		})
	}
}
