package proxyconfig

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"

	adminv3 "github.com/envoyproxy/go-control-plane/envoy/admin/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/types/known/anypb"
)

// passthrough is the cluster of Istio's routes for what no service stands for.
const passthrough = "PassthroughCluster"

// RouteFilter selects route configurations; empty fields select all.
type RouteFilter struct{ Name string }

func (f RouteFilter) match(name string) bool { return f.Name == "" || f.Name == name }

// Routes returns the route configurations that the filter selects, those with
// numbers for names in the order of the numbers.
func (d *Dump) Routes(f RouteFilter) ([]*routev3.RouteConfiguration, error) {
	dump := new(adminv3.RoutesConfigDump)
	if err := d.require(dump); err != nil {
		return nil, err
	}
	var packed []*anypb.Any
	for _, r := range dump.GetDynamicRouteConfigs() {
		packed = append(packed, r.GetRouteConfig())
	}
	for _, r := range dump.GetStaticRouteConfigs() {
		packed = append(packed, r.GetRouteConfig())
	}
	all, err := unpackSome("routes", packed, func() *routev3.RouteConfiguration { return new(routev3.RouteConfiguration) })
	if err != nil {
		return nil, err
	}
	// Names that are no numbers compare as equal with all others, which is no
	// order: what istioctl's sort makes of it is what its users see.
	sort.Slice(all, func(i, j int) bool {
		a, errA := strconv.Atoi(all[i].GetName())
		b, errB := strconv.Atoi(all[j].GetName())
		return errA == nil && errB == nil && a < b
	})
	return slices.DeleteFunc(all, func(r *routev3.RouteConfiguration) bool { return !f.match(r.GetName()) }), nil
}

// RouteTable shows route configurations; verbose, a row for each route.
func RouteTable(list []*routev3.RouteConfiguration, o TableOptions) Table {
	t := Table{Columns: []string{"NAME", "VIRTUAL HOSTS"}, Gap: wideGap}
	if o.Verbose {
		t.Columns = []string{"NAME", "VHOST NAME", "DOMAINS", "MATCH", "VIRTUAL SERVICE"}
	}
	for _, rc := range list {
		name := rc.GetName()
		if o.Typed {
			name = "route/" + name
		}
		if !o.Verbose {
			t.add(name, strconv.Itoa(len(rc.GetVirtualHosts())))
			continue
		}
		for _, vh := range rc.GetVirtualHosts() {
			if len(vh.GetRoutes()) == 0 {
				t.add(name, vh.GetName(), describeDomains(vh.GetDomains()), "/*", "404")
			}
			for _, r := range vh.GetRoutes() {
				if r.GetRoute().GetCluster() == passthrough {
					continue
				}
				t.add(name, vh.GetName(), describeDomains(vh.GetDomains()), describeMatch(r.GetMatch()), owner(r.GetMetadata()))
			}
		}
	}
	return t
}

// manyDomains is the number of domains that a table shows.
const manyDomains = 2

// describeDomains shows the domains without ports and without the longer forms
// of one name, the first two of them.
func describeDomains(domains []string) string {
	if len(domains) < 2 {
		return strings.Join(domains, "")
	}
	domains = withoutLongForms(withoutPorts(domains))
	if more := len(domains) - manyDomains; more > 0 {
		return fmt.Sprintf("%s + %d more...", strings.Join(domains[:manyDomains], ", "), more)
	}
	return strings.Join(domains, ", ")
}

// withoutPorts keeps names without a colon and IPv6 addresses without a port.
func withoutPorts(domains []string) []string {
	var out []string
	for _, d := range domains {
		if n := strings.Count(d, ":"); n == 0 || n > 2 && strings.HasSuffix(d, "]") {
			out = append(out, d)
		}
	}
	return out
}

// withoutLongForms leaves out api.production.svc.cluster.local and
// api.production.svc where api.production is there.
func withoutLongForms(domains []string) []string {
	var out []string
	for _, d := range domains {
		long := false
		for _, suffix := range []string{".svc.cluster.local", ".svc"} {
			short, ok := strings.CutSuffix(d, suffix)
			long = long || ok && slices.Contains(domains, short)
		}
		if !long {
			out = append(out, d)
		}
	}
	return out
}

// describeMatch shows the path that a route matches; "" is any path that has
// conditions of another kind.
func describeMatch(m *routev3.RouteMatch) string {
	var parts []string
	if p := m.GetPrefix(); p != "" {
		parts = append(parts, p+"*")
	}
	if p := m.GetPathSeparatedPrefix(); p != "" {
		parts = append(parts, "PathPrefix:"+p)
	}
	if p := m.GetPath(); p != "" {
		parts = append(parts, p)
	}
	if m.GetSafeRegex() != nil {
		parts = append(parts, "regex "+m.GetSafeRegex().GetRegex())
	}
	return strings.Join(parts, " ")
}

// describeRouteConfig shows routes that stand in a listener: the cluster, where
// all goes to one, or else the paths of each virtual host.
func describeRouteConfig(rc *routev3.RouteConfiguration) string {
	if name := onlyCluster(rc); name != "" {
		return describeCluster(name)
	}
	hosts := make([]string, 0, len(rc.GetVirtualHosts()))
	for _, vh := range rc.GetVirtualHosts() {
		paths := make([]string, 0, len(vh.GetRoutes()))
		for _, r := range vh.GetRoutes() {
			paths = append(paths, describeMatch(r.GetMatch()))
		}
		text := strings.Join(paths, ", ")
		if domains := vh.GetDomains(); len(domains) > 0 && !slices.Equal(domains, []string{"*"}) {
			text = strings.Join(domains, "/") + " " + text
		}
		hosts = append(hosts, text)
	}
	return "Inline Route: " + strings.Join(hosts, "; ")
}

func onlyCluster(rc *routev3.RouteConfiguration) string {
	if len(rc.GetVirtualHosts()) != 1 {
		return ""
	}
	vh := rc.GetVirtualHosts()[0]
	if !slices.Equal(vh.GetDomains(), []string{"*"}) || len(vh.GetRoutes()) != 1 {
		return ""
	}
	if r := vh.GetRoutes()[0]; r.GetMatch().GetPrefix() == "/" {
		return r.GetRoute().GetCluster()
	}
	return ""
}

// RouteLabel names a route for people: by its name, or by the path it matches.
func RouteLabel(r *routev3.Route) string {
	return cmp.Or(r.GetName(), describeMatch(r.GetMatch()))
}
