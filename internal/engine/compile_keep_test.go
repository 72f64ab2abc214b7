package engine

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	corsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/cors/v3"
	faultv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/fault/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/crossgate/crossgate/internal/stats"
	"github.com/crossgate/crossgate/internal/xds"
	"github.com/crossgate/crossgate/test/tool"
)

// editor makes random changes to a configuration. What it has handed out it leaves
// alone: it makes new messages, and new ones of what is around them.
type editor struct {
	*rand.Rand
	t *testing.T
}

func (e *editor) chance(percent int) bool { return e.IntN(100) < percent }

func (e *editor) cluster() string { return []string{"up", "other", "nowhere"}[e.IntN(3)] }

func (e *editor) route() *routev3.Route {
	r := &routev3.Route{Match: randomPathMatch(e.Rand)}
	if e.chance(10) {
		r.Match.Headers = append(r.Match.Headers, &routev3.HeaderMatcher{
			Name: ":method", HeaderMatchSpecifier: &routev3.HeaderMatcher_ExactMatch{ExactMatch: "OPTIONS"}, //nolint:staticcheck // short
		})
	}
	switch e.IntN(8) {
	case 0:
		r.Action = &routev3.Route_Redirect{Redirect: &routev3.RedirectAction{SchemeRewriteSpecifier: &routev3.RedirectAction_HttpsRedirect{HttpsRedirect: true}}}
	case 1:
		body := &corev3.DataSource{Specifier: &corev3.DataSource_InlineString{InlineString: "body"}}
		if e.chance(30) {
			body.Specifier = &corev3.DataSource_Filename{Filename: "/nowhere"}
		}
		r.Action = &routev3.Route_DirectResponse{DirectResponse: &routev3.DirectResponseAction{Status: 200, Body: body}}
	default:
		a := &routev3.RouteAction{ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: e.cluster()}}
		if e.chance(20) {
			a.RequestMirrorPolicies = []*routev3.RouteAction_RequestMirrorPolicy{{Cluster: e.cluster()}}
		}
		if e.chance(5) {
			a.HashPolicy = []*routev3.RouteAction_HashPolicy{{PolicySpecifier: &routev3.RouteAction_HashPolicy_QueryParameter_{}}} // refused
		}
		r.Action = &routev3.Route_Route{Route: a}
	}
	if e.chance(20) {
		r.TypedPerFilterConfig = e.policy()
	}
	if e.chance(20) {
		text := func(s string) *structpb.Value { return structpb.NewStringValue(s) }
		r.Metadata = &corev3.Metadata{FilterMetadata: map[string]*structpb.Struct{xds.MetadataNamespace: {Fields: map[string]*structpb.Value{
			xds.MetadataReason: text("deny-origin"), xds.MetadataPolicy: text(fmt.Sprint("p", e.IntN(3))), xds.MetadataCluster: text(e.cluster()),
		}}}}
	}
	return r
}

func (e *editor) policy() map[string]*anypb.Any {
	a, err := anypb.New(&corsv3.CorsPolicy{MaxAge: fmt.Sprint(e.IntN(3)), AllowOriginStringMatch: mixedRegexes(e.IntN(3))})
	if err != nil {
		e.t.Fatal(err)
	}
	return map[string]*anypb.Any{xds.CorsFilter: a}
}

func (e *editor) routes(list []*routev3.Route) []*routev3.Route {
	i := e.IntN(len(list) + 1)
	var come []*routev3.Route
	for range e.IntN(4) {
		come = append(come, e.route())
	}
	return slices.Replace(slices.Clone(list), i, min(len(list), i+e.IntN(3)), come...)
}

// host is another one in the place of vh.
func (e *editor) host(vh *routev3.VirtualHost) *routev3.VirtualHost {
	next := &routev3.VirtualHost{
		Name: vh.GetName(), Domains: vh.GetDomains(), Routes: vh.GetRoutes(), TypedPerFilterConfig: vh.GetTypedPerFilterConfig(),
		RequestHeadersToRemove: vh.GetRequestHeadersToRemove(),
	}
	switch e.IntN(12) {
	case 0:
		next.TypedPerFilterConfig = e.policy()
	case 1:
		next.RequestHeadersToRemove = []string{[]string{"x-a", "x-b", "host"}[e.IntN(3)]} // host is refused
	case 2:
		next.Domains = []string{e.domain()}
	default:
		next.Routes = e.routes(vh.GetRoutes())
	}
	return next
}

func (e *editor) domain() string {
	return []string{"*", "a.test", "b.test", "*.c.test", "d.*", "e.test"}[e.IntN(6)] + []string{"", ":80"}[e.IntN(2)]
}

func (e *editor) table(rc *routev3.RouteConfiguration) *routev3.RouteConfiguration {
	next := &routev3.RouteConfiguration{Name: rc.GetName(), VirtualHosts: slices.Clone(rc.GetVirtualHosts()), ResponseHeadersToRemove: rc.GetResponseHeadersToRemove()}
	i := e.IntN(len(next.GetVirtualHosts()) + 1)
	switch {
	case i == len(next.GetVirtualHosts()) || e.chance(10):
		fresh := &routev3.VirtualHost{Name: fmt.Sprint("v", e.IntN(1000)), Domains: []string{e.domain(), e.domain()}}
		for range e.IntN(40) {
			fresh.Routes = append(fresh.Routes, e.route())
		}
		next.VirtualHosts = slices.Insert(next.GetVirtualHosts(), i, fresh)
	case e.chance(10):
		next.VirtualHosts = slices.Delete(next.GetVirtualHosts(), i, i+1)
	case e.chance(5):
		next.ResponseHeadersToRemove = []string{[]string{"x-a", "x-b"}[e.IntN(2)]}
	default:
		next.VirtualHosts[i] = e.host(next.GetVirtualHosts()[i])
	}
	return next
}

// clusters sometimes change one of the clusters, or take it away.
func (e *editor) clusters(list []*clusterv3.Cluster) []*clusterv3.Cluster {
	if !e.chance(15) {
		return list
	}
	up := proto.CloneOf(list[0])
	up.ConnectTimeout = durationpb.New(5e9)
	list = []*clusterv3.Cluster{up}
	if e.chance(50) {
		other := proto.CloneOf(up)
		other.Name, other.AltStatName = "other", fmt.Sprint("alt", e.IntN(2))
		if e.chance(40) {
			other.LbPolicy = clusterv3.Cluster_MAGLEV // refused
		}
		list = append(list, other)
	}
	return list
}

// otherFilters puts another filter into the first manager, or takes it out again.
func otherFilters(t *testing.T, list []*listenerv3.Listener) []*listenerv3.Listener {
	l := proto.CloneOf(list[0])
	filter := l.GetFilterChains()[0].GetFilters()[0]
	m := xds.ConnectionManager(filter)
	if m.GetHttpFilters()[0].GetName() == xds.CorsFilter {
		fault, err := anypb.New(&faultv3.HTTPFault{})
		if err != nil {
			t.Fatal(err)
		}
		m.HttpFilters = slices.Insert(m.GetHttpFilters(), 0, &hcmv3.HttpFilter{Name: "fault", ConfigType: &hcmv3.HttpFilter_TypedConfig{TypedConfig: fault}})
	} else {
		m.HttpFilters = m.GetHttpFilters()[1:]
	}
	packed, err := anypb.New(m)
	if err != nil {
		t.Fatal(err)
	}
	filter.GetTypedConfig().Value = packed.GetValue()
	return []*listenerv3.Listener{l}
}

// TestKeptIsAsCompiled: after any change, what the engine has taken over is what it would
// have made: the same routes in the same order, the same findings, the same statistics.
func TestKeptIsAsCompiled(t *testing.T) {
	seed := tool.Seed(t, "ENGINE_SEED", 1)
	e := &editor{rand.New(rand.NewPCG(seed, 0)), t}
	kept, made := 0, 0
	for range 12 {
		s := tableSnapshot(t, &routev3.RouteConfiguration{Name: "r"})
		engine := New(Options{})
		var last *Program
		for step := range 25 {
			next := *s
			next.Routes = []*routev3.RouteConfiguration{e.table(s.Routes[0])}
			next.Clusters = e.clusters(s.Clusters)
			if e.chance(20) {
				next.Routes[0] = proto.CloneOf(next.Routes[0])
			}
			if e.chance(5) {
				next.Listeners = otherFilters(t, next.Listeners)
			}
			s = &next
			found := engine.Publish(s)
			afresh, want := compile(s, engine.program.clusters, &compiler{stats: engine.opts.Stats, pairs: newKeyPairs(nil), dial: engine.dial, names: engine.names})
			if !reflect.DeepEqual(found, want) {
				t.Fatalf("ENGINE_SEED=%d step %d: the findings\n%v\nwant\n%v", seed, step, found, want)
			}
			sameTables(t, fmt.Sprintf("ENGINE_SEED=%d step %d", seed, step), engine.program.tables["r"], afresh.tables["r"])
			alone := New(Options{})
			alone.Publish(s)
			if got, want := statNames(engine.opts.Stats), statNames(alone.opts.Stats); !slices.Equal(got, want) {
				t.Fatalf("ENGINE_SEED=%d step %d: the statistics\n%v\nwant\n%v", seed, step, got, want)
			}
			k, m := keptOf(last, engine.program)
			kept, made = kept+k, made+m
			last = engine.program
			if err := alone.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if err := engine.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d routes were taken over, %d made", kept, made)
	if kept < made || made < 500 {
		t.Errorf("%d routes were taken over, %d made: that shows nothing", kept, made)
	}
}

func statNames(s *stats.Store) (names []string) {
	for _, x := range s.Samples() {
		names = append(names, x.Name)
	}
	return names
}

// keptOf counts the routes of a program that are and are not those of the last one.
func keptOf(last, now *Program) (kept, made int) {
	old := map[*route]bool{}
	for i, p := range []*Program{last, now} {
		if p == nil {
			continue
		}
		for _, v := range p.tables["r"].hosts.hosts {
			if v == nil {
				continue
			}
			for _, x := range v.routes.entries {
				switch {
				case i == 0:
					old[x.route] = true
				case old[x.route]:
					kept++
				default:
					made++
				}
			}
		}
	}
	return kept, made
}

func sameTables(t *testing.T, at string, got, want *routeTable) {
	t.Helper()
	if !reflect.DeepEqual(got.hosts.names, want.hosts.names) || got.sound != want.sound || len(got.hosts.hosts) != len(want.hosts.hosts) {
		t.Fatalf("%s: %+v, want %+v", at, got.hosts.names, want.hosts.names)
	}
	for i, w := range want.hosts.hosts {
		g := got.hosts.hosts[i]
		if g == nil || w == nil {
			if g != w {
				t.Fatalf("%s: virtual host %d: %v, want %v", at, i, g, w)
			}
			continue
		}
		for _, l := range [][2]*routeList{{g.routes, w.routes}, {g.others, w.others}} {
			if len(l[0].entries) != len(l[1].entries) {
				t.Fatalf("%s: virtual host %d: %d routes, want %d", at, i, len(l[0].entries), len(l[1].entries))
			}
			for j := range l[0].entries {
				a, b := l[0].entries[j], l[1].entries[j]
				if a.shared != b.shared || a.next != b.next || !sameRoute(a.route, b.route) {
					t.Fatalf("%s: virtual host %d, route %d: %+v, want %+v", at, i, j, a.route, b.route)
				}
			}
		}
		if g.sound != w.sound || g.requireTLS != w.requireTLS || len(g.verdicts) != len(w.verdicts) || !proto.Equal(g.source, w.source) && len(g.source.GetRoutes()) > 0 {
			t.Fatalf("%s: virtual host %d: %+v, want %+v", at, i, g, w)
		}
	}
}

// sameRoute compares all that was compiled, but for what is drawn for each policy.
func sameRoute(a, b *route) bool {
	blank := func(r *route) *route {
		c := *r
		c.settings = blankSettings(r.settings)
		c.targets = nil
		for _, t := range r.targets {
			t2 := *t
			t2.settings = blankSettings(t.settings)
			c.targets = append(c.targets, &t2)
		}
		return &c
	}
	return reflect.DeepEqual(blank(a), blank(b))
}

func blankSettings(list []any) (out []any) {
	for _, v := range list {
		if p, ok := v.(*corsPolicy); ok {
			c := *p
			c.origins.recent = nil
			v = &c
		}
		out = append(out, v)
	}
	return out
}
