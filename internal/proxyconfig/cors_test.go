package proxyconfig

import (
	"encoding/json"
	"testing"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	corsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/cors/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/crossgate/crossgate/internal/xds"
)

func policies(t *testing.T, methods string) map[string]*anypb.Any {
	t.Helper()
	a, err := anypb.New(&corsv3.CorsPolicy{AllowMethods: methods})
	if err != nil {
		t.Fatal(err)
	}
	return map[string]*anypb.Any{xds.CorsFilter: a}
}

func TestAliases(t *testing.T) {
	prefix := func(p string) *routev3.RouteMatch {
		return &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: p}}
	}
	list := []*routev3.RouteConfiguration{
		{Name: "http.80", VirtualHosts: []*routev3.VirtualHost{{Name: "plain:80"}}},
		{Name: "https.443.https.shop.web", VirtualHosts: []*routev3.VirtualHost{{
			Name: "shop:443", Domains: []string{"shop"}, TypedPerFilterConfig: policies(t, "HEAD"),
			Routes: []*routev3.Route{
				{Match: prefix("/none")},
				{Match: prefix("/api"), TypedPerFilterConfig: policies(t, "GET")},
				{Name: "named", Match: prefix("/x"), TypedPerFilterConfig: policies(t, "PUT")},
			},
		}}},
		{Name: "https.443.https.other.web", VirtualHosts: []*routev3.VirtualHost{{Name: "other:443", Domains: []string{"other"}}}},
		{Name: "https.8443.https-x.other.web"},
		{Name: "https.443.https"},
		{Name: "https.x.https.gw.ns"},
	}
	positions := map[string]string{xds.CorsKey("https.443.https.shop.web", "shop:443", 1): "a.yaml:3:5"}
	got, err := Aliases(list, RouteFilter{}, positions)
	if err != nil {
		t.Fatal(err)
	}
	want := []Alias{
		{Name: "https.443.https", VirtualHosts: []AliasHost{
			{Name: "shop:443", Domains: []string{"shop"}, Cors: []CorsPolicy{
				{Policy: json.RawMessage(`{"allowMethods":"HEAD"}`)},
				{Route: "/api*", Policy: json.RawMessage(`{"allowMethods":"GET"}`), Position: "a.yaml:3:5"},
				{Route: "named", Policy: json.RawMessage(`{"allowMethods":"PUT"}`)},
			}},
			{Name: "other:443", Domains: []string{"other"}, Cors: []CorsPolicy{}},
		}},
		{Name: "https.8443.https-x", VirtualHosts: []AliasHost{}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for name, n := range map[string]int{"https.443.https": 1, "https.443.https.shop.web": 1, "http.80": 0, "https.443": 0} {
		if got, err := Aliases(list, RouteFilter{Name: name}, nil); err != nil || len(got) != n {
			t.Errorf("--name %s: %d aliases, want %d (%v)", name, len(got), n, err)
		}
	}
	broken := []*routev3.RouteConfiguration{{Name: "https.443.https.shop.web", VirtualHosts: []*routev3.VirtualHost{{
		TypedPerFilterConfig: map[string]*anypb.Any{xds.CorsFilter: {TypeUrl: "type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy", Value: []byte{0xff}}},
	}}}}
	if _, err := Aliases(broken, RouteFilter{}, nil); err == nil {
		t.Error("a policy that cannot be read is passed over")
	}
}
