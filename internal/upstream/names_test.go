package upstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/crossgate/crossgate/internal/stats"
	"github.com/crossgate/crossgate/test/nameserver"
)

// book is a Resolver that a test writes.
type book struct {
	mu      sync.Mutex
	answers map[string]Answer // by name
	errs    map[string]error
	delay   time.Duration
	asked   map[string]int
	running int
	most    int
}

func newBook() *book {
	return &book{answers: map[string]Answer{}, errs: map[string]error{}, asked: map[string]int{}}
}

func (b *book) set(name string, ttl time.Duration, addrs ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := Answer{TTL: ttl}
	for _, s := range addrs {
		a.Addrs = append(a.Addrs, netip.MustParseAddr(s))
	}
	b.answers[name], b.errs[name] = a, nil
}

func (b *book) fail(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.errs[name] = errors.New("server misbehaving")
}

func (b *book) count(name string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.asked[name]
}

// Lookup implements Resolver.
func (b *book) Lookup(ctx context.Context, q Query) (Answer, error) {
	b.mu.Lock()
	b.asked[q.Name]++
	b.running++
	b.most = max(b.most, b.running)
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		b.running--
		b.mu.Unlock()
	}()
	select {
	case <-time.After(b.delay):
	case <-ctx.Done():
		return Answer{}, ctx.Err()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.answers[q.Name]
	out := Answer{TTL: a.TTL}
	for _, addr := range a.Addrs {
		if addr.Is6() == q.V6 {
			out.Addrs = append(out.Addrs, addr)
		}
	}
	return out, b.errs[q.Name]
}

// named is a cluster whose endpoints are names, with weights as "name=2".
func named(name string, kind clusterv3.Cluster_DiscoveryType, endpoints ...string) *clusterv3.Cluster {
	l := &endpointv3.LocalityLbEndpoints{}
	for _, e := range endpoints {
		host, weight, weighted := strings.Cut(e, "=")
		lb := &endpointv3.LbEndpoint{HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{Address: &corev3.Address{
			Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
				Address: host, PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: 80},
			}},
		}}}}
		if weighted {
			lb.LoadBalancingWeight = wrapperspb.UInt32(uint32(weight[0] - '0'))
		}
		l.LbEndpoints = append(l.LbEndpoints, lb)
	}
	return &clusterv3.Cluster{
		Name: name, ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: kind},
		DnsLookupFamily: clusterv3.Cluster_V4_ONLY, DnsRefreshRate: durationpb.New(time.Minute), RespectDnsTtl: true, //nolint:staticcheck // What istiod sends.
		LoadAssignment: &endpointv3.ClusterLoadAssignment{ClusterName: name, Endpoints: []*endpointv3.LocalityLbEndpoints{l}},
	}
}

// lookups runs a test with clusters of names, in virtual time.
func lookups(t *testing.T, f func(t *testing.T, b *book, publish func(...*clusterv3.Cluster) *Set)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b, p := newBook(), &pipes{}
		names := NewNames(b, slog.New(slog.DiscardHandler))
		var current *Set
		f(t, b, func(clusters ...*clusterv3.Cluster) *Set {
			t.Helper()
			next, errs := NewSet(current, clusters, nil, p.dial, names, inTheClear, stats.New().Generation())
			if len(errs) > 0 {
				t.Fatal(errs)
			}
			if err := next.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			current.Retire(next)
			current = next
			return next
		})
		names.Close()
		current.Retire(nil)
	})
}

func addresses(c *Cluster) string {
	var out []string
	for _, h := range c.Hosts() {
		out = append(out, h.Address)
	}
	return strings.Join(out, " ")
}

func expect(t *testing.T, c *Cluster, want string) {
	t.Helper()
	synctest.Wait()
	if got := addresses(c); got != want {
		t.Errorf("the hosts are %q, want %q", got, want)
	}
}

func TestNamesAreLookedUpWhenTheyAreDue(t *testing.T) {
	lookups(t, func(t *testing.T, b *book, publish func(...*clusterv3.Cluster) *Set) {
		b.delay = 30 * time.Millisecond
		b.set("a.test", 10*time.Second, "192.0.2.1", "192.0.2.2", "192.0.2.1", "2001:db8::1")
		b.set("hosts.test", 0, "192.0.2.9")
		s := publish(named("a", clusterv3.Cluster_STRICT_DNS, "a.test=3", "192.0.2.7=1"), named("h", clusterv3.Cluster_STRICT_DNS, "hosts.test"))
		c := s.Cluster("a")
		expect(t, c, "192.0.2.1:80 192.0.2.2:80 192.0.2.7:80")
		counts := map[string]int{}
		for range 70 {
			counts[c.Pick(nil, 0).Address]++
		}
		if fmt.Sprint(counts) != "map[192.0.2.1:80:30 192.0.2.2:80:30 192.0.2.7:80:10]" {
			t.Errorf("each address has the weight of its name: %v", counts)
		}
		b.set("a.test", 10*time.Second, "192.0.2.3")
		time.Sleep(9 * time.Second)
		expect(t, c, "192.0.2.1:80 192.0.2.2:80 192.0.2.7:80")
		time.Sleep(2 * time.Second)
		expect(t, c, "192.0.2.3:80 192.0.2.7:80")
		// Without a TTL the refresh rate counts.
		time.Sleep(45 * time.Second)
		if n := b.count("hosts.test"); n != 1 {
			t.Errorf("the name without a TTL was looked up %d times within a minute", n)
		}
		time.Sleep(10 * time.Second)
		if n := b.count("hosts.test"); n != 2 {
			t.Errorf("the name without a TTL was looked up %d times after a minute", n)
		}
	})
}

func TestAddressesOutliveFailures(t *testing.T) {
	lookups(t, func(t *testing.T, b *book, publish func(...*clusterv3.Cluster) *Set) {
		b.set("a.test", time.Second, "192.0.2.1")
		s := publish(named("strict", clusterv3.Cluster_STRICT_DNS, "a.test"), named("logical", clusterv3.Cluster_LOGICAL_DNS, "a.test"))
		b.fail("a.test")
		time.Sleep(10 * time.Minute)
		expect(t, s.Cluster("strict"), "192.0.2.1:80")
		// A name that is no more: as Envoy does it.
		b.set("a.test", time.Second)
		time.Sleep(time.Minute)
		expect(t, s.Cluster("strict"), "")
		expect(t, s.Cluster("logical"), "192.0.2.1:80")
		if h := s.Cluster("strict").Pick(nil, 3); h != nil {
			t.Errorf("a cluster without hosts gave %s", h.Address)
		}
		b.set("a.test", time.Second, "192.0.2.3", "192.0.2.2")
		time.Sleep(time.Minute)
		expect(t, s.Cluster("strict"), "192.0.2.3:80 192.0.2.2:80")
		expect(t, s.Cluster("logical"), "192.0.2.3:80")
	})
}

func TestFailuresAreRetriedAsConfigured(t *testing.T) {
	lookups(t, func(t *testing.T, b *book, publish func(...*clusterv3.Cluster) *Set) {
		c := named("a", clusterv3.Cluster_STRICT_DNS, "a.test")
		c.DnsFailureRefreshRate = &clusterv3.Cluster_RefreshRate{BaseInterval: durationpb.New(time.Second), MaxInterval: durationpb.New(4 * time.Second)} //nolint:staticcheck // as above
		b.fail("a.test")
		publish(c)
		time.Sleep(time.Minute)
		// Random times below 1, 2 (3 in Envoy's terms), 4, 4 … seconds.
		if n := b.count("a.test"); n < 15 || n > 90 {
			t.Errorf("a name that fails was looked up %d times in a minute", n)
		}
	})
}

// TestConnectionsToAddressesThatVanish: they are closed when their request is done.
func TestConnectionsToAddressesThatVanish(t *testing.T) {
	lookups(t, func(t *testing.T, b *book, publish func(...*clusterv3.Cluster) *Set) {
		b.set("a.test", time.Second, "192.0.2.1", "192.0.2.2")
		c := publish(named("a", clusterv3.Cluster_STRICT_DNS, "a.test")).Cluster("a")
		gone, stays := c.Hosts()[0], c.Hosts()[1]
		idle, _ := acquire(t, gone)
		used, _ := acquire(t, gone)
		kept, _ := acquire(t, stays)
		idle.Release(time.Now())
		kept.Release(time.Now())
		b.set("a.test", time.Second, "192.0.2.2", "192.0.2.3")
		time.Sleep(2 * time.Second)
		expect(t, c, "192.0.2.2:80 192.0.2.3:80")
		if c.Hosts()[0] != stays || len(stays.idle) != 1 {
			t.Error("the host that stays is another one, or has lost its connection")
		}
		if n := c.limits.connections.Load(); n != 2 {
			t.Errorf("%d connections are open, want the one in use and the idle one of the host that stays", n)
		}
		used.Release(time.Now())
		if n := c.limits.connections.Load(); n != 1 {
			t.Errorf("%d connections are open, want the idle one of the host that stays", n)
		}
	})
}

// TestNamesSurviveASwap: an unchanged cluster goes on with what it has; one with
// other endpoints keeps the addresses that it knows.
func TestNamesSurviveASwap(t *testing.T) {
	lookups(t, func(t *testing.T, b *book, publish func(...*clusterv3.Cluster) *Set) {
		b.set("a.test", 0, "192.0.2.1")
		first := publish(named("a", clusterv3.Cluster_STRICT_DNS, "a.test"), named("b", clusterv3.Cluster_STRICT_DNS, "a.test"))
		h := first.Cluster("a").Hosts()[0]
		second := publish(named("a", clusterv3.Cluster_STRICT_DNS, "a.test"))
		if second.Cluster("a").Hosts()[0] != h {
			t.Error("an unchanged cluster has another host")
		}
		synctest.Wait()
		if n := b.count("a.test"); n != 2 {
			t.Errorf("the name was looked up %d times, want once for each cluster of the first set", n)
		}
		b.fail("a.test")
		b.set("b.test", 0, "192.0.2.2")
		third := publish(named("a", clusterv3.Cluster_STRICT_DNS, "b.test", "a.test"))
		expect(t, third.Cluster("a"), "192.0.2.2:80 192.0.2.1:80")
		if third.Cluster("a").Hosts()[1] != h || h.retired {
			t.Error("the host that stays is another one, or was retired")
		}
		before := b.count("a.test")
		time.Sleep(10*time.Minute + time.Second)
		if n := b.count("a.test") - before; n != 10 {
			t.Errorf("the name was looked up %d times in ten minutes: lookups of a set that is gone go on", n)
		}
	})
}

// TestOneHostOfSeveralAddresses: LOGICAL_DNS with both families reaches its host by
// the address that answers, and does not wait long for one that does not.
func TestOneHostOfSeveralAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, p := newBook(), &pipes{}
		b.set("a.test", 0, "2001:db8::1", "192.0.2.1", "192.0.2.2")
		var dialled []string
		var mu sync.Mutex
		refused, silent := "192.0.2.1:80", "192.0.2.2:80"
		dial := func(ctx context.Context, network, address string) (net.Conn, error) {
			mu.Lock()
			dialled = append(dialled, address)
			mu.Unlock()
			switch address {
			case refused:
				return nil, errors.New("refused")
			case silent:
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return p.dial(ctx, network, address)
		}
		names := NewNames(b, slog.New(slog.DiscardHandler))
		config := named("a", clusterv3.Cluster_LOGICAL_DNS, "a.test")
		config.DnsLookupFamily = clusterv3.Cluster_ALL //nolint:staticcheck // as above
		s, errs := NewSet(nil, []*clusterv3.Cluster{config}, nil, dial, names, inTheClear, stats.New().Generation())
		if len(errs) > 0 || s.Wait(t.Context()) != nil {
			t.Fatal(errs)
		}
		expect(t, s.Cluster("a"), "192.0.2.1:80")
		began := time.Now()
		c, err := acquire(t, s.Cluster("a").Hosts()[0])
		if err != nil {
			t.Fatal(err)
		}
		if d := time.Since(began); d != headStart || fmt.Sprint(dialled) != "[192.0.2.1:80 192.0.2.2:80 [2001:db8::1]:80]" {
			t.Errorf("connected after %v, having dialled %v", d, dialled)
		}
		c.Discard()
		names.Close()
		s.Retire(nil)
	})
}

// TestManyNames: ten thousand names need no goroutine while they wait, and few at a
// time are looked up.
func TestManyNames(t *testing.T) {
	lookups(t, func(t *testing.T, b *book, publish func(...*clusterv3.Cluster) *Set) {
		b.delay = 10 * time.Millisecond
		var clusters []*clusterv3.Cluster
		for i := range 10_000 {
			name := fmt.Sprintf("n%d.test", i)
			b.set(name, 0, "192.0.2.1")
			clusters = append(clusters, named(name, clusterv3.Cluster_STRICT_DNS, name))
		}
		began := time.Now()
		s := publish(clusters...)
		if d := time.Since(began); d > 2*time.Second {
			t.Errorf("10,000 lookups of 10 ms took %v", d)
		}
		synctest.Wait()
		if b.running != 0 || b.most > maxLookups {
			t.Errorf("%d lookups are under way while all wait, and %d were at a time", b.running, b.most)
		}
		expect(t, s.Cluster("n9999.test"), "192.0.2.1:80")
	})
}

func TestLogicalNeedsOneEndpoint(t *testing.T) {
	_, errs := NewSet(nil, []*clusterv3.Cluster{named("a", clusterv3.Cluster_LOGICAL_DNS, "a.test", "b.test")}, nil, nil, nil, inTheClear, stats.New().Generation())
	if got := fmt.Sprint(errs); !strings.Contains(got, "cluster a: a cluster of type LOGICAL_DNS must have one endpoint") {
		t.Errorf("errors: %s", got)
	}
	_, errs = NewSet(nil, []*clusterv3.Cluster{named("a", clusterv3.Cluster_STATIC, "a.test")}, nil, nil, nil, inTheClear, stats.New().Generation())
	if got := fmt.Sprint(errs); !strings.Contains(got, `"a.test", which is no IP address`) {
		t.Errorf("errors: %s", got)
	}
}

// TestSystemResolver asks a real name server by way of Go's resolver.
func TestSystemResolver(t *testing.T) {
	server, err := nameserver.Listen()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	server.Set("a.test", nameserver.Answer{TTL: 77, Addrs: []netip.Addr{netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}})
	server.Set("fail.test", nameserver.Answer{Fail: true})
	at := []netip.AddrPort{netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(server.Port()))}
	for _, tt := range []struct {
		name, want string
		v6, fails  bool
	}{
		{name: "a.test.", want: "{[192.0.2.2 192.0.2.1] 1m17s}"},
		{name: "a.test.", v6: true, want: "{[2001:db8::1] 1m17s}"},
		{name: "none.test.", want: "{[] 0s}"},
		{name: "fail.test.", want: "{[] 0s}", fails: true},
		{name: "localhost", want: "{[127.0.0.1] 0s}"},
	} {
		got, err := SystemResolver{}.Lookup(t.Context(), Query{Name: tt.name, V6: tt.v6, Servers: at})
		if fmt.Sprint(got) != tt.want || (err != nil) != tt.fails {
			t.Errorf("%s: %v %v, want %s", tt.name, got, err, tt.want)
		}
	}
}

// TestAfterFailure: however often a name could not be looked up, the next lookup comes within the limit.
func TestAfterFailure(t *testing.T) {
	for _, base := range []time.Duration{time.Millisecond, 30 * time.Second, 1000 * time.Hour} {
		s := &dnsSettings{failBase: base, failMax: 10 * base}
		for n := 1; n < 100; n++ {
			if d := s.afterFailure(n); d < time.Millisecond || d > s.failMax {
				t.Fatalf("base %v, failure %d: after %v", base, n, d)
			}
		}
	}
}
