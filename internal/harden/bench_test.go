package harden

import (
	"fmt"
	"testing"

	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	corsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/cors/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/crossgate/crossgate/internal/xds"
)

// BenchmarkSnapshot hardens ten thousand hosts with a policy each.
func BenchmarkSnapshot(b *testing.B) {
	cors, err := xds.Pack(&corsv3.Cors{})
	if err != nil {
		b.Fatal(err)
	}
	rc := &routev3.RouteConfiguration{Name: "http.80"}
	for i := range 10_000 {
		policy, err := xds.Pack(&corsv3.CorsPolicy{
			AllowOriginStringMatch: append([]*matcherv3.StringMatcher{exactly(fmt.Sprintf("https://app%d.example.com", i))}, expression(`https://[a-z0-9-]+\.preview\.example\.com`)),
			AllowMethods:           "GET,PUT", AllowHeaders: "content-type", AllowCredentials: wrapperspb.Bool(true),
		})
		if err != nil {
			b.Fatal(err)
		}
		rc.VirtualHosts = append(rc.VirtualHosts, &routev3.VirtualHost{
			Name: fmt.Sprintf("h%d.test:80", i), Domains: []string{fmt.Sprintf("h%d.test", i)},
			Routes: []*routev3.Route{{
				Match:                &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/api"}},
				Action:               &routev3.Route_Route{Route: &routev3.RouteAction{ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: "up"}}},
				TypedPerFilterConfig: map[string]*anypb.Any{xds.CorsFilter: policy},
			}},
		})
	}
	manager, err := xds.Pack(&hcmv3.HttpConnectionManager{
		RouteSpecifier: &hcmv3.HttpConnectionManager_Rds{Rds: &hcmv3.Rds{RouteConfigName: rc.GetName()}},
		HttpFilters:    []*hcmv3.HttpFilter{{Name: xds.CorsFilter, ConfigType: &hcmv3.HttpFilter_TypedConfig{TypedConfig: cors}}},
	})
	if err != nil {
		b.Fatal(err)
	}
	in := &xds.Snapshot{Routes: []*routev3.RouteConfiguration{rc}, Listeners: []*listenerv3.Listener{{
		FilterChains: []*listenerv3.FilterChain{{Filters: []*listenerv3.Filter{{ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: manager}}}}},
	}}}
	in.Seal()
	for b.Loop() {
		if out, diags := Snapshot(in, Options{}); len(diags) > 0 || len(out.Routes) != 1 {
			b.Fatal(diags)
		}
	}
}
