package upstream

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/crossgate/crossgate/internal/stats"
)

// TestTheOldLookupsDoNotRetireWhatTheNewOnesHave: from the moment in which a new set
// has taken hosts over until the old one is retired, the old one's lookups change
// nothing of them.
func TestTheOldLookupsDoNotRetireWhatTheNewOnesHave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, p := newBook(), &pipes{}
		names := NewNames(b, slog.New(slog.DiscardHandler))
		build := func(prev *Set, endpoints ...string) *Set {
			s, errs := NewSet(prev, []*clusterv3.Cluster{named("a", clusterv3.Cluster_STRICT_DNS, endpoints...)}, nil, p.dial, names, inTheClear, stats.New().Generation())
			if len(errs) > 0 || s.Wait(t.Context()) != nil {
				t.Fatal(errs)
			}
			return s
		}
		b.set("a.test", 0, "192.0.2.1")
		b.set("b.test", 0, "192.0.2.9")
		old := build(nil, "a.test")
		time.Sleep(30 * time.Second)
		next := build(old, "a.test", "b.test")
		h := next.Cluster("a").Hosts()[0]
		time.Sleep(15 * time.Second)
		b.set("a.test", 0, "192.0.2.2")
		time.Sleep(20 * time.Second) // the old one looks the name up
		b.set("a.test", 0, "192.0.2.1")
		time.Sleep(30 * time.Second) // and the new one
		old.Retire(next)
		expect(t, next.Cluster("a"), "192.0.2.1:80 192.0.2.9:80")
		c, err := acquire(t, h)
		if err != nil {
			t.Fatal(err)
		}
		c.Release(time.Now())
		if again := h.Idle(nil, time.Now()); again == nil {
			t.Error("the connections of a host that was taken over are not used again")
		} else {
			again.Discard()
		}
		names.Close()
		next.Retire(nil)
	})
}

// TestOrderOfStatuses: the hosts of a cluster that has not changed stand in the order
// of the configuration, those that take no traffic among them.
func TestOrderOfStatuses(t *testing.T) {
	lookups(t, func(t *testing.T, b *book, publish func(...*clusterv3.Cluster) *Set) {
		config := func() *clusterv3.Cluster {
			c := named("a", clusterv3.Cluster_STRICT_DNS, "192.0.2.1", "192.0.2.2", "192.0.2.3")
			c.GetLoadAssignment().GetEndpoints()[0].GetLbEndpoints()[1].HealthStatus = corev3.HealthStatus_DRAINING
			return c
		}
		for range 2 {
			var got []string
			for _, h := range publish(config()).Statuses()[0].GetHostStatuses() {
				got = append(got, h.GetAddress().GetSocketAddress().GetAddress())
			}
			if fmt.Sprint(got) != "[192.0.2.1 192.0.2.2 192.0.2.3]" {
				t.Errorf("the hosts are %v", got)
			}
		}
	})
}

// TestTheOrderOfAnswersIsNoChange: name servers turn the addresses of a name round,
// which is no change of who belongs to the cluster.
func TestTheOrderOfAnswersIsNoChange(t *testing.T) {
	lookups(t, func(t *testing.T, b *book, publish func(...*clusterv3.Cluster) *Set) {
		b.set("a.test", 0, "192.0.2.1", "192.0.2.2")
		c := publish(named("a", clusterv3.Cluster_STRICT_DNS, "a.test")).Cluster("a")
		before := c.Stats.MembersChanged.Value()
		b.set("a.test", 0, "192.0.2.2", "192.0.2.1")
		time.Sleep(2 * time.Minute)
		expect(t, c, "192.0.2.2:80 192.0.2.1:80")
		if n := c.Stats.MembersChanged.Value() - before; n != 0 {
			t.Errorf("counted as %d changes", n)
		}
		b.set("a.test", 0, "192.0.2.2", "192.0.2.3")
		time.Sleep(2 * time.Minute)
		if n := c.Stats.MembersChanged.Value() - before; n != 1 {
			t.Errorf("another address is counted as %d changes", n)
		}
	})
}

// TestVeryLongTimes: the longest times that the configuration can have are long, and
// no time that has passed.
func TestVeryLongTimes(t *testing.T) {
	ever := durationpb.New(math.MaxInt64)
	ever.Seconds = 315576000000
	lookups(t, func(t *testing.T, b *book, publish func(...*clusterv3.Cluster) *Set) {
		b.set("a.test", 0, "192.0.2.1")
		c := named("a", clusterv3.Cluster_STRICT_DNS, "a.test")
		c.DnsRefreshRate, c.DnsJitter = ever, ever //nolint:staticcheck // as above
		c.OutlierDetection = guide(1).GetOutlierDetection()
		c.OutlierDetection.Interval, c.OutlierDetection.BaseEjectionTime, c.OutlierDetection.MaxEjectionTime = ever, ever, ever
		built := publish(c).Cluster("a")
		time.Sleep(time.Hour)
		if n := b.count("a.test"); n != 1 {
			t.Errorf("looked up %d times in an hour", n)
		}
		if built.outliers.due() {
			t.Error("the sweep of ejected hosts is due at once")
		}
	})
}

// slowClose is a connection whose end takes time.
type slowClose struct{ net.Conn }

func (c slowClose) Close() error {
	time.Sleep(time.Minute)
	return c.Conn.Close()
}

// TestAnEjectionHoldsNobodyUp: the connections of an ejected host are closed without
// others waiting for that.
func TestAnEjectionHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := set(t, nil, guide(2), func(context.Context, string, string) (net.Conn, error) {
			near, far := net.Pipe()
			return slowClose{near}, far.Close()
		}).Cluster("c")
		bad := c.Hosts()[0]
		conn, err := acquire(t, bad)
		if err != nil {
			t.Fatal(err)
		}
		conn.Release(time.Now())
		go fail(c, bad, 5, 500)
		synctest.Wait()
		if !bad.Ejected() {
			t.Error("not ejected")
		}
		if !c.outliers.mu.TryLock() {
			t.Error("all who choose a host wait for a connection to be closed")
		} else {
			c.outliers.mu.Unlock()
		}
		time.Sleep(time.Hour)
	})
}

// TestSchedule: host i comes next when its deadline is the first, and of equal
// deadlines the first host's.
func TestSchedule(t *testing.T) {
	for range 50 {
		weights := make([]uint32, 1+rand.IntN(20))
		for i := range weights {
			weights[i] = uint32(rand.IntN(9))
		}
		deadlines := make([]float64, len(weights))
		for i, w := range weights {
			deadlines[i] = 1 / float64(max(w, 1))
		}
		round := newSchedule(weights)
		if equal(weights) {
			continue
		}
		for at, got := range round {
			if want := slices.Index(deadlines, slices.Min(deadlines)); int(got) != want {
				t.Fatalf("weights %v: host %d at %d, want %d", weights, got, at, want)
			}
			deadlines[got] += 1 / float64(max(weights[got], 1))
		}
	}
}
