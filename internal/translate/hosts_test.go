package translate

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestIntersectHosts(t *testing.T) {
	for _, tt := range []struct{ server, vs, want []string }{
		{[]string{"*"}, []string{"a.example", "*.b.example"}, []string{"a.example", "*.b.example"}},
		{[]string{"a.example"}, []string{"*"}, []string{"a.example"}},
		{[]string{"*.example"}, []string{"*.a.example", "b.example", "c.other"}, []string{"*.a.example", "b.example"}},
		{[]string{"*.a.example"}, []string{"*.example", "a.example"}, []string{"*.a.example"}},
		{[]string{"a", "*"}, []string{"a"}, []string{"a"}},
		{[]string{"*.a"}, []string{"*.b"}, nil},
		{nil, []string{"a"}, nil},
	} {
		if diff := cmp.Diff(tt.want, newHostSet(tt.server).intersect(tt.vs)); diff != "" {
			t.Errorf("intersect(%v, %v): %s", tt.server, tt.vs, diff)
		}
	}
}

func TestCompareHosts(t *testing.T) {
	// istiod names a virtual host of several domains by the first in this order.
	want := []string{"x.w.example", "r.example", "a", "b", "*.example", "*"}
	got := slices.Clone(want)
	slices.Sort(got)
	slices.SortFunc(got, compareHosts)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestQualifyServerHosts(t *testing.T) {
	for _, tt := range []struct{ in, want []string }{
		{[]string{"a", "./b", "ns/c", "*/d"}, []string{"a", "own/b", "ns/c", "d"}},
		{[]string{"ns/c", "*/*", "a"}, []string{"*"}},
	} {
		if diff := cmp.Diff(tt.want, qualifyServerHosts(tt.in, "own")); diff != "" {
			t.Errorf("%v: %s", tt.in, diff)
		}
	}
}

func TestSNIHosts(t *testing.T) {
	if got := sniHosts([]string{"ns/B.example", "a.example", "b.example"}); !slices.Equal(got, []string{"a.example", "b.example"}) {
		t.Error(got)
	}
	if got := sniHosts([]string{"a.example", "ns/*"}); got != nil {
		t.Errorf("a server for all hosts matches every name, got %v", got)
	}
}

func TestNames(t *testing.T) {
	for in, want := range map[string]string{
		"api": "api.ns.svc.cluster.local", "api.other": "api.other", "*": "*", "": "",
		"::1": "::1", "a.example.com": "a.example.com",
	} {
		if got := fullName(in, "ns", "cluster.local"); got != want {
			t.Errorf("fullName(%q) = %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{
		"gw": "ns/gw", "./gw": "ns/gw", "o/gw": "o/gw", "gw.o": "o/gw", "gw.o.svc.cluster.local": "o/gw", "mesh": "mesh",
	} {
		if got := gatewayName(in, "ns"); got != want {
			t.Errorf("gatewayName(%q) = %q, want %q", in, got, want)
		}
	}
}
