package square

import "github.com/crossgate/crossgate/test/rawhttp"

// mutated gives the level header mutations, each with a chance of p of 100.
func (g generator) mutated(level object, p int) {
	if g.chance(p) {
		level["request_headers_to_add"] = g.headerOptions(true)
	}
	if g.chance(p) {
		level["response_headers_to_add"] = g.headerOptions(false)
	}
	if g.chance(p / 2) {
		level["request_headers_to_remove"] = []any{pick(g, removable...), pick(g, removable...)}
	}
	if g.chance(p / 2) {
		level["response_headers_to_remove"] = []any{pick(g, removable...), pick(g, removable...)}
	}
}

var removable = []string{
	"x-a", "X-A", "x-b", "cookie", "accept", "x-up", "vary", "set-cookie", "content-type", "content-length", "x-envoy-upstream-service-time", "x-forwarded-proto", "x-request-id",
	"server", "date", "via", "user-agent", "x-envoy-expected-rq-timeout-ms", "x-envoy-attempt-count", "location", "x-set", "origin", "te", "x-forwarded-for",
}

// mutable are names of headers that a level sets: own ones, those that Envoy keeps one
// line of, and those that it writes itself.
var mutable = []string{
	"x-a", "X-A", "x-b", "x-set", "x-up", "x-new", "cookie", "set-cookie", "accept", "vary", "cache-control", "via", "server", "date", "content-type", "location", "user-agent",
	"x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-request-id", "x-envoy-attempt-count", "x-envoy-original-path", "authorization", "etag", "origin", "referer",
	"access-control-allow-origin", "x-envoy-upstream-service-time", "x-envoy-decorator-operation", "grpc-status", "content-encoding", "accept-encoding", "expect", "x-client-trace-id", "traceparent",
}

// operators are values whose text does not depend on the run.
var operators = []string{
	"1", "2", "a b", "", "100%%", "%REQ(x-a)%", "%REQ(X-A?x-b)%", "%REQ(absent?x-a):1%", "%REQ(absent)%", "a-%REQ(absent)%-b", "%REQ(:path)%", "%REQ(:method)%", "%REQ(:authority)%", "%REQ(:scheme)%",
	"%REQ(cookie)%", "%REQ(accept):3%", "%REQ(host)%", "%RESP(x-up)%", "%RESP(:status)%", "%RESP(set-cookie)%", "%RESP(absent)%", "%PROTOCOL%", "%RESPONSE_CODE%", "%RESPONSE_FLAGS%",
	"%RESPONSE_CODE_DETAILS%", "%ROUTE_NAME%", "%UPSTREAM_CLUSTER%", "%UPSTREAM_CLUSTER_RAW%", "%VIRTUAL_CLUSTER_NAME%", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", "%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%",
	"%START_TIME(%Y)%", "%REQUESTED_SERVER_NAME%", "%ENVIRONMENT(SQUARE_NOPE)%", "%PATH(NQ)%", "%PATH(WQ)%", "%PATH(NQ:ORIG)%", "%QUERY_PARAM(x)%", "%QUERY_PARAMS(ORIG)%", "%BYTES_SENT%",
	"%UPSTREAM_REQUEST_ATTEMPT_COUNT%", "%TRAILER(x-trailer)%", "%GRPC_STATUS%", "%GRPC_STATUS_NUMBER%", "%DYNAMIC_METADATA(a:b)%", "%FILTER_STATE(a)%", "%UPSTREAM_PROTOCOL%", "%LOCAL_REPLY_BODY%",
	"%ACCESS_LOG_TYPE%", "%UPSTREAM_TRANSPORT_FAILURE_REASON%", "%REQ(x-a)%%REQ(x-b)%", "[%REQ(x-a)%]", "%CONNECTION_TERMINATION_DETAILS%", "%DOWNSTREAM_TLS_VERSION%", "%RESPONSE_FLAGS_LONG%", "~\t|",
}

func (g generator) headerOptions(request bool) []any {
	var out []any
	for range 1 + g.IntN(4) {
		o := headerOption(pick(g, mutable...), pick(g, operators...), pick(g, "APPEND_IF_EXISTS_OR_ADD", "ADD_IF_ABSENT", "OVERWRITE_IF_EXISTS_OR_ADD", "OVERWRITE_IF_EXISTS"))
		if g.chance(20) {
			delete(o, "append_action")
		}
		if g.chance(8) {
			delete(o, "append_action")
			o["append"] = g.chance(50)
		}
		if g.chance(20) {
			o["keep_empty_value"] = true
		}
		if request && g.chance(2) {
			o["header"].(object)["key"] = "x-cluster"
		}
		out = append(out, o)
	}
	return out
}

// mutations makes a site whose levels all change headers.
func (g generator) mutations() *site {
	s := &site{Manager: pick(g, managerNames...)}
	var routes []any
	for range 1 + g.IntN(2) {
		r := object{"match": object{"prefix": pick(g, "/api", "/v1")}, "route": object{"cluster": pick(g, "up", "up", "proper")}}
		g.mutated(r, 80)
		routes = append(routes, r)
	}
	w := object{"name": "up", "weight": 1}
	g.mutated(w, 80)
	last := object{"match": object{"prefix": "/"}}
	switch g.IntN(6) {
	case 0:
		last["direct_response"] = g.tableDirect()
	case 1:
		last["redirect"] = object{"path_redirect": "/moved"}
	case 2:
		last["route"] = object{"cluster": pick(g, "dead", "empty", "none")}
	default:
		last["route"] = object{"weighted_clusters": object{"clusters": []any{w}}}
	}
	g.mutated(last, 80)
	s.Host = object{"routes": append(routes, last)}
	g.mutated(s.Host, 80)
	if g.chance(30) {
		s.Host["include_request_attempt_count"], s.Host["include_attempt_count_in_response"] = g.chance(50), g.chance(50)
	}
	return s
}

// bearer makes a request with many of the headers that levels change.
func (g generator) bearer(s *site) probe {
	p := g.visit(s)
	for range g.IntN(4) {
		p.Request.Fields = append(p.Request.Fields, rawhttp.Field{Name: pick(g, mutable...), Value: pick(g, "1", "2", "x y", "", "z,z")})
	}
	for range g.IntN(4) {
		p.Plan.Fields = append(p.Plan.Fields, rawhttp.Field{Name: pick(g, mutable...), Value: pick(g, "1", "2", "x y", "", "z,z")})
	}
	return p
}
