package engine

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/xds"
)

// TestFieldTableNamesRealFields: a misspelled field in the table would refuse what
// is supported, a message that does not exist would let everything of it through.
func TestFieldTableNamesRealFields(t *testing.T) {
	for name, list := range runs {
		d, err := protoregistry.GlobalFiles.FindDescriptorByName(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, f := range strings.Fields(strings.ReplaceAll(list, "|", " ")) {
			if d.(protoreflect.MessageDescriptor).Fields().ByName(protoreflect.Name(f)) == nil {
				t.Errorf("%s has no field %s", name, f)
			}
		}
	}
	for name := range separate {
		if _, err := protoregistry.GlobalFiles.FindDescriptorByName(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func loadText(t *testing.T, config string) *xds.Snapshot {
	t.Helper()
	s, diags := xds.LoadBootstrap("test.yaml", []byte(strings.ReplaceAll(config, "UP}", "9}")))
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return s
}

// TestRefusedConnectionManagers: what a connection manager cannot do takes its
// listener down, and the error names it.
func TestRefusedConnectionManagers(t *testing.T) {
	const rbac = `          - name: envoy.filters.http.rbac
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC}
`
	base := bootstrap("", plainRoute, "")
	router := "          - name: envoy.filters.http.router\n"
	for _, tt := range []struct{ name, config, want string }{
		{"unknown filter", strings.Replace(base, router, rbac+router, 1), `filter "envoy.filters.http.rbac"`},
		{"no router", strings.Replace(base, router, rbac[:0]+"          - name: envoy.filters.http.cors2\n", 1), "the router has to be the last filter"},
		{"local replies", bootstrap("local_reply_config: {body_format: {text_format_source: {inline_string: \"%NOPE%\"}}}", plainRoute, ""), "local_reply_config: body_format"},
		{"scheme", bootstrap("scheme_header_transformation: {scheme_to_overwrite: https}", plainRoute, ""), "scheme_header_transformation"},
		{"codec", bootstrap("codec_type: HTTP3", plainRoute, ""), "codec_type HTTP3"},
		{"client certificates", bootstrap("forward_client_cert_details: APPEND_FORWARD", plainRoute, ""), "forward_client_cert_details"},
		{"no such upgrade", bootstrap("upgrade_configs: [{upgrade_type: CONNECT}]", plainRoute, ""), "only plain websocket"},
	} {
		if tt.name == "no router" {
			tt.config = strings.ReplaceAll(tt.config, "envoy.extensions.filters.http.router.v3.Router", "envoy.extensions.filters.http.cors.v3.Cors")
		}
		p, diags := Compile(loadText(t, tt.config))
		if !mentions(diags, tt.want) {
			t.Errorf("%s: no error with %q: %v", tt.name, tt.want, diags)
		}
		if len(p.listeners) != 0 {
			t.Errorf("%s: the listener is served all the same", tt.name)
		}
	}
}

func mentions(l diag.List, text string) bool {
	for _, d := range l {
		if d.Severity == diag.Error && strings.Contains(d.Message, text) {
			return true
		}
	}
	return false
}

// TestARefusedRouteTakesNothingElseDown: what it matches is answered 503, never by
// the route behind it; the other routes serve.
func TestARefusedRouteTakesNothingElseDown(t *testing.T) {
	const cors = `typed_per_filter_config: {envoy.filters.http.cors: {"@type": type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy, %s}}`
	for _, tt := range []struct{ name, route, want string }{
		{"mirror", `route: {cluster: up, request_mirror_policies: [{trace_sampled: true}]}`, "request_mirror_policies"},
		{"hash policy", `route: {cluster: up, hash_policy: [{header: {header_name: x}}]}`, "hash_policy"},
		{"header injection", "route: {cluster: up}\n                " + fmt.Sprintf(cors, `max_age: "5\r\nx-injected: y"`), "control characters"},
		{"bad origin", "route: {cluster: up}\n                " + fmt.Sprintf(cors, `allow_origin_string_match: [{safe_regex: {regex: "("}}]`), "missing closing )"},
		{"bad operator", `route: {cluster: up}
                response_headers_to_add: [{header: {key: x, value: "%NOPE%"}}]`, "%NOPE%"},
		{"host header", `route: {cluster: up}
                request_headers_to_remove: [host]`, `"host" may not be removed`},
		{"filter of a route", `route: {cluster: up}
                typed_per_filter_config: {envoy.filters.http.cors: {"@type": type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBACPerRoute}}`, "RBACPerRoute"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := start(t, bootstrap("", plainRoute, ""))
			s := b.snapshot(bootstrap("", "\n              - match: {prefix: /bad}\n                "+tt.route+plainRoute, ""))
			if diags := b.engine.Publish(s); !mentions(diags, tt.want) {
				t.Errorf("no error with %q: %v", tt.want, diags)
			}
			c := b.dial()
			if r := c.Do(get("/bad", ""), "GET"); r.Status != 503 {
				t.Errorf("the refused route answers %d, want 503", r.Status)
			}
			if r := c.Do(get("/good", ""), "GET"); r.Status != 200 {
				t.Errorf("the good route answers %d", r.Status)
			}
		})
	}
}

// TestRefusedClusters: a service that would be reached in another way than the
// cluster asks for is not reached.
func TestRefusedClusters(t *testing.T) {
	for _, tt := range []struct{ field, want string }{
		{`transport_socket: {name: envoy.transport_sockets.tls}`, "transport_socket"},
		{`lb_policy: MAGLEV`, "lb_policy MAGLEV"},
		{`lb_policy: CLUSTER_PROVIDED`, "lb_policy CLUSTER_PROVIDED does not go with type STATIC"},
		{`transport_socket: {name: t, typed_config: {"@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext, common_tls_context: {validation_context: {trusted_ca: {filename: /dev/null}}}}}`, "/dev/null is no regular file"},
		{`typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {"@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: {http_protocol_options: {send_fully_qualified_url: true}}}}`, "send_fully_qualified_url"},
		{`health_checks: [{timeout: 1s, interval: 1s, unhealthy_threshold: 1, healthy_threshold: 1, tcp_health_check: {}}]`, "health_checks"},
		{`typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {"@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: {http3_protocol_options: {}}}}`, "HTTP/3 to services"},
	} {
		b := start(t, bootstrap("", plainRoute, ""))
		diags := b.engine.Publish(b.snapshot(strings.Replace(bootstrap("", plainRoute, ""), "    type: STATIC\n", "    type: STATIC\n    "+tt.field+"\n", 1)))
		if !mentions(diags, tt.want) {
			t.Errorf("%s: no error with %q: %v", tt.field, tt.want, diags)
		}
		if r := b.dial().Do(get("/", ""), "GET"); r.Status != 503 {
			t.Errorf("%s: %d, want 503", tt.field, r.Status)
		}
	}
}

// TestRefusedOriginalDestinations: as in Envoy, hosts that are where a client meant to go
// are neither chosen in another way nor listed.
func TestRefusedOriginalDestinations(t *testing.T) {
	for fields, want := range map[string]string{
		"":                            "lb_policy ROUND_ROBIN does not go with type ORIGINAL_DST",
		"lb_policy: CLUSTER_PROVIDED": "load_assignment does not go with type ORIGINAL_DST",
		"lb_policy: CLUSTER_PROVIDED, original_dst_lb_config: {use_http_header: true}": "original_dst_lb_config",
	} {
		config := strings.Replace(bootstrap("", plainRoute, ""), "    type: STATIC\n", "    type: ORIGINAL_DST\n    "+strings.ReplaceAll(fields, ", ", "\n    ")+"\n", 1)
		if _, diags := Compile(loadText(t, config)); !mentions(diags, want) {
			t.Errorf("%s: no error with %q: %v", fields, want, diags)
		}
	}
}

func TestCollidingDomains(t *testing.T) {
	config := strings.Replace(bootstrap("", plainRoute, ""), "            - name: all\n", "            - {name: first, domains: [A.test], routes: [{match: {prefix: /}, direct_response: {status: 201}}]}\n"+
		"            - {name: second, domains: [a.TEST, b.test], routes: [{match: {prefix: /}, direct_response: {status: 202}}]}\n            - name: all\n", 1)
	b := start(t, bootstrap("", plainRoute, ""))
	if diags := b.engine.Publish(b.snapshot(config)); !mentions(diags, "is used twice") {
		t.Errorf("no error: %v", diags)
	}
	c := b.dial()
	for host, want := range map[string]int{"a.test": 201, "b.test": 202, "c.test": 200} {
		r := c.Do([]byte("GET / HTTP/1.1\r\nHost: "+host+"\r\n\r\n"), "GET")
		if r.Status != want {
			t.Errorf("%s: %d, want %d", host, r.Status, want)
		}
	}
}

// TestRoutesShareSettings: what a virtual host says to filters is compiled once for all
// of its routes that say nothing themselves; it may be a policy of thousands of origins.
func TestRoutesShareSettings(t *testing.T) {
	const cors = `typed_per_filter_config: {envoy.filters.http.cors: {"@type": type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy, max_age: "%d"}}`
	config := strings.Replace(bootstrap("", `
              - {match: {prefix: /a}, route: {cluster: up}}
              - {match: {prefix: /b}, route: {cluster: up}, `+fmt.Sprintf(cors, 2)+`}
              - {match: {prefix: /c}, route: {weighted_clusters: {clusters: [{name: up, weight: 1}]}}}
`, ""), `              domains: ["*"]`, "              domains: [\"*\"]\n              "+fmt.Sprintf(cors, 1), 1)
	prog, diags := Compile(loadText(t, config))
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	var ages []string
	var policies []*corsPolicy
	for _, e := range prog.listeners[0].chains[0].manager.routes.hosts.hosts[0].routes.entries {
		for _, v := range e.route.targets[0].settings {
			if p, ok := v.(*corsPolicy); ok {
				ages, policies = append(ages, string(p.maxAge)), append(policies, p)
			}
		}
	}
	if want := "[1 2 1]"; fmt.Sprint(ages) != want || policies[0] != policies[2] {
		t.Errorf("%v, want %s; shared: %v", ages, want, policies)
	}
}
