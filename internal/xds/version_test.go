package xds

import (
	"testing"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	"github.com/google/go-cmp/cmp"
)

func clusters(names ...string) *Snapshot {
	s := &Snapshot{}
	for _, n := range names {
		s.Clusters = append(s.Clusters, &clusterv3.Cluster{Name: n})
	}
	return s
}

func TestSeal(t *testing.T) {
	a, b := clusters("a", "b"), clusters("a", "b")
	a.Seal()
	b.Seal()
	if a.Version == "" || a.Version != b.Version {
		t.Errorf("equal snapshots have versions %q and %q", a.Version, b.Version)
	}
	b.Clusters[1].AltStatName = "x"
	b.Seal()
	if a.Version == b.Version {
		t.Error("a change left the version as it was")
	}
}

func TestDiff(t *testing.T) {
	before, after := clusters("a", "b", "c"), clusters("b", "c", "d")
	after.Clusters[0].AltStatName = "changed"
	want := Delta{Added: []string{"cluster/d"}, Removed: []string{"cluster/a"}, Changed: []string{"cluster/b"}}
	got := Diff(before, after)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if s := got.String(); s != "added cluster/d; removed cluster/a; changed cluster/b" {
		t.Error(s)
	}
	if d := Diff(before, before); !d.Empty() || d.String() != "no change" {
		t.Errorf("a snapshot differs from itself: %s", d)
	}
	if s := Diff(nil, clusters("1", "2", "3", "4", "5", "6", "7")).String(); s != "added cluster/1, cluster/2, cluster/3, cluster/4, cluster/5 and 2 more" {
		t.Error(s)
	}
}
