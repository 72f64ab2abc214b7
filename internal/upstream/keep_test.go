package upstream

import (
	"context"
	"net"
	"testing"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"google.golang.org/protobuf/proto"

	"github.com/crossgate/crossgate/internal/stats"
)

// TestUnchangedClustersStay: a cluster that is what it was is the very same, counts on,
// and gets the sockets of the day; one with other endpoints is another.
func TestUnchangedClustersStay(t *testing.T) {
	store := stats.New()
	socket := Socket(nil)
	sockets := func(*clusterv3.Cluster, *endpointv3.LbEndpoint) (Socket, int) { return socket, 0 }
	publish := func(prev *Set, clusters ...*clusterv3.Cluster) *Set {
		counted := store.Generation()
		s, errs := NewSet(prev, clusters, nil, nil, nil, sockets, counted)
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		counted.Commit()
		return s
	}
	a := named("a", clusterv3.Cluster_STATIC, "192.0.2.1", "192.0.2.2")
	b := named("b", clusterv3.Cluster_STATIC, "192.0.2.1")
	first := publish(nil, a, b)
	first.Cluster("a").Stats.RqTotal.Inc()
	socket = &plainSocket{}
	second := publish(first, proto.CloneOf(a), named("b", clusterv3.Cluster_STATIC, "192.0.2.1", "192.0.2.3"))
	if second.Cluster("a") != first.Cluster("a") || second.Cluster("b") == first.Cluster("b") || second.Same(first) {
		t.Error("a has not changed, b has")
	}
	for _, h := range second.Cluster("a").Hosts() {
		if s := h.socket.Load(); s == nil || *s != socket {
			t.Errorf("%s has the socket of before", h.Address)
		}
	}
	third := publish(second, a, named("b", clusterv3.Cluster_STATIC, "192.0.2.1", "192.0.2.3"))
	if !third.Same(second) {
		t.Error("nothing has changed")
	}
	third.Cluster("a").Stats.RqTotal.Inc()
	for _, x := range store.Samples() {
		if x.Name == "cluster.a.upstream_rq_total" && x.Value == 2 {
			return
		}
	}
	t.Error("the requests of a are not counted on")
}

// plainSocket leaves connections as they are.
type plainSocket struct{ _ byte }

func (*plainSocket) Secure(_ context.Context, nc net.Conn, _, _ string, _ bool) (net.Conn, error) {
	return nc, nil
}
