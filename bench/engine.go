package main

import (
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strconv"
	"syscall"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"

	"github.com/crossgate/crossgate/internal/engine"
	"github.com/crossgate/crossgate/internal/xds"
)

// serveEngine runs crossgate's engine with a bootstrap and a number of routes, of which
// one is replaced for each SIGHUP: the messages of the others are those of before, as a
// control plane in the same process has them.
func serveEngine(file, routes string) error {
	n, err := strconv.Atoi(routes)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	snapshot, diags := xds.LoadBootstrap(file, data)
	if diags.HasErrors() {
		return fmt.Errorf("%v", diags)
	}
	list, err := discovered(snapshot)
	if err != nil {
		return err
	}
	own := append([]*routev3.Route{bodyRoute("body")}, list.GetVirtualHosts()[0].GetRoutes()...)
	for i := range n {
		own = append(own, prefixRoute(fmt.Sprintf("/svc%d/", i)))
	}
	debug.SetGCPercent(400) // as the command has it
	e := engine.New(engine.Options{})
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	for i := 0; ; i++ {
		next := *snapshot
		next.Routes = []*routev3.RouteConfiguration{tableOf(list, own)}
		if diags := e.Publish(&next); diags.HasErrors() {
			return fmt.Errorf("%v", diags)
		}
		<-signals
		own = slices.Clone(own)
		own[0] = bodyRoute("body" + strconv.Itoa(i))
	}
}

// discovered takes the routes out of the listener of a snapshot: it names them instead.
func discovered(s *xds.Snapshot) (*routev3.RouteConfiguration, error) {
	filter := s.Listeners[0].GetFilterChains()[0].GetFilters()[0]
	m := xds.ConnectionManager(filter)
	rc := m.GetRouteConfig()
	m.RouteSpecifier = &hcmv3.HttpConnectionManager_Rds{Rds: &hcmv3.Rds{RouteConfigName: rc.GetName()}}
	packed, err := xds.Pack(m)
	if err != nil {
		return nil, err
	}
	filter.GetTypedConfig().Value = packed.GetValue()
	return rc, nil
}

// tableOf is a route configuration with other routes.
func tableOf(rc *routev3.RouteConfiguration, routes []*routev3.Route) *routev3.RouteConfiguration {
	vh := rc.GetVirtualHosts()[0]
	return &routev3.RouteConfiguration{Name: rc.GetName(), VirtualHosts: []*routev3.VirtualHost{{
		Name: vh.GetName(), Domains: vh.GetDomains(), TypedPerFilterConfig: vh.GetTypedPerFilterConfig(), Routes: routes,
	}}}
}

func prefixRoute(prefix string) *routev3.Route {
	return &routev3.Route{
		Match:  &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: prefix}},
		Action: &routev3.Route_Route{Route: &routev3.RouteAction{ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: "backend"}}},
	}
}

func bodyRoute(body string) *routev3.Route {
	return &routev3.Route{
		Match: &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/changed/"}},
		Action: &routev3.Route_DirectResponse{DirectResponse: &routev3.DirectResponseAction{
			Status: 200, Body: &corev3.DataSource{Specifier: &corev3.DataSource_InlineString{InlineString: body}},
		}},
	}
}
