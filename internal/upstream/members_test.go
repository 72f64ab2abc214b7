package upstream

import (
	"fmt"
	"testing"

	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// TestPriorities: how Envoy spreads load over priorities, by its documentation of
// priority levels (the tables for an overprovisioning factor of 1.4), and what
// test/square compares.
func TestPriorities(t *testing.T) {
	for _, tt := range []struct {
		hosts, usable []int // by priority
		panics        int
		want          string // share and number of hosts of each level
	}{
		{[]int{100}, []int{100}, 50, "100/100"},
		{[]int{100}, []int{71}, 90, "100/100"},
		{[]int{100}, []int{72}, 90, "100/72"},
		{[]int{100}, []int{49}, 50, "100/100"},
		{[]int{100}, []int{49}, 0, "100/49"},
		{[]int{100, 100}, []int{100, 100}, 50, "100/100"},
		{[]int{100, 100}, []int{72, 72}, 50, "100/72"},
		{[]int{100, 100}, []int{71, 71}, 50, "99/71 1/71"},
		{[]int{100, 100}, []int{50, 50}, 50, "70/50 30/50"},
		{[]int{100, 100}, []int{25, 100}, 50, "35/25 65/100"},
		{[]int{100, 100}, []int{25, 25}, 50, "50/100 50/100"},
		{[]int{100, 100}, []int{0, 100}, 50, "100/100"},
		{[]int{100, 100, 100}, []int{25, 25, 20}, 0, "37/25 35/25 28/20"},
		{[]int{100, 300}, []int{0, 0}, 50, "25/100 75/300"},
		{[]int{100}, []int{0}, 0, ""},
		{nil, nil, 50, ""},
	} {
		var list []member
		up := map[*Host]bool{}
		for p, n := range tt.hosts {
			for i := range n {
				h := &Host{}
				up[h] = i < tt.usable[p]
				list = append(list, member{host: h, weight: 1, priority: uint32(p)})
			}
		}
		b := balance{panicPercent: tt.panics, overprovision: defaultOverprovision}
		got := ""
		for i, l := range newMembers(list, b).choice(b, func(h *Host) bool { return up[h] }).levels {
			if i > 0 {
				got += " "
			}
			got += fmt.Sprintf("%d/%d", l.share, len(l.hosts))
		}
		if got != tt.want {
			t.Errorf("%v of %v usable, panic below %d %%: %q, want %q", tt.usable, tt.hosts, tt.panics, got, tt.want)
		}
	}
}

// TestLocalityWeights: what test/square compares, in numbers.
func TestLocalityWeights(t *testing.T) {
	for _, tt := range []struct {
		weights, hosts, usable []int // by locality
		want                   string
	}{
		{[]int{1, 3}, []int{2, 1}, []int{2, 1}, "[166 166 1000]"},
		{[]int{1, 1}, []int{2, 1}, []int{1, 1}, "[700 1000]"},
		{[]int{1, 1}, []int{4, 1}, []int{3, 1}, "[333 333 333 1000]"},
		{[]int{0, 5}, []int{2, 1}, []int{2, 1}, "[0 0 1000]"},
		{[]int{0, 0}, []int{2, 1}, []int{2, 1}, "[]"},
		{[]int{1, 1}, []int{2, 1}, []int{0, 1}, "[1000]"},
	} {
		var p priority
		for i, w := range tt.weights {
			g := &endpointv3.LocalityLbEndpoints{LoadBalancingWeight: wrapperspb.UInt32(uint32(w))}
			for n := range tt.hosts[i] {
				m := newMember(&Host{}, &endpointv3.LbEndpoint{}, g)
				p.members = append(p.members, m)
				if n < tt.usable[i] {
					p.usable = append(p.usable, m)
				}
			}
		}
		if got := fmt.Sprint(localityWeights(p, defaultOverprovision)); got != tt.want {
			t.Errorf("weights %v, %v of %v hosts usable: %s, want %s", tt.weights, tt.usable, tt.hosts, got, tt.want)
		}
	}
}
