package engine

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
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

// benchmarkChange publishes a snapshot again and again, each time as change makes it of
// base, and reports what that costs.
func benchmarkChange(b *testing.B, base *xds.Snapshot, change func(k int) *xds.Snapshot) {
	e := New(Options{})
	defer func() { _ = e.Close() }()
	if diags := e.Publish(base); diags.HasErrors() {
		b.Fatal(diags)
	}
	b.ReportAllocs()
	var cpu time.Duration
	for k := 0; b.Loop(); k++ {
		b.StopTimer()
		s := change(k)
		b.StartTimer()
		began := processCPU()
		e.Publish(s)
		cpu += processCPU() - began
	}
	b.ReportMetric(float64(cpu.Microseconds())/1000/float64(b.N), "cpu-ms/op")
}

const manyRoutes = 100_000

// BenchmarkChangeOneRoute publishes one change of 100,000 routes. fresh: the messages of
// what has not changed are not those of before, they are only equal.
func BenchmarkChangeOneRoute(b *testing.B) {
	for _, tt := range []struct {
		name    string
		table   func(int) *routev3.RouteConfiguration
		host, i int
		cluster bool // what changes is where the route goes, not for what
		fresh   bool
	}{
		{"routes/path", wideTable, 0, manyRoutes / 2, false, false},
		{"routes/cluster", wideTable, 0, manyRoutes / 2, true, false},
		{"routes/fresh", wideTable, 0, manyRoutes / 2, false, true},
		{"hosts/path", deepTable, manyRoutes / 2, 0, false, false},
		{"hosts/fresh", deepTable, manyRoutes / 2, 0, false, true},
	} {
		b.Run(tt.name, func(b *testing.B) {
			table := tt.table(manyRoutes)
			base := tableSnapshot(b, table)
			benchmarkChange(b, base, func(k int) *xds.Snapshot {
				r := prefixRoute(fmt.Sprintf("/new%d/", k), "up")
				if tt.cluster {
					r = prefixRoute(fmt.Sprintf("/svc%d/", tt.i), fmt.Sprintf("gone%d", k%2))
				}
				rc := changedRoute(table, tt.host, tt.i, r)
				if tt.fresh {
					rc = proto.CloneOf(rc)
				}
				return withRoutes(base, rc)
			})
		})
	}
}

// BenchmarkAddHost adds one virtual host to 100,000.
func BenchmarkAddHost(b *testing.B) {
	table := deepTable(manyRoutes)
	base := tableSnapshot(b, table)
	benchmarkChange(b, base, func(k int) *xds.Snapshot {
		vh := &routev3.VirtualHost{Name: fmt.Sprint("new", k), Domains: []string{fmt.Sprintf("n%d.example.com", k)}, Routes: []*routev3.Route{prefixRoute("/", "up")}}
		return withRoutes(base, &routev3.RouteConfiguration{Name: "r", VirtualHosts: slices.Insert(slices.Clone(table.GetVirtualHosts()), manyRoutes/2, vh)})
	})
}

// BenchmarkChangeEndpoint gives a cluster another endpoint: that of all 100,000 routes,
// or of none.
func BenchmarkChangeEndpoint(b *testing.B) {
	for _, cluster := range []string{"up", "other"} {
		for name, table := range map[string]func(int) *routev3.RouteConfiguration{"routes": wideTable, "hosts": deepTable} {
			b.Run(name+"/"+cluster, func(b *testing.B) {
				base := tableSnapshot(b, table(manyRoutes))
				other := proto.CloneOf(base.Clusters[0])
				other.Name = "other"
				base.Clusters = append(base.Clusters, other)
				benchmarkChange(b, base, func(k int) *xds.Snapshot {
					s := *base
					s.Clusters = slices.Clone(base.Clusters)
					i := slices.IndexFunc(s.Clusters, func(c *clusterv3.Cluster) bool { return c.GetName() == cluster })
					s.Clusters[i] = proto.CloneOf(s.Clusters[i])
					at := s.Clusters[i].GetLoadAssignment().GetEndpoints()[0].GetLbEndpoints()[0].GetEndpoint().GetAddress().GetSocketAddress()
					at.PortSpecifier = &corev3.SocketAddress_PortValue{PortValue: uint32(1000 + k%60000)}
					return &s
				})
			})
		}
	}
}
