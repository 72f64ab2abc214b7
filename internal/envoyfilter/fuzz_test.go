package envoyfilter

import (
	"fmt"
	"strings"
	"testing"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/resource"
	"github.com/crossgate/crossgate/internal/xds"
)

func smallSnapshot(t testing.TB) *xds.Snapshot {
	t.Helper()
	manager, err := xds.Pack(&hcmv3.HttpConnectionManager{
		StatPrefix:     "s",
		RouteSpecifier: &hcmv3.HttpConnectionManager_Rds{Rds: &hcmv3.Rds{RouteConfigName: "http.80"}},
		HttpFilters:    []*hcmv3.HttpFilter{{Name: "envoy.filters.http.router"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &xds.Snapshot{
		Listeners: []*listenerv3.Listener{{Name: "l", FilterChains: []*listenerv3.FilterChain{{Filters: []*listenerv3.Filter{
			{Name: managerName, ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: manager}},
		}}}}},
		Routes: []*routev3.RouteConfiguration{{Name: "http.80", VirtualHosts: []*routev3.VirtualHost{{
			Name: "v", Domains: []string{"*"}, Routes: []*routev3.Route{{Name: "r", Match: &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/"}}}},
		}}}},
		Clusters: []*clusterv3.Cluster{{Name: "outbound|80||a.example"}},
		Origins:  make(map[string]diag.Pos),
	}
}

// FuzzApply: whatever a patch puts in or merges, nothing panics, and what is said
// has a place.
func FuzzApply(f *testing.F) {
	for _, v := range []string{
		`{"name": "x", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors"}}`,
		`{"typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager", "stream_idle_timeout": "1m", "access_log": [{}]}}`,
		`{"name": "v", "domains": ["a"], "routes": [{"match": {"path": "/"}, "route": {"cluster": "c", "timeout": "1s"}}]}`,
		`{"connect_timeout": "soon", "metadata": {"filter_metadata": {"a": {"b": [1, null, {}]}}}}`,
		`{"@type": 1, "typed_config": {"@type": {}}}`, `{"typed_config": {"@type": "type.googleapis.com/google.protobuf.Any"}}`,
	} {
		for to := range len(networking.EnvoyFilter_ApplyTo_name) {
			f.Add(to, 1, v)
		}
	}
	f.Fuzz(func(t *testing.T, to, op int, value string) {
		applyTo, known := networking.EnvoyFilter_ApplyTo_name[int32(to)]
		operation, also := networking.EnvoyFilter_Patch_Operation_name[int32(op)]
		if !known || !also || strings.ContainsAny(value, "\n\r") {
			return
		}
		doc := fmt.Sprintf("{apiVersion: networking.istio.io/v1alpha3, kind: EnvoyFilter, metadata: {name: f, namespace: istio-system}, "+
			"spec: {configPatches: [{applyTo: %s, patch: {operation: %s, value: %s}}]}}", applyTo, operation, value)
		rs, _ := resource.Parse("f.yaml", []byte(doc), resource.ParseOptions{})
		set, _ := resource.NewSet(rs)
		for _, d := range Apply(smallSnapshot(t), set, Options{Name: "gw", Namespace: "istio-system"}) {
			if d.Pos.Line == 0 {
				t.Errorf("no place: %s", d)
			}
		}
	})
}
