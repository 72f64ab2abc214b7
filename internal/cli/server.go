package cli

import (
	"cmp"
	"math"
	"runtime"
	"slices"
	"strconv"
	"time"

	adminv3 "github.com/envoyproxy/go-control-plane/envoy/admin/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/crossgate/crossgate/internal/console"
	"github.com/crossgate/crossgate/internal/engine"
	"github.com/crossgate/crossgate/internal/stats"
	"github.com/crossgate/crossgate/internal/upstream"
	"github.com/crossgate/crossgate/internal/xds"
)

// serverStats are Envoy's server.*; all of them are looked up.
type serverStats struct {
	Live        stats.Gauge `stat:"live"`
	State       stats.Gauge `stat:"state"`
	Uptime      stats.Gauge `stat:"uptime"`
	Version     stats.Gauge `stat:"version"`
	Concurrency stats.Gauge `stat:"concurrency"`
	Connections stats.Gauge `stat:"total_connections"`
	Allocated   stats.Gauge `stat:"memory_allocated"`
	Heap        stats.Gauge `stat:"memory_heap_size"`
	Physical    stats.Gauge `stat:"memory_physical_size"`
	DaysLeft    stats.Gauge `stat:"days_until_first_cert_expiring"`
}

// states are the numbers of envoy.admin.v3.ServerInfo.State.
var states = map[console.State]adminv3.ServerInfo_State{
	console.Live:            adminv3.ServerInfo_LIVE,
	console.Draining:        adminv3.ServerInfo_DRAINING,
	console.PreInitializing: adminv3.ServerInfo_PRE_INITIALIZING,
}

// measure sets the gauges of the server.
func (g *gateway) measure() {
	st := stats.Of[serverStats](g.stats, stats.Scope{}.In("server"))
	state := states[g.state()]
	st.State.Set(int64(state))
	st.Live.Set(0)
	if state == adminv3.ServerInfo_LIVE {
		st.Live.Set(1)
	}
	st.Uptime.Set(int64(time.Since(g.started).Seconds()))
	if n := versionNumber(readBuildInfo().Revision); n > 0 {
		st.Version.Set(n)
	}
	st.Concurrency.Set(int64(runtime.GOMAXPROCS(0)))
	st.Connections.Set(int64(g.engine.Connections()))
	allocated, heap, physical := console.MemorySizes()
	st.Allocated.Set(int64(allocated))
	st.Heap.Set(int64(heap))
	st.Physical.Set(int64(physical))
	st.DaysLeft.Set(g.daysLeft())
}

// versionNumber is Envoy's number for a version: the first six digits of its
// commit; 0 if that is not known.
func versionNumber(revision string) int64 {
	n, err := strconv.ParseInt(revision[:min(6, len(revision))], 16, 64)
	if err != nil {
		return 0
	}
	return n
}

// daysLeft is how many days the certificate has that expires first, and Envoy's
// number for none.
func (g *gateway) daysLeft() int64 {
	if p := g.current.Load(); p != nil {
		if end := p.expires(); !end.IsZero() {
			return int64(max(time.Until(end), 0) / (24 * time.Hour))
		}
	}
	return math.MaxUint32
}

// firstEnd is the end of the certificate of a snapshot that ends first.
func firstEnd(s *xds.Snapshot) (end time.Time) {
	for _, c := range s.Certificates(time.Now()).GetCertificates() {
		for _, d := range slices.Concat(c.GetCaCert(), c.GetCertChain()) {
			if t := d.GetExpirationTime().AsTime(); end.IsZero() || t.Before(end) {
				end = t
			}
		}
	}
	return end
}

func (g *gateway) snapshot() *xds.Snapshot {
	if p := g.current.Load(); p != nil {
		return p.snapshot
	}
	return &xds.Snapshot{}
}

func (g *gateway) certificates() *adminv3.Certificates {
	return g.snapshot().Certificates(time.Now())
}

func (g *gateway) clusters() []upstream.Status {
	list := g.engine.Clusters()
	for _, s := range list {
		s.AddedViaApi = g.snapshot().Bootstrap == nil
	}
	return list
}

func (g *gateway) listeners() *adminv3.Listeners {
	bound := g.engine.Listeners()
	slices.SortFunc(bound, func(a, b engine.ListenerStatus) int { return cmp.Compare(a.Name, b.Name) })
	out := &adminv3.Listeners{}
	for _, l := range bound {
		out.ListenerStatuses = append(out.ListenerStatuses, &adminv3.ListenerStatus{
			Name: l.Name, LocalAddress: upstream.SocketAddress(l.Addr.String()),
		})
	}
	return out
}

// serverInfo says what the options of an Envoy would be.
func (g *gateway) serverInfo() *adminv3.ServerInfo {
	uptime := durationpb.New(time.Since(g.started).Truncate(time.Second))
	node := g.node()
	return &adminv3.ServerInfo{
		Version:            readBuildInfo().Version,
		State:              states[g.state()],
		UptimeCurrentEpoch: uptime,
		UptimeAllEpochs:    uptime,
		HotRestartVersion:  "disabled",
		CommandLineOptions: &adminv3.CommandLineOptions{
			Concurrency:       uint32(runtime.GOMAXPROCS(0)),
			ConfigPath:        g.configPath,
			LogLevel:          g.levels.List()[0].Level,
			ServiceCluster:    node.GetCluster(),
			ServiceNode:       node.GetId(),
			ServiceZone:       node.GetLocality().GetZone(),
			DrainTime:         durationpb.New(g.drain),
			Mode:              adminv3.CommandLineOptions_Serve,
			DisableHotRestart: true,
		},
		Node: node,
	}
}

// node is what the configuration says of the proxy.
func (g *gateway) node() *corev3.Node {
	if n := g.snapshot().Bootstrap.GetNode(); n != nil {
		return n
	}
	if n := g.bootstrap.GetNode(); n != nil {
		return n
	}
	return &corev3.Node{}
}
