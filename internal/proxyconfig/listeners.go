package proxyconfig

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	adminv3 "github.com/envoyproxy/go-control-plane/envoy/admin/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tcpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/crossgate/crossgate/internal/xds"
)

// The network filters that decide what a listener is.
const (
	filterHTTP = "envoy.filters.network.http_connection_manager"
	filterTCP  = "envoy.filters.network.tcp_proxy"
	blackHole  = "BlackHoleCluster"
)

// ListenerFilter selects listeners; empty fields select all.
type ListenerFilter struct {
	Address string // any of its addresses, whatever the case
	Port    uint32
	Type    string // HTTP, TCP, HTTP+TCP or UNKNOWN, whatever the case
}

func (f ListenerFilter) match(l *listenerv3.Listener) bool {
	is := func(address string) bool { return strings.EqualFold(address, f.Address) }
	return (f.Address == "" || slices.ContainsFunc(listenerAddresses(l), is)) &&
		(f.Port == 0 || listenerPort(l) == f.Port) &&
		(f.Type == "" || strings.EqualFold(listenerType(l), f.Type))
}

// Listeners returns the active listeners that the filter selects, in the order
// of the dump.
func (d *Dump) Listeners(f ListenerFilter) ([]*listenerv3.Listener, error) {
	dump := new(adminv3.ListenersConfigDump)
	if err := d.require(dump); err != nil {
		return nil, err
	}
	var packed []*anypb.Any
	for _, l := range dump.GetDynamicListeners() {
		packed = append(packed, l.GetActiveState().GetListener())
	}
	for _, l := range dump.GetStaticListeners() {
		packed = append(packed, l.GetListener())
	}
	all, err := unpackSome("listeners", packed, func() *listenerv3.Listener { return new(listenerv3.Listener) })
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(l *listenerv3.Listener) bool { return !f.match(l) }), nil
}

// ListenerTable shows listeners by port, address and type; verbose, a row for
// each filter chain.
func ListenerTable(list []*listenerv3.Listener, o TableOptions) Table {
	list = slices.Clone(list)
	sort.Slice(list, func(i, j int) bool { return listenerBefore(list[i], list[j]) })
	t := Table{Columns: []string{"ADDRESSES", "PORT", "TYPE"}, Gap: narrowGap}
	if o.Verbose {
		t.Columns = []string{"ADDRESSES", "PORT", "MATCH", "DESTINATION"}
	}
	if o.Typed {
		t.Columns = append([]string{"NAME"}, t.Columns...)
	}
	for _, l := range list {
		cells := []string{strings.Join(listenerAddresses(l), ","), portText(listenerPort(l))}
		if o.Typed {
			cells = append([]string{"listener/" + l.GetName()}, cells...)
		}
		if !o.Verbose {
			t.add(append(cells, listenerType(l))...)
			continue
		}
		for _, c := range describeChains(l) {
			t.add(append(slices.Clone(cells), c.match, c.destination)...)
		}
	}
	return t
}

func listenerBefore(a, b *listenerv3.Listener) bool {
	if p, q := listenerPort(a), listenerPort(b); p != q {
		return p < q
	}
	if p, q := listenerAddress(a), listenerAddress(b); p != q {
		return p < q
	}
	return listenerType(a) < listenerType(b)
}

func listenerPort(l *listenerv3.Listener) uint32 {
	return l.GetAddress().GetSocketAddress().GetPortValue()
}

func listenerAddress(l *listenerv3.Listener) string {
	if sock := l.GetAddress().GetSocketAddress(); sock != nil {
		return sock.GetAddress()
	}
	return l.GetAddress().GetPipe().GetPath()
}

func listenerAddresses(l *listenerv3.Listener) []string {
	out := []string{listenerAddress(l)}
	for _, a := range l.GetAdditionalAddresses() {
		out = append(out, a.GetAddress().GetSocketAddress().GetAddress())
	}
	return out
}

// listenerType says which of HTTP and TCP a listener's chains are. One that
// leads to the black hole is neither.
func listenerType(l *listenerv3.Listener) string {
	var http, tcp bool
	for _, chain := range xds.FilterChains(l) {
		for _, f := range chain.GetFilters() {
			http = http || f.GetName() == filterHTTP
			tcp = tcp || f.GetName() == filterTCP && !leadsNowhere(f)
		}
	}
	switch {
	case http && tcp:
		return "HTTP+TCP"
	case http:
		return "HTTP"
	case tcp:
		return "TCP"
	}
	return "UNKNOWN"
}

func leadsNowhere(f *listenerv3.Filter) bool {
	return strings.Contains(string(f.GetTypedConfig().GetValue()), blackHole)
}

// described is a filter chain in words.
type described struct{ match, destination string }

func describeChains(l *listenerv3.Listener) []described {
	var out []described
	for _, chain := range xds.FilterChains(l) {
		out = append(out, described{describeChainMatch(chain.GetFilterChainMatch()), describeDestination(chain.GetFilters())})
	}
	// istioctl's sort, which is not stable, so that equal ones stand as there.
	sort.Slice(out, func(i, j int) bool { return out[i].destination > out[j].destination })
	return out
}

// protocols returns the name that istioctl has for a list of ALPN protocols.
func protocols(list []string) string {
	switch all := strings.Join(list, ","); all {
	case "http/1.0,http/1.1,h2c":
		return "HTTP"
	case "http/1.0,http/1.1,h2c,istio-http/1.0,istio-http/1.1,istio-h2":
		return "HTTP TLS"
	case "istio,istio-http/1.0,istio-http/1.1,istio-h2":
		return "Istio HTTP Plain"
	case "istio-peer-exchange,istio":
		return "TCP TLS"
	default:
		return all
	}
}

func describeChainMatch(m *listenerv3.FilterChainMatch) string {
	var parts []string
	if names := m.GetServerNames(); len(names) > 0 {
		parts = append(parts, "SNI: "+strings.Join(names, ","))
	}
	if p := m.GetTransportProtocol(); p != "" {
		parts = append(parts, "Trans: "+p)
	}
	if list := m.GetApplicationProtocols(); len(list) > 0 {
		parts = append(parts, "App: "+protocols(list))
	}
	port := ""
	if m.GetDestinationPort() != nil {
		port = ":" + portText(m.GetDestinationPort().GetValue())
	}
	var ranges []string
	for _, r := range m.GetPrefixRanges() {
		ranges = append(ranges, fmt.Sprintf("%s/%d", r.GetAddressPrefix(), r.GetPrefixLen().GetValue()))
	}
	switch {
	case len(ranges) > 0:
		parts = append(parts, "Addr: "+strings.Join(ranges, ",")+port)
	case port != "":
		parts = append(parts, "Addr: *"+port)
	}
	if len(parts) == 0 {
		return "ALL"
	}
	return strings.Join(parts, "; ")
}

// describeDestination says where the filters of a chain lead: to a route
// configuration or to a cluster.
func describeDestination(filters []*listenerv3.Filter) string {
	for _, f := range filters {
		switch {
		case f.GetName() == filterHTTP:
			m := new(hcmv3.HttpConnectionManager)
			if err := f.GetTypedConfig().UnmarshalTo(m); err != nil {
				return err.Error()
			}
			return describeManager(m)
		case f.GetName() == filterTCP && !leadsNowhere(f):
			p := new(tcpv3.TcpProxy)
			if err := f.GetTypedConfig().UnmarshalTo(p); err != nil {
				return err.Error()
			}
			return describeCluster(p.GetCluster())
		}
	}
	return "Non-HTTP/Non-TCP"
}

func describeManager(m *hcmv3.HttpConnectionManager) string {
	switch {
	case m.GetRouteConfig() != nil:
		return describeRouteConfig(m.GetRouteConfig())
	case m.GetRds().GetRouteConfigName() != "":
		return "Route: " + m.GetRds().GetRouteConfigName()
	}
	return "HTTP"
}

// describeCluster leaves Istio's own clusters (PassthroughCluster) as they are.
func describeCluster(name string) string {
	if strings.Contains(name, "Cluster") {
		return name
	}
	return "Cluster: " + name
}
