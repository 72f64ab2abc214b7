package upstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/crossgate/crossgate/internal/stats"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// inTheClear are the sockets of clusters of which none asks for protection.
func inTheClear(*clusterv3.Cluster, *endpointv3.LbEndpoint) (Socket, int) { return nil, 0 }

// endpoint describes one endpoint of a test cluster.
type endpoint struct {
	port   uint32
	weight uint32
	health corev3.HealthStatus
}

func load(endpoints ...endpoint) *endpointv3.ClusterLoadAssignment {
	l := &endpointv3.LocalityLbEndpoints{}
	for _, e := range endpoints {
		lb := &endpointv3.LbEndpoint{
			HealthStatus: e.health,
			HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{Address: &corev3.Address{
				Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
					Address: "127.0.0.1", PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: e.port},
				}},
			}}},
		}
		if e.weight > 0 {
			lb.LoadBalancingWeight = wrapperspb.UInt32(e.weight)
		}
		l.LbEndpoints = append(l.LbEndpoints, lb)
	}
	return &endpointv3.ClusterLoadAssignment{ClusterName: "c", Endpoints: []*endpointv3.LocalityLbEndpoints{l}}
}

func limited(connections, pending uint32) *clusterv3.CircuitBreakers {
	return &clusterv3.CircuitBreakers{Thresholds: []*clusterv3.CircuitBreakers_Thresholds{{
		MaxConnections: wrapperspb.UInt32(connections), MaxPendingRequests: wrapperspb.UInt32(pending),
		MaxRequests: wrapperspb.UInt32(2), MaxRetries: wrapperspb.UInt32(1),
	}}}
}

// pipes dials in-memory connections and keeps their other ends.
type pipes struct {
	mu   sync.Mutex
	ends []net.Conn
}

func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	a, b := net.Pipe()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ends = append(p.ends, b)
	return a, nil
}

func set(t *testing.T, prev *Set, c *clusterv3.Cluster, dial Dial) *Set {
	t.Helper()
	s, errs := NewSet(prev, []*clusterv3.Cluster{c}, nil, dial, nil, inTheClear, stats.New().Generation())
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return s
}

func picks(c *Cluster, n int) string {
	var b strings.Builder
	for range n {
		h := c.Pick(nil, 0)
		b.WriteString(h.Address[strings.LastIndexByte(h.Address, ':')+1:] + " ")
	}
	return strings.TrimSpace(b.String())
}

func TestRoundRobin(t *testing.T) {
	for _, tt := range []struct {
		name      string
		endpoints []endpoint
		want      string
	}{
		{"equal", []endpoint{{port: 1}, {port: 2}, {port: 3}}, "1 2 3 1 2 3"},
		{"equal weights", []endpoint{{port: 1, weight: 100}, {port: 2, weight: 100}}, "1 2 1 2 1 2"},
		{"weights are spread", []endpoint{{port: 1, weight: 1}, {port: 2, weight: 2}}, "2 1 2 2 1 2"},
		{"unhealthy left out", []endpoint{{port: 1, health: corev3.HealthStatus_UNHEALTHY}, {port: 2}, {port: 3, health: corev3.HealthStatus_DRAINING}}, "2 2 2 2 2 2"},
	} {
		c := set(t, nil, &clusterv3.Cluster{Name: "c", LoadAssignment: load(tt.endpoints...)}, nil).Cluster("c")
		if got := picks(c, 6); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestScheduleIsBoundedAndKeepsProportions(t *testing.T) {
	round := newSchedule([]uint32{1_000_000, 3_000_000})
	counts := map[uint32]int{}
	for _, i := range round {
		counts[i]++
	}
	if len(round) > maxSchedule || counts[1] < 3*counts[0]-3 || counts[1] > 3*counts[0]+3 {
		t.Errorf("%d choices: %v", len(round), counts)
	}
}

func TestPickPassesOverHostsThatWereTried(t *testing.T) {
	c := set(t, nil, &clusterv3.Cluster{Name: "c", LoadAssignment: load(endpoint{port: 1}, endpoint{port: 2})}, nil).Cluster("c")
	first := c.Pick(nil, 0)
	for range 10 {
		if h := c.Pick([]*Host{first}, 5); h == first {
			t.Fatal("the host that was tried was picked again")
		}
	}
	if empty := set(t, nil, &clusterv3.Cluster{Name: "c"}, nil).Cluster("c").Pick(nil, 0); empty != nil {
		t.Errorf("a cluster without hosts gave %v", empty)
	}
}

func TestLeastRequestPrefersTheIdleHost(t *testing.T) {
	p := &pipes{}
	c := set(t, nil, &clusterv3.Cluster{Name: "c", LbPolicy: clusterv3.Cluster_LEAST_REQUEST, LoadAssignment: load(endpoint{port: 1}, endpoint{port: 2})}, p.dial).Cluster("c")
	busy, err := acquire(t, c.Hosts()[0])
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Discard()
	n := 0
	for range 1000 {
		if c.Pick(nil, 0) == c.Hosts()[1] {
			n++
		}
	}
	// Of two random choices one is the idle host in three of four cases.
	if n < 650 || n > 850 {
		t.Errorf("the idle host was picked %d times of 1000", n)
	}
}

func acquire(t *testing.T, h *Host) (*Conn, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	c, _, err := h.Acquire(ctx, time.Second, nil)
	return c, err
}

func TestConnectionsAreUsedAgainLastFirst(t *testing.T) {
	p := &pipes{}
	h := set(t, nil, &clusterv3.Cluster{Name: "c", LoadAssignment: load(endpoint{port: 1})}, p.dial).Cluster("c").Hosts()[0]
	a, _ := acquire(t, h)
	b, _ := acquire(t, h)
	a.Release(time.Now())
	b.Release(time.Now())
	again, _ := acquire(t, h)
	if again != b || len(p.ends) != 2 {
		t.Errorf("the connection that was used last was not taken; %d were opened", len(p.ends))
	}
	again.Discard()
	h.retire()
}

func TestAStaleConnectionIsNotHandedOut(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	d := &net.Dialer{}
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return d.DialContext(ctx, network, ln.Addr().String())
	}
	h := set(t, nil, &clusterv3.Cluster{Name: "c", LoadAssignment: load(endpoint{port: 1})}, dial).Cluster("c").Hosts()[0]
	c, err := acquire(t, h)
	if err != nil {
		t.Fatal(err)
	}
	peer, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c.Release(time.Now())
	_ = peer.Close()
	time.Sleep(20 * time.Millisecond) // the FIN arrives, and staleAfter passes
	if got := h.Idle(nil, time.Now()); got != nil {
		t.Error("a connection was handed out that the service had closed")
	}
}

func TestLimits(t *testing.T) {
	p := &pipes{}
	c := set(t, nil, &clusterv3.Cluster{Name: "c", CircuitBreakers: limited(1, 1), LoadAssignment: load(endpoint{port: 1})}, p.dial).Cluster("c")
	h := c.Hosts()[0]
	first, err := acquire(t, h)
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan *Conn)
	go func() {
		second, _ := acquire(t, h)
		got <- second
	}()
	for c.limits.pending.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	if _, err := acquire(t, h); !errors.Is(err, ErrOverflow) {
		t.Errorf("the third request: %v, want ErrOverflow", err)
	}
	first.Release(time.Now())
	if second := <-got; second != first {
		t.Error("the waiting request did not get the connection that was released")
	} else {
		second.Discard()
	}
	for i, want := range []bool{true, true, false} {
		if got := c.BeginRequest(); got != want {
			t.Errorf("request %d with max_requests 2: %v", i, got)
		}
	}
	if !c.BeginRetry() || c.BeginRetry() {
		t.Error("max_retries is 1")
	}
	c.EndRetry()
	if !c.BeginRetry() {
		t.Error("a retry that ended still counts")
	}
}

func TestWaitingEndsWithItsContext(t *testing.T) {
	p := &pipes{}
	h := set(t, nil, &clusterv3.Cluster{Name: "c", CircuitBreakers: limited(1, 9), LoadAssignment: load(endpoint{port: 1})}, p.dial).Cluster("c").Hosts()[0]
	first, _ := acquire(t, h)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, _, err := h.Acquire(ctx, time.Second, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want the context's error", err)
	}
	first.Discard()
	if n := len(h.limits.waiters); n != 0 {
		t.Errorf("%d waiters are left", n)
	}
}

// TestIdleConnectionsOfOneHostDoNotStarveAnother: the limit is the cluster's.
func TestIdleConnectionsOfOneHostDoNotStarveAnother(t *testing.T) {
	p := &pipes{}
	c := set(t, nil, &clusterv3.Cluster{Name: "c", CircuitBreakers: limited(1, 1), LoadAssignment: load(endpoint{port: 1}, endpoint{port: 2})}, p.dial).Cluster("c")
	a, err := acquire(t, c.Hosts()[0])
	if err != nil {
		t.Fatal(err)
	}
	a.Release(time.Now())
	b, err := acquire(t, c.Hosts()[1])
	if err != nil {
		t.Fatal(err)
	}
	b.Discard()
}

// TestNoWakeUpIsLost: many requests share few connections, which they release or
// discard; all of them get their turn.
func TestNoWakeUpIsLost(t *testing.T) {
	p := &pipes{}
	c := set(t, nil, &clusterv3.Cluster{Name: "c", CircuitBreakers: limited(3, 1000), LoadAssignment: load(endpoint{port: 1}, endpoint{port: 2})}, p.dial).Cluster("c")
	var done atomic.Int64
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			for j := range 100 {
				conn, err := acquire(t, c.Hosts()[i%2])
				if err != nil {
					t.Errorf("request %d of %d: %v", j, i, err)
					return
				}
				if (i+j)%3 == 0 {
					conn.Release(time.Now())
				} else {
					conn.Discard()
				}
				done.Add(1)
			}
		})
	}
	wg.Wait()
	for _, h := range c.Hosts() {
		h.retire()
	}
	if n := c.limits.connections.Load(); n != 0 || done.Load() != 5000 {
		t.Errorf("%d connections are counted at the end, %d requests were served", n, done.Load())
	}
}

func TestANewSetTakesHostsOver(t *testing.T) {
	p := &pipes{}
	config := func(timeout uint32, ports ...uint32) *clusterv3.Cluster {
		var list []endpoint
		for _, port := range ports {
			list = append(list, endpoint{port: port})
		}
		return &clusterv3.Cluster{Name: "c", CircuitBreakers: limited(timeout, 10), LoadAssignment: load(list...)}
	}
	first := set(t, nil, config(5, 1, 2), p.dial)
	idle, _ := acquire(t, first.Cluster("c").Hosts()[0])
	used, _ := acquire(t, first.Cluster("c").Hosts()[0])
	kept, _ := acquire(t, first.Cluster("c").Hosts()[1])
	idle.Release(time.Now())
	kept.Release(time.Now())

	second := set(t, first, config(5, 2, 3), p.dial)
	if first.Cluster("c").Hosts()[1] != second.Cluster("c").Hosts()[0] {
		t.Error("the host that stays is another one")
	}
	first.Retire(second)
	used.Release(time.Now())
	if n := len(first.Cluster("c").Hosts()[0].idle); n != 0 {
		t.Errorf("the host that is gone keeps %d connections", n)
	}
	if n := len(second.Cluster("c").Hosts()[0].idle); n != 1 {
		t.Errorf("the host that stays has %d idle connections, want 1", n)
	}
	third := set(t, second, config(6, 2), p.dial)
	if third.Cluster("c").Hosts()[0] == second.Cluster("c").Hosts()[0] {
		t.Error("a cluster with other limits kept its hosts")
	}
	second.Retire(third)
}

func TestErrorsNameTheCluster(t *testing.T) {
	bad := load(endpoint{port: 1})
	bad.Endpoints[0].LbEndpoints[0].GetEndpoint().Address = &corev3.Address{Address: &corev3.Address_Pipe{Pipe: &corev3.Pipe{Path: "/x"}}}
	s, errs := NewSet(nil, []*clusterv3.Cluster{
		{Name: "good", LoadAssignment: load(endpoint{port: 1})},
		{Name: "bad", LoadAssignment: bad},
		{Name: "good"},
	}, nil, nil, nil, inTheClear, stats.New().Generation())
	if got := fmt.Sprint(errs); !strings.Contains(got, "cluster bad: ") || !strings.Contains(got, "cluster good: the name is used twice") {
		t.Errorf("errors: %s", got)
	}
	if len(s.Cluster("good").Hosts()) != 1 || s.Cluster("bad") != nil {
		t.Error("the good cluster is not there, or the bad one is")
	}
}
