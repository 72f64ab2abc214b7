package engine

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/crossgate/crossgate/internal/xds"
)

// tableSnapshot is a listener whose routes are a resource of their own.
func tableSnapshot(t testing.TB, rc *routev3.RouteConfiguration) *xds.Snapshot {
	t.Helper()
	s, diags := xds.LoadBootstrap("test.yaml", []byte(strings.ReplaceAll(bootstrap("", plainRoute, ""), "UP}", "9}")))
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	filter := s.Listeners[0].GetFilterChains()[0].GetFilters()[0]
	m := xds.ConnectionManager(filter)
	m.RouteSpecifier = &hcmv3.HttpConnectionManager_Rds{Rds: &hcmv3.Rds{RouteConfigName: rc.GetName()}}
	packed, err := anypb.New(m)
	if err != nil {
		t.Fatal(err)
	}
	filter.GetTypedConfig().Value = packed.GetValue()
	s.Routes = []*routev3.RouteConfiguration{rc}
	return s
}

// withRoutes is the snapshot with another route configuration; all else is shared.
func withRoutes(s *xds.Snapshot, rc *routev3.RouteConfiguration) *xds.Snapshot {
	out := *s
	out.Routes = []*routev3.RouteConfiguration{rc}
	return &out
}

func prefixRoute(prefix, cluster string) *routev3.Route {
	return &routev3.Route{
		Match:  &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: prefix}},
		Action: &routev3.Route_Route{Route: &routev3.RouteAction{ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: cluster}}},
	}
}

// wideTable has one virtual host with n routes, deepTable n with one each.
func wideTable(n int) *routev3.RouteConfiguration {
	vh := &routev3.VirtualHost{Name: "all", Domains: []string{"*"}}
	for i := range n {
		vh.Routes = append(vh.Routes, prefixRoute(fmt.Sprintf("/svc%d/", i), "up"))
	}
	return &routev3.RouteConfiguration{Name: "r", VirtualHosts: []*routev3.VirtualHost{vh}}
}

func deepTable(n int) *routev3.RouteConfiguration {
	rc := &routev3.RouteConfiguration{Name: "r"}
	for i := range n {
		rc.VirtualHosts = append(rc.VirtualHosts, &routev3.VirtualHost{
			Name: fmt.Sprintf("v%d", i), Domains: []string{fmt.Sprintf("h%d.example.com", i), fmt.Sprintf("h%d.example.com:80", i)},
			Routes: []*routev3.Route{prefixRoute("/", "up")},
		})
	}
	return rc
}

// changedRoute is a table in which one route is another; the messages of the others are
// those of rc.
func changedRoute(rc *routev3.RouteConfiguration, host, i int, r *routev3.Route) *routev3.RouteConfiguration {
	vh := rc.GetVirtualHosts()[host]
	vh = &routev3.VirtualHost{Name: vh.GetName(), Domains: vh.GetDomains(), Routes: slices.Clone(vh.GetRoutes())}
	vh.Routes[i] = r
	out := &routev3.RouteConfiguration{Name: rc.GetName(), VirtualHosts: slices.Clone(rc.GetVirtualHosts())}
	out.VirtualHosts[host] = vh
	return out
}

// BenchmarkChangeOneRoute publishes one change of 100,000 routes. shared: the messages
// of what has not changed are those of before; fresh: they are only equal.
func BenchmarkChangeOneRoute(b *testing.B) {
	const n = 100_000
	for _, tt := range []struct {
		name    string
		table   *routev3.RouteConfiguration
		host, i int
		cluster bool // what changes is where the route goes, not for what
		fresh   bool
	}{
		{"routes/path", wideTable(n), 0, n / 2, false, false},
		{"routes/cluster", wideTable(n), 0, n / 2, true, false},
		{"routes/fresh", wideTable(n), 0, n / 2, false, true},
		{"hosts/path", deepTable(n), n / 2, 0, false, false},
		{"hosts/fresh", deepTable(n), n / 2, 0, false, true},
	} {
		b.Run(tt.name, func(b *testing.B) {
			e := New(Options{})
			defer func() { _ = e.Close() }()
			base := tableSnapshot(b, tt.table)
			if diags := e.Publish(base); diags.HasErrors() {
				b.Fatal(diags)
			}
			k := 0
			b.ReportAllocs()
			var cpu time.Duration
			for b.Loop() {
				b.StopTimer()
				k++
				r := prefixRoute(fmt.Sprintf("/new%d/", k), "up")
				if tt.cluster {
					r = prefixRoute(fmt.Sprintf("/svc%d/", tt.i), fmt.Sprintf("gone%d", k%2))
				}
				rc := changedRoute(tt.table, tt.host, tt.i, r)
				if tt.fresh {
					rc = proto.CloneOf(rc)
				}
				s := withRoutes(base, rc)
				b.StartTimer()
				began := processCPU()
				e.Publish(s)
				cpu += processCPU() - began
			}
			b.ReportMetric(float64(cpu.Microseconds())/1000/float64(b.N), "cpu-ms/op")
		})
	}
}
