package upstream

import (
	"testing"
	"testing/synctest"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	httpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// limitedHost is a host whose connections have limits.
func limitedHost(t *testing.T, common *corev3.HttpProtocolOptions) *Host {
	t.Helper()
	packed, err := anypb.New(&httpv3.HttpProtocolOptions{CommonHttpProtocolOptions: common})
	if err != nil {
		t.Fatal(err)
	}
	c := &clusterv3.Cluster{Name: "c", LoadAssignment: load(endpoint{port: 1}), TypedExtensionProtocolOptions: map[string]*anypb.Any{"o": packed}}
	return set(t, nil, c, (&pipes{}).dial).Cluster("c").Hosts()[0]
}

func idleAfter(d time.Duration) *corev3.HttpProtocolOptions {
	return &corev3.HttpProtocolOptions{IdleTimeout: durationpb.New(d)}
}

func TestIdleConnectionsEnd(t *testing.T) {
	for _, tt := range []struct {
		name   string
		common *corev3.HttpProtocolOptions
		open   []int64 // connections after 1, 2, … seconds
	}{
		// The first is released after one second, the second after three.
		{"four seconds", idleAfter(4 * time.Second), []int64{2, 2, 2, 2, 1, 1, 0}},
		{"never", idleAfter(0), []int64{2, 2, 2, 2, 2, 2, 2}},
		{"the default", nil, []int64{2, 2, 2, 2, 2, 2, 2}},
		{"by age", &corev3.HttpProtocolOptions{MaxConnectionDuration: durationpb.New(2 * time.Second)}, []int64{2, 1, 0}},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := limitedHost(t, tt.common)
			a, _ := acquire(t, h)
			b, _ := acquire(t, h)
			for i, want := range tt.open {
				time.Sleep(time.Second)
				switch i {
				case 0:
					a.Release(time.Now())
				case 2:
					b.Release(time.Now())
				}
				synctest.Wait()
				if n := h.limits.connections.Load(); n != want {
					t.Errorf("%s: %d connections after %d s, want %d", tt.name, n, i+1, want)
				}
			}
			h.retire()
		})
	}
}

func TestAConnectionCarriesSoManyRequests(t *testing.T) {
	h := limitedHost(t, &corev3.HttpProtocolOptions{MaxRequestsPerConnection: wrapperspb.UInt32(2)})
	first, _ := acquire(t, h)
	first.Release(time.Now())
	if again, _ := acquire(t, h); again != first {
		t.Error("the second request has another connection")
	}
	first.Release(time.Now())
	third, _ := acquire(t, h)
	if third == first {
		t.Error("a third request has the connection")
	}
	third.Discard()
	if n := h.limits.connections.Load(); n != 0 {
		t.Errorf("%d connections are open", n)
	}
}

// TestRecentRequests: a request counts for the interval, and little longer.
func TestRecentRequests(t *testing.T) {
	r := &recent{slot: time.Second / budgetSlots}
	start := time.Unix(1000, 0)
	for i := range 10 {
		r.count(start.Add(time.Duration(i)*100*time.Millisecond), 1)
	}
	for _, tt := range []struct {
		at   time.Duration
		want int64
	}{{900 * time.Millisecond, 10}, {999 * time.Millisecond, 10}, {1550 * time.Millisecond, 5}, {2 * time.Second, 0}, {time.Hour, 0}} {
		if n := r.count(start.Add(tt.at), 0); n != tt.want {
			t.Errorf("%d requests count after %v, want %d", n, tt.at, tt.want)
		}
	}
}
