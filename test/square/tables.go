package square

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/encoding/protojson"
)

// A site with a Host is a virtual host of Envoy's API, in its JSON form, below one
// of the connection managers. It uses what Istio's resources cannot ask for too.

// managers are the options of the connection managers, by the name of the listener.
var managers = map[string]object{
	"plain":   {},
	"merge":   {"normalize_path": true, "merge_slashes": true},
	"reject":  {"normalize_path": true, "path_with_escaped_slashes_action": "REJECT_REQUEST"},
	"redir":   {"normalize_path": true, "path_with_escaped_slashes_action": "UNESCAPE_AND_REDIRECT"},
	"forward": {"normalize_path": true, "merge_slashes": true, "path_with_escaped_slashes_action": "UNESCAPE_AND_FORWARD"},
	"edge":    {"use_remote_address": true, "via": "square"},
	"hops": {
		"use_remote_address": true, "xff_num_trusted_hops": 1, "strip_any_host_port": true, "server_name": "mine",
		"server_header_transformation": "APPEND_IF_ABSENT",
	},
	"ids": {
		"generate_request_id": false, "always_set_request_id_in_response": true, "server_header_transformation": "PASS_THROUGH",
		"strip_trailing_host_dot": true, "merge_slashes": true,
	},
	"preserve": {
		"use_remote_address": true, "skip_xff_append": true, "preserve_external_request_id": true, "always_set_request_id_in_response": true,
		"common_http_protocol_options": object{"headers_with_underscores_action": "DROP_HEADER"},
	},
	"replies": {"local_reply_config": object{
		"mappers": []any{object{
			"filter":               object{"status_code_filter": object{"comparison": object{"op": "EQ", "value": object{"default_value": 404, "runtime_key": "x"}}}},
			"status_code":          418,
			"body":                 object{"inline_string": "mapped"},
			"body_format_override": object{"json_format": object{"code": "%RESPONSE_CODE%", "text": "%LOCAL_REPLY_BODY%", "flags": "%RESPONSE_FLAGS%", "details": "%RESPONSE_CODE_DETAILS%"}},
			"headers_to_add":       []any{object{"header": object{"key": "x-mapped", "value": "%RESPONSE_CODE%"}}},
		}},
	}},
	"proper": {"http_protocol_options": object{
		"header_key_format": object{"proper_case_words": object{}}, "enable_trailers": true, "accept_http_10": true, "default_host_for_http_10": "site0.test",
	}},
	"lenient":    {"http_protocol_options": object{"allow_chunked_length": true, "allow_custom_methods": true, "allow_absolute_url": false}},
	"underscore": {"common_http_protocol_options": object{"headers_with_underscores_action": "REJECT_REQUEST", "max_headers_count": 12}},
}

// tableOptions are those of the route configuration of a manager.
var tableOptions = map[string]object{
	"hops":  {"response_headers_to_add": []any{headerOption("x-table", "%RESPONSE_CODE%", "APPEND_IF_EXISTS_OR_ADD")}},
	"ids":   {"ignore_port_in_host_matching": true, "request_headers_to_remove": []any{"x-a"}},
	"plain": {"request_headers_to_add": []any{headerOption("x-a", "table", "APPEND_IF_EXISTS_OR_ADD"), headerOption("x-table", "%REQ(:path)%", "ADD_IF_ABSENT")}},
	"merge": {"response_headers_to_add": []any{headerOption("x-up", "table", "OVERWRITE_IF_EXISTS_OR_ADD"), headerOption("vary", "table", "APPEND_IF_EXISTS_OR_ADD")}},
}

func headerOption(name, value, action string) object {
	return object{"header": object{"key": name, "value": value}, "append_action": action}
}

var managerNames = slices.Sorted(maps.Keys(managers))

// layoutHosts builds one bootstrap for many sites with hosts.
func layoutHosts(sites []*site, up, dead int) ([]byte, map[*site]address, error) {
	where := map[*site]address{}
	hosts := map[string][]any{}
	for i, s := range sites {
		a := address{Listener: s.Manager, Host: fmt.Sprintf("site%d.test", i)}
		host := maps.Clone(s.Host)
		host["name"], host["domains"] = a.Host, []any{a.Host}
		hosts[s.Manager] = append(hosts[s.Manager], host)
		where[s] = a
	}
	var listeners []any
	for _, name := range slices.Sorted(maps.Keys(hosts)) {
		table := object{"name": name, "virtual_hosts": hosts[name], "validate_clusters": false}
		maps.Copy(table, tableOptions[name])
		manager := object{
			"@type":       "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
			"stat_prefix": name, "route_config": table,
			"http_filters": []any{object{"name": "router", "typed_config": object{
				"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router", "suppress_envoy_headers": name == "ids",
			}}},
		}
		maps.Copy(manager, managers[name])
		listeners = append(listeners, object{
			"name": name, "address": socketAddress(0),
			"filter_chains": []any{object{"filters": []any{object{"name": "hcm", "typed_config": manager}}}},
		})
	}
	text, err := json.Marshal(object{"static_resources": object{"listeners": listeners, "clusters": hostClusters(up, dead)}})
	return text, where, err
}

// hostClusters are the services of these sites: up, the same with other options, one
// that refuses connections and one without endpoints.
func hostClusters(up, dead int) []any {
	cluster := func(name string, options object, ports ...int) object {
		var endpoints []any
		for _, p := range ports {
			endpoints = append(endpoints, object{"endpoint": object{"address": socketAddress(p)}})
		}
		c := object{"name": name, "connect_timeout": "1s", "circuit_breakers": object{"thresholds": []any{object{"max_retries": 1000}}}, "load_assignment": object{"cluster_name": name, "endpoints": []any{object{"lb_endpoints": endpoints}}}}
		if options != nil {
			c["typed_extension_protocol_options"] = object{"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": object{
				"@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions", "explicit_http_config": object{"http_protocol_options": options},
			}}
		}
		return c
	}
	return []any{
		cluster("up", nil, up), cluster("dead", nil, dead), cluster("empty", nil),
		cluster("proper", object{"enable_trailers": true, "header_key_format": object{"proper_case_words": object{}}}, up),
	}
}

// validHost reports whether Envoy's API takes the host; a part that was left out may
// have been a needed one.
func validHost(host object) bool {
	h := maps.Clone(host)
	h["name"], h["domains"] = "x", []any{"x"}
	text, err := json.Marshal(h)
	if err != nil {
		return false
	}
	var m routev3.VirtualHost
	if protojson.Unmarshal(text, &m) != nil || m.ValidateAll() != nil {
		return false
	}
	// An empty one of these is no fault of the message, but of what is in it.
	return !bytes.Contains(text, []byte(`"prefix":""`))
}

// table makes a site of a random virtual host.
func (g generator) table() *site {
	s := &site{Manager: pick(g, managerNames...)}
	host := object{}
	var routes []any
	n := 1 + g.IntN(5)
	if g.chance(10) {
		n += 16 + g.IntN(24) // they are looked up, not asked one after the other
	}
	for range n {
		routes = append(routes, g.tableRoute())
	}
	if g.chance(80) {
		last := g.tableRoute()
		last["match"] = object{"prefix": "/"}
		if !validHost(object{"routes": []any{last}}) {
			last = object{"match": object{"prefix": "/"}, "route": object{"cluster": "up"}}
		}
		routes = append(routes, last)
	}
	host["routes"] = routes
	if g.chance(25) {
		host["include_request_attempt_count"] = g.chance(50)
		host["include_attempt_count_in_response"] = g.chance(50)
	}
	if g.chance(15) {
		host["retry_policy"] = g.tableRetry()
	}
	if g.chance(5) {
		host["require_tls"] = pick(g, "ALL", "EXTERNAL_ONLY")
	}
	g.mutated(host, 20)
	s.Host = host
	return s
}

func (g generator) tableRoute() object {
	for {
		r := object{"match": g.tableMatch()}
		if g.chance(30) {
			r["name"] = pick(g, "first", "a b")
		}
		switch g.IntN(8) {
		case 0:
			r["redirect"] = g.tableRedirect()
		case 1:
			r["direct_response"] = g.tableDirect()
		default:
			r["route"] = g.tableAction()
		}
		g.mutated(r, 30)
		if _, template := r["match"].(object)["path_match_policy"]; template && hasPrefixRewrite(r) {
			continue // refused
		}
		return r
	}
}

func hasPrefixRewrite(r object) bool {
	for _, action := range []string{"route", "redirect"} {
		if a, ok := r[action].(object); ok && a["prefix_rewrite"] != nil {
			return true
		}
	}
	return false
}
