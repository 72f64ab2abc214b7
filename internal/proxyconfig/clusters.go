package proxyconfig

import (
	"slices"
	"sort"
	"strconv"
	"strings"

	adminv3 "github.com/envoyproxy/go-control-plane/envoy/admin/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	"google.golang.org/protobuf/types/known/anypb"
)

// ClusterFilter selects clusters by parts of their names; empty fields select
// all.
type ClusterFilter struct {
	FQDN, Direction, Subset string
	Port                    int
}

func (f ClusterFilter) match(name string) bool {
	return strings.Contains(name, f.FQDN) && strings.Contains(name, f.Direction) && strings.Contains(name, f.Subset) &&
		(f.Port == 0 || strings.Contains(name, "|"+strconv.Itoa(f.Port)+"|"))
}

// Clusters returns the active clusters that the filter selects, by host, subset
// and port.
func (d *Dump) Clusters(f ClusterFilter) ([]*clusterv3.Cluster, error) {
	dump := new(adminv3.ClustersConfigDump)
	if err := d.require(dump); err != nil {
		return nil, err
	}
	var packed []*anypb.Any
	for _, c := range dump.GetDynamicActiveClusters() {
		packed = append(packed, c.GetCluster())
	}
	for _, c := range dump.GetStaticClusters() {
		packed = append(packed, c.GetCluster())
	}
	all, err := unpackSome("clusters", packed, func() *clusterv3.Cluster { return new(clusterv3.Cluster) })
	if err != nil {
		return nil, err
	}
	sort.Slice(all, func(i, j int) bool {
		a, _ := parseClusterKey(all[i].GetName())
		b, _ := parseClusterKey(all[j].GetName())
		return a.before(b)
	})
	return slices.DeleteFunc(all, func(c *clusterv3.Cluster) bool { return !f.match(c.GetName()) }), nil
}

// ClusterTable shows clusters.
func ClusterTable(list []*clusterv3.Cluster, o TableOptions) Table {
	t := Table{Columns: []string{"SERVICE FQDN", "PORT", "SUBSET", "DIRECTION", "TYPE", "DESTINATION RULE"}, Gap: wideGap}
	if o.Typed {
		t.Columns = append([]string{"NAME"}, t.Columns...)
	}
	for _, c := range list {
		name := c.GetName()
		if o.Typed && name != "" {
			name = "cluster/" + name
		}
		host, port, subset, direction := name, "-", "-", "-"
		if k, ok := parseClusterKey(c.GetName()); ok {
			host, port, direction = k.host, strconv.Itoa(k.port), k.direction
			if k.subset != "" {
				subset = k.subset
			}
		}
		cells := []string{host, port, subset, direction, c.GetType().String(), owner(c.GetMetadata())}
		if o.Typed {
			cells = append([]string{name}, cells...)
		}
		t.add(cells...)
	}
	return t
}
