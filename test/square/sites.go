package square

import (
	"fmt"
	"slices"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	corsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/cors/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const (
	corsFilter    = "envoy.filters.http.cors"
	clusterUp     = "up"
	clusterDead   = "dead"
	clusterEmpty  = "empty"
	weightedTotal = 100
)

// address is where a site is: the name of its listener and its host.
type address struct{ Listener, Host string }

// layout builds one bootstrap for many sites: a listener for every policy at the
// level of the route configuration, a virtual host for every site.
func layout(sites []*site, upPort, deadPort uint32) ([]byte, map[*site]address, error) {
	where := map[*site]address{}
	byTable := map[*corsv3.CorsPolicy]int{}
	var tables []*routev3.RouteConfiguration
	for i, s := range sites {
		table := s.Policies[levelTable]
		n, ok := byTable[table]
		if !ok {
			n = len(tables)
			byTable[table] = n
			tables = append(tables, &routev3.RouteConfiguration{
				Name:                 fmt.Sprintf("table%d", n),
				TypedPerFilterConfig: perFilter(message(table)),
			})
		}
		a := address{fmt.Sprintf("listener%d", n), fmt.Sprintf("site%d.test", i)}
		tables[n].VirtualHosts = append(tables[n].VirtualHosts, s.virtualHost(a.Host))
		where[s] = a
	}
	static := &bootstrapv3.Bootstrap_StaticResources{Clusters: clusters(sites, upPort, deadPort)}
	for i, t := range tables {
		static.Listeners = append(static.Listeners, listener(fmt.Sprintf("listener%d", i), t))
	}
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(&bootstrapv3.Bootstrap{StaticResources: static})
	return text, where, err
}

func (s *site) virtualHost(host string) *routev3.VirtualHost {
	route := &routev3.Route{Match: &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/"}}}
	if s.Method != "" {
		route.Match.Headers = []*routev3.HeaderMatcher{{
			Name: ":method",
			HeaderMatchSpecifier: &routev3.HeaderMatcher_StringMatch{StringMatch: &matcherv3.StringMatcher{
				MatchPattern: &matcherv3.StringMatcher_Exact{Exact: s.Method},
			}},
		}}
	}
	s.setAction(route)
	policy := message(s.Policies[levelRoute])
	switch {
	case s.Off:
		policy = &routev3.FilterConfig{Disabled: true}
	case s.Wrapped && policy != nil:
		policy = &routev3.FilterConfig{Config: packed(policy)}
	}
	route.TypedPerFilterConfig = perFilter(policy)
	for _, f := range s.Added {
		route.ResponseHeadersToAdd = append(route.ResponseHeadersToAdd, &corev3.HeaderValueOption{
			Header:       &corev3.HeaderValue{Key: f.Name, Value: f.Value},
			AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
		})
	}
	return &routev3.VirtualHost{
		Name: host, Domains: []string{host}, Routes: []*routev3.Route{route},
		TypedPerFilterConfig: perFilter(message(s.Policies[levelHost])),
	}
}

func (s *site) setAction(route *routev3.Route) {
	to := func(name string) *routev3.Route_Route {
		return &routev3.Route_Route{Route: &routev3.RouteAction{ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: name}}}
	}
	switch s.Action {
	case actCluster:
		route.Action = to(clusterUp)
	case actDead:
		route.Action = to(clusterDead)
	case actEmpty:
		route.Action = to(clusterEmpty)
	case actDirect:
		route.Action = &routev3.Route_DirectResponse{DirectResponse: &routev3.DirectResponseAction{Status: 200}}
	case actRedirect:
		route.Action = &routev3.Route_Redirect{Redirect: &routev3.RedirectAction{
			PathRewriteSpecifier: &routev3.RedirectAction_PathRedirect{PathRedirect: "/elsewhere"},
		}}
	case actWeighted:
		route.Action = &routev3.Route_Route{Route: &routev3.RouteAction{ClusterSpecifier: &routev3.RouteAction_WeightedClusters{
			WeightedClusters: &routev3.WeightedCluster{Clusters: []*routev3.WeightedCluster_ClusterWeight{{
				Name: clusterUp, Weight: wrapperspb.UInt32(weightedTotal),
				TypedPerFilterConfig: perFilter(message(s.Policies[levelCluster])),
			}}},
		}}}
	}
}

// message makes an absent policy an absent message.
func message(p *corsv3.CorsPolicy) proto.Message {
	if p == nil {
		return nil
	}
	return p
}

func perFilter(m proto.Message) map[string]*anypb.Any {
	if m == nil {
		return nil
	}
	return map[string]*anypb.Any{corsFilter: packed(m)}
}

func packed(m proto.Message) *anypb.Any {
	a, err := anypb.New(m)
	if err != nil {
		panic(err) // only an invalid UTF-8 string of ours can do that
	}
	return a
}

// clusters returns the clusters that the sites use.
func clusters(sites []*site, upPort, deadPort uint32) []*clusterv3.Cluster {
	used := func(action string) bool {
		return slices.ContainsFunc(sites, func(s *site) bool { return s.Action == action })
	}
	out := []*clusterv3.Cluster{cluster(clusterUp, upPort)}
	if used(actDead) {
		out = append(out, cluster(clusterDead, deadPort))
	}
	if used(actEmpty) {
		out = append(out, cluster(clusterEmpty))
	}
	return out
}

func cluster(name string, ports ...uint32) *clusterv3.Cluster {
	c := &clusterv3.Cluster{
		Name: name, ConnectTimeout: durationpb.New(1e9),
		LoadAssignment: &endpointv3.ClusterLoadAssignment{ClusterName: name},
	}
	for _, p := range ports {
		c.LoadAssignment.Endpoints = append(c.LoadAssignment.Endpoints, &endpointv3.LocalityLbEndpoints{
			LbEndpoints: []*endpointv3.LbEndpoint{{HostIdentifier: &endpointv3.LbEndpoint_Endpoint{
				Endpoint: &endpointv3.Endpoint{Address: loopback(p)},
			}}},
		})
	}
	return c
}

func listener(name string, table *routev3.RouteConfiguration) *listenerv3.Listener {
	hcm := &hcmv3.HttpConnectionManager{
		StatPrefix:     name,
		RouteSpecifier: &hcmv3.HttpConnectionManager_RouteConfig{RouteConfig: table},
		HttpFilters: []*hcmv3.HttpFilter{
			{Name: corsFilter, ConfigType: &hcmv3.HttpFilter_TypedConfig{TypedConfig: packed(&corsv3.Cors{})}},
			{Name: "envoy.filters.http.router", ConfigType: &hcmv3.HttpFilter_TypedConfig{TypedConfig: packed(&routerv3.Router{})}},
		},
	}
	return &listenerv3.Listener{
		Name: name, Address: loopback(0),
		FilterChains: []*listenerv3.FilterChain{{Filters: []*listenerv3.Filter{{
			Name:       "envoy.filters.network.http_connection_manager",
			ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: packed(hcm)},
		}}}},
	}
}

func loopback(port uint32) *corev3.Address {
	return &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
		Address: "127.0.0.1", PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: port},
	}}}
}
