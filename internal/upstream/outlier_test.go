package upstream

import (
	"testing"
	"testing/synctest"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/crossgate/crossgate/internal/stats"
)

// guide is the outlier detection of the guide's complete example, as istiod
// translates it.
func guide(hosts int) *clusterv3.Cluster {
	var list []endpoint
	for i := range hosts {
		list = append(list, endpoint{port: uint32(i + 1)})
	}
	return &clusterv3.Cluster{
		Name: "c", LoadAssignment: load(list...),
		CommonLbConfig: &clusterv3.Cluster_CommonLbConfig{HealthyPanicThreshold: &typev3.Percent{}},
		OutlierDetection: &clusterv3.OutlierDetection{
			MaxEjectionPercent: wrapperspb.UInt32(50), Interval: durationpb.New(30 * time.Second), BaseEjectionTime: durationpb.New(30 * time.Second),
			Consecutive_5Xx: wrapperspb.UInt32(5), EnforcingConsecutive_5Xx: wrapperspb.UInt32(100), EnforcingSuccessRate: wrapperspb.UInt32(0),
		},
	}
}

// picked is how often each host is chosen.
func picked(c *Cluster, n int) map[*Host]int {
	out := map[*Host]int{}
	for range n {
		if h := c.Pick(nil, 0); h != nil {
			out[h]++
		}
	}
	return out
}

func fail(c *Cluster, h *Host, n int, what Outcome) {
	for range n {
		c.Report(h, what)
	}
}

// TestEjectionAndReturn: five answers 5xx in a row eject a host; it returns with
// the first sweep after 30 s, and after the second ejection takes 60.
func TestEjectionAndReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := set(t, nil, guide(2), nil).Cluster("c")
		bad := c.Hosts()[0]
		fail(c, bad, 4, 500)
		c.Report(bad, 200)
		fail(c, bad, 4, 503)
		if bad.Ejected() || picked(c, 10)[bad] != 5 {
			t.Fatal("ejected although an answer in between was fine")
		}
		c.Report(bad, 503)
		if n := picked(c, 10)[bad]; !bad.Ejected() || n != 0 {
			t.Fatalf("%d of 10 requests go to an ejected host", n)
		}
		time.Sleep(29 * time.Second)
		if picked(c, 10)[bad] != 0 {
			t.Error("the host is back after 29 s")
		}
		time.Sleep(2 * time.Second)
		if n := picked(c, 10)[bad]; n != 5 {
			t.Errorf("%d of 10 requests after 31 s, want 5", n)
		}
		fail(c, bad, 5, LocalFailure)
		time.Sleep(35 * time.Second)
		if picked(c, 10)[bad] != 0 {
			t.Error("after the second ejection the host is back too soon")
		}
		time.Sleep(60 * time.Second)
		if picked(c, 10)[bad] != 5 {
			t.Error("after the second ejection the host does not come back")
		}
	})
}

// TestEjectionsAreLimited: the percentage is never exceeded, and 100 percent is all
// of them, as TestOutlierDetection of test/square shows of Envoy.
func TestEjectionsAreLimited(t *testing.T) {
	for _, tt := range []struct {
		hosts   int
		percent *wrapperspb.UInt32Value
		left    int
	}{
		{10, nil, 9},
		{9, nil, 9},
		{2, wrapperspb.UInt32(49), 2},
		{2, wrapperspb.UInt32(50), 1},
		{2, wrapperspb.UInt32(100), 0},
		{1, wrapperspb.UInt32(100), 0},
		{1, nil, 1},
		{4, wrapperspb.UInt32(0), 4},
	} {
		cfg := guide(tt.hosts)
		cfg.OutlierDetection.MaxEjectionPercent = tt.percent
		c := set(t, nil, cfg, nil).Cluster("c")
		for _, h := range c.Hosts() {
			fail(c, h, 5, 500)
		}
		if n := len(picked(c, 100)); n != tt.left {
			t.Errorf("%d hosts, %v %%: %d are left, want %d", tt.hosts, tt.percent.GetValue(), n, tt.left)
		}
	}
}

// TestPanic: when fewer hosts are left than the threshold says, all are used.
func TestPanic(t *testing.T) {
	cfg := guide(4)
	cfg.CommonLbConfig = &clusterv3.Cluster_CommonLbConfig{HealthyPanicThreshold: &typev3.Percent{Value: 60}}
	c := set(t, nil, cfg, nil).Cluster("c")
	fail(c, c.Hosts()[0], 5, 500)
	if n := len(picked(c, 100)); n != 3 {
		t.Errorf("%d hosts are used, want 3", n)
	}
	fail(c, c.Hosts()[1], 5, 500)
	if n := len(picked(c, 100)); n != 4 {
		t.Errorf("%d hosts are used in panic, want 4", n)
	}
}

// TestEjectionSurvives: a new program of the same cluster knows who is ejected,
// also with another host beside it.
func TestEjectionSurvives(t *testing.T) {
	first := set(t, nil, guide(2), nil)
	bad := first.Cluster("c").Hosts()[0]
	fail(first.Cluster("c"), bad, 5, 500)
	second := set(t, first, guide(3), nil).Cluster("c")
	if n := picked(second, 30)[bad]; n != 0 || len(second.Hosts()) != 3 {
		t.Errorf("%d of 30 requests go to the ejected host", n)
	}
}

// TestSplitLocalFailures: failures to reach a host do not count as its answers.
func TestSplitLocalFailures(t *testing.T) {
	cfg := guide(2)
	cfg.OutlierDetection.SplitExternalLocalOriginErrors = true
	cfg.OutlierDetection.EnforcingLocalOriginSuccessRate = wrapperspb.UInt32(0)
	cfg.OutlierDetection.ConsecutiveLocalOriginFailure = wrapperspb.UInt32(7)
	c := set(t, nil, cfg, nil).Cluster("c")
	h := c.Hosts()[0]
	fail(c, h, 4, 500)
	fail(c, h, 6, LocalFailure)
	if h.Ejected() {
		t.Error("failures of both kinds were added up")
	}
	c.Report(h, LocalFailure)
	if !h.Ejected() {
		t.Error("seven local failures do not eject")
	}
}

// TestAnAddressTwice: a host that is listed twice is one for the percentage, and
// nobody counts as ejected once it is back.
func TestAnAddressTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := guide(2)
		cfg.LoadAssignment = load(endpoint{port: 1}, endpoint{port: 1}, endpoint{port: 2})
		first := set(t, nil, cfg, nil)
		c := first.Cluster("c")
		fail(c, c.Hosts()[0], 5, 500)
		c = set(t, first, cfg, nil).Cluster("c")
		time.Sleep(31 * time.Second)
		c.Pick(nil, 0)
		if c.outliers.ejected != 0 || len(c.outliers.hosts) != 2 {
			t.Errorf("%d of %d hosts count as ejected", c.outliers.ejected, len(c.outliers.hosts))
		}
	})
}

// TestBackOffEnds: a host that was down for long is forgiven as soon as one whose
// ejections have just become as long as they get.
func TestBackOffEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := set(t, nil, guide(2), nil).Cluster("c")
		h := c.Hosts()[0]
		for range 60 {
			for fail(c, h, 5, 500); h.Ejected(); c.Pick(nil, 0) {
				time.Sleep(time.Second)
			}
		}
		if n := h.health.backOff; n > 10 {
			t.Errorf("the back-off is %d, but 10 make the longest ejection", n)
		}
	})
}

func TestUnsupportedOutlierDetection(t *testing.T) {
	for name, change := range map[string]func(*clusterv3.OutlierDetection){
		"success rate":       func(o *clusterv3.OutlierDetection) { o.EnforcingSuccessRate = nil },
		"failure percentage": func(o *clusterv3.OutlierDetection) { o.EnforcingFailurePercentage = wrapperspb.UInt32(1) },
		"longest too short":  func(o *clusterv3.OutlierDetection) { o.MaxEjectionTime = durationpb.New(time.Second) },
		"no interval":        func(o *clusterv3.OutlierDetection) { o.Interval = durationpb.New(0) },
		"always one":         func(o *clusterv3.OutlierDetection) { o.AlwaysEjectOneHost = wrapperspb.Bool(true) },
	} {
		c := guide(1)
		change(c.OutlierDetection)
		if _, errs := NewSet(nil, []*clusterv3.Cluster{c}, nil, nil, nil, inTheClear, stats.New().Generation()); len(errs) != 1 {
			t.Errorf("%s: %v, want an error", name, errs)
		}
	}
}
