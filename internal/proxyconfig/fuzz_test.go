package proxyconfig

import (
	"testing"
	"time"
)

// seedDump has something in every section.
const seedDump = `{"configs": [
 {"@type": "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump", "bootstrap": {"node": {"id": "a.b"}}},
 {"@type": "type.googleapis.com/envoy.admin.v3.ClustersConfigDump", "static_clusters": [{"cluster": {"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": "outbound|80||x"}}]},
 {"@type": "type.googleapis.com/envoy.admin.v3.EndpointsConfigDump", "static_endpoint_configs": [{"endpoint_config": {"@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment", "cluster_name": "x", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 80}}}}]}]}}]},
 {"@type": "type.googleapis.com/envoy.admin.v3.ListenersConfigDump", "static_listeners": [{"listener": {"@type": "type.googleapis.com/envoy.config.listener.v3.Listener", "name": "l", "filter_chains": [{"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"}}, {"name": "x", "typed_config": {"@type": "type.googleapis.com/unknown.Type", "a": 1}}]}]}}, {}]},
 {"@type": "type.googleapis.com/envoy.admin.v3.RoutesConfigDump", "dynamic_route_configs": [{"route_config": {"@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration", "name": "https.443.https.a.b", "virtual_hosts": [{"name": "v", "domains": ["a", "b:1"], "routes": [{"match": {"prefix": "/"}}]}]}}]},
 {"@type": "type.googleapis.com/envoy.admin.v3.SecretsConfigDump", "dynamic_active_secrets": [{"name": "s"}]},
 {"@type": "type.googleapis.com/unknown.Dump", "x": [1]}
]}`

// FuzzDump shows that no input makes a view panic: it is shown, or it is an
// error.
func FuzzDump(f *testing.F) {
	f.Add([]byte(seedDump))
	f.Add([]byte(`{"cluster_statuses": [{"name": "x", "host_statuses": [{"address": {}}, {}]}]}`))
	f.Add([]byte(`{"configs": [{}]}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(_ *testing.T, data []byte) {
		if list, err := ParseEndpoints(data); err == nil {
			EndpointTable(list, EndpointFilter{Address: "127.0.0.1"})
		}
		if d, err := ParseDump(data); err == nil {
			showAll(d)
		}
	})
}

// showAll makes every table and returns how many there were.
func showAll(d *Dump) (tables int) {
	for _, o := range []TableOptions{{}, {Verbose: true}, {Verbose: true, Typed: true}} {
		if list, err := d.Listeners(ListenerFilter{}); err == nil {
			ListenerTable(list, o)
			tables++
		}
		if list, err := d.Routes(RouteFilter{}); err == nil {
			RouteTable(list, o)
			Aliases(list, RouteFilter{}, nil)         //nolint:errcheck // what it says is not asked
			RenderList(YAML, Messages(list))          //nolint:errcheck // the same
			RenderList(JSON, Messages(list), Alias{}) //nolint:errcheck // the same
			tables++
		}
		if list, err := d.Clusters(ClusterFilter{}); err == nil {
			ClusterTable(list, o)
			tables++
		}
		if list, err := d.Assignments(EndpointFilter{Port: 80}); err == nil {
			AssignmentTable(list, o)
			tables++
		}
		if s, err := d.Secrets(); err == nil {
			SecretTable(s, time.Unix(0, 0), o) //nolint:errcheck // the same
			tables++
		}
		if b, err := d.Bootstrap(); err == nil {
			BootstrapTable(b)
			tables++
		}
	}
	return tables
}

// TestSeed shows that the fuzzing begins at a dump in which every view finds
// something.
func TestSeed(t *testing.T) {
	d, err := ParseDump([]byte(seedDump))
	if err != nil {
		t.Fatal(err)
	}
	if n := showAll(d); n != 18 {
		t.Errorf("%d tables, want 18", n)
	}
}
