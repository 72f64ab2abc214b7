package proxyconfig

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sort"
	"strconv"
	"strings"

	adminv3 "github.com/envoyproxy/go-control-plane/envoy/admin/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/crossgate/crossgate/internal/xds"
)

// EndpointFilter selects endpoints; empty fields select all.
type EndpointFilter struct {
	Address string
	Port    uint32
	Cluster string // the whole name, whatever the case
	Status  string // HEALTHY, UNHEALTHY, …, whatever the case
}

func (f EndpointFilter) match(cluster string, h *adminv3.HostStatus) bool {
	sock := h.GetAddress().GetSocketAddress()
	return (f.Address == "" || strings.EqualFold(hostAddress(h.GetAddress()), f.Address)) &&
		(f.Port == 0 || sock.GetPortValue() == f.Port) &&
		(f.Cluster == "" || strings.EqualFold(cluster, f.Cluster)) &&
		(f.Status == "" || strings.EqualFold(h.GetHealthStatus().GetEdsHealthStatus().String(), f.Status))
}

// ParseEndpoints reads the endpoints of a proxy: what /clusters?format=json
// shows, as istioctl does, or the endpoints of a config_dump?include_eds.
func ParseEndpoints(data []byte) ([]*adminv3.ClusterStatus, error) {
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(data, &keys); err != nil {
		return nil, fmt.Errorf("neither /clusters?format=json nor a config_dump: %w", err)
	}
	if _, ok := keys["configs"]; ok {
		d, err := ParseDump(data)
		if err != nil {
			return nil, err
		}
		return d.Endpoints()
	}
	clusters := new(adminv3.Clusters)
	if err := unmarshal(data, clusters); err != nil {
		return nil, fmt.Errorf("not what /clusters?format=json shows: %w", err)
	}
	return clusters.GetClusterStatuses(), nil
}

// Endpoints returns the endpoints of a dump in the form of /clusters. The dump
// says nothing of outliers; an endpoint of unknown health counts as healthy, as in
// Envoy.
func (d *Dump) Endpoints() ([]*adminv3.ClusterStatus, error) {
	assignments, err := d.Assignments(EndpointFilter{})
	if err != nil {
		return nil, err
	}
	if assignments == nil {
		return nil, errors.New("the dump has no endpoints: it must be made with /config_dump?include_eds")
	}
	var out []*adminv3.ClusterStatus
	for _, a := range assignments {
		out = append(out, xds.ClusterStatus(a))
	}
	return out, nil
}

// SelectEndpoints returns the clusters with at least one endpoint that the
// filter selects.
func SelectEndpoints(list []*adminv3.ClusterStatus, f EndpointFilter) []*adminv3.ClusterStatus {
	var out []*adminv3.ClusterStatus
	for _, c := range list {
		for _, h := range c.GetHostStatuses() {
			if f.match(c.GetName(), h) {
				out = append(out, c)
				break
			}
		}
	}
	return out
}

// EndpointTable shows the endpoints that the filter selects, by address, port and
// cluster.
func EndpointTable(list []*adminv3.ClusterStatus, f EndpointFilter) Table {
	type row struct {
		cluster string
		host    *adminv3.HostStatus
	}
	var rows []row
	for _, c := range list {
		for _, h := range c.GetHostStatuses() {
			if f.match(c.GetName(), h) {
				rows = append(rows, row{c.GetName(), h})
			}
		}
	}
	sort.Slice(rows, func(i, j int) bool {
		a, b := rows[i], rows[j]
		if x, y := hostAddress(a.host.GetAddress()), hostAddress(b.host.GetAddress()); x != y {
			return x < y
		}
		if x, y := hostPort(a.host), hostPort(b.host); x != y {
			return x < y
		}
		return a.cluster < b.cluster
	})
	t := Table{Columns: []string{"ENDPOINT", "STATUS", "OUTLIER CHECK", "CLUSTER"}, Gap: wideGap}
	for _, r := range rows {
		address := hostAddress(r.host.GetAddress())
		if p := hostPort(r.host); p != 0 {
			address += ":" + portText(p)
		}
		check := "OK"
		if r.host.GetHealthStatus().GetFailedOutlierCheck() {
			check = "FAILED"
		}
		t.add(address, r.host.GetHealthStatus().GetEdsHealthStatus().String(), check, r.cluster)
	}
	return t
}

func hostPort(h *adminv3.HostStatus) uint32 {
	return h.GetAddress().GetSocketAddress().GetPortValue()
}

func hostAddress(a *corev3.Address) string {
	switch {
	case a.GetSocketAddress() != nil:
		return a.GetSocketAddress().GetAddress()
	case a.GetPipe() != nil:
		return "unix://" + a.GetPipe().GetPath()
	case a.GetEnvoyInternalAddress().GetServerListenerName() != "":
		internal := a.GetEnvoyInternalAddress()
		return "envoy://" + internal.GetServerListenerName() + "/" + internal.GetEndpointId()
	}
	return "unknown"
}

// Assignments returns the load assignments of a dump with the endpoints that the
// filter selects, without those that have none left; nil if the dump was made
// without endpoints. The address of the filter is ADDRESS:PORT here, as in
// istioctl.
func (d *Dump) Assignments(f EndpointFilter) ([]*endpointv3.ClusterLoadAssignment, error) {
	dump := new(adminv3.EndpointsConfigDump)
	if ok, err := d.section(dump); err != nil || !ok {
		return nil, err
	}
	var packed []*anypb.Any
	for _, e := range dump.GetDynamicEndpointConfigs() {
		packed = append(packed, e.GetEndpointConfig())
	}
	for _, e := range dump.GetStaticEndpointConfigs() {
		packed = append(packed, e.GetEndpointConfig())
	}
	all, err := unpack("endpoints", packed, func() *endpointv3.ClusterLoadAssignment { return new(endpointv3.ClusterLoadAssignment) })
	if err != nil {
		return nil, err
	}
	kept := all[:0]
	for _, a := range all {
		if keepEndpoints(a, f) {
			kept = append(kept, a)
		}
	}
	sort.Slice(kept, func(i, j int) bool {
		a, _ := parseClusterKey(kept[i].GetClusterName())
		b, _ := parseClusterKey(kept[j].GetClusterName())
		return a.before(b)
	})
	return kept, nil
}

// keepEndpoints takes out what the filter does not select and reports whether
// anything is left.
func keepEndpoints(a *endpointv3.ClusterLoadAssignment, f EndpointFilter) bool {
	n := 0
	for _, group := range a.GetEndpoints() {
		kept := group.GetLbEndpoints()[:0]
		for _, e := range group.GetLbEndpoints() {
			if f.matchAssigned(a.GetClusterName(), e) {
				kept = append(kept, e)
			}
		}
		group.LbEndpoints = kept
		n += len(kept)
	}
	return n > 0
}

func (f EndpointFilter) matchAssigned(cluster string, e *endpointv3.LbEndpoint) bool {
	is := f.Address == ""
	for _, a := range assignedAddresses(e) {
		is = is || strings.EqualFold(a, f.Address)
	}
	return is && (f.Port == 0 || e.GetEndpoint().GetAddress().GetSocketAddress().GetPortValue() == f.Port) &&
		(f.Cluster == "" || strings.EqualFold(cluster, f.Cluster)) &&
		(f.Status == "" || strings.EqualFold(e.GetHealthStatus().String(), f.Status))
}

func assignedAddresses(e *endpointv3.LbEndpoint) []string {
	all := []*corev3.Address{e.GetEndpoint().GetAddress()}
	for _, a := range e.GetEndpoint().GetAdditionalAddresses() {
		all = append(all, a.GetAddress())
	}
	out := make([]string, 0, len(all))
	for _, a := range all {
		switch {
		case a.GetSocketAddress() != nil:
			out = append(out, a.GetSocketAddress().GetAddress()+":"+portText(a.GetSocketAddress().GetPortValue()))
		case a.GetPipe() != nil:
			out = append(out, a.GetPipe().GetPath())
		default:
			out = append(out, hostAddress(a))
		}
	}
	return out
}

// AssignmentTable shows load assignments, a row for each endpoint.
func AssignmentTable(list []*endpointv3.ClusterLoadAssignment, o TableOptions) Table {
	t := Table{Columns: []string{"NAME", "STATUS", "LOCALITY", "CLUSTER"}, Gap: wideGap}
	for _, a := range list {
		for _, group := range a.GetEndpoints() {
			for _, e := range group.GetLbEndpoints() {
				name := strings.Join(assignedAddresses(e), ",")
				if o.Typed {
					name = "endpoint/" + name
				}
				t.add(name, e.GetHealthStatus().String(), describeLocality(group.GetLocality()), a.GetClusterName())
			}
		}
	}
	return t
}

func describeLocality(l *corev3.Locality) string {
	text := l.GetRegion()
	if l.GetZone() != "" {
		text += "/" + l.GetZone()
		if l.GetSubZone() != "" {
			text += "/" + l.GetSubZone()
		}
	}
	return text
}

// adminAddress is where an instance of this machine has its admin interface.
func adminAddress(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
