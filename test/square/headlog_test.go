package square

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crossgate/crossgate/test/rawhttp"
)

// headOperators are what a log can tell of the sizes of heads and of the way to the
// service's connection.
var headOperators = strings.Fields(`
REQUEST_HEADERS_BYTES RESPONSE_HEADERS_BYTES RESPONSE_TRAILERS_BYTES
DOWNSTREAM_HEADER_BYTES_RECEIVED DOWNSTREAM_HEADER_BYTES_SENT DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_SENT
UPSTREAM_HEADER_BYTES_RECEIVED UPSTREAM_HEADER_BYTES_SENT UPSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED UPSTREAM_DECOMPRESSED_HEADER_BYTES_SENT
UPSTREAM_CONNECTION_ID UPSTREAM_CONNECTION_IDS_ATTEMPTED UPSTREAM_HOSTS_ATTEMPTED UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT
UPSTREAM_HOST_NAMES_ATTEMPTED UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT UPSTREAM_HOST UPSTREAM_REMOTE_ADDRESS UPSTREAM_LOCAL_ADDRESS UPSTREAM_PROTOCOL UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID
UPSTREAM_REQUEST_ATTEMPT_COUNT UPSTREAM_DETECTED_CLOSE_TYPE UPSTREAM_LOCAL_CLOSE_REASON DOWNSTREAM_DETECTED_CLOSE_TYPE DOWNSTREAM_LOCAL_CLOSE_REASON UPSTREAM_CONNECTION_POOL_READY_DURATION
XFCC_VALUE(by) XFCC_VALUE(uri) XFCC_VALUE(URI):1 XFCC_VALUE(subject) STREAM_INFO_REQ(:path) STREAM_INFO_REQ(x-a) RESP(content-length) RESPONSE_FLAGS RESPONSE_CODE
COMMON_DURATION(US_CX_BEG:US_CX_END:ns) COMMON_DURATION(US_CX_BEG:US_HS_END:ns) COMMON_DURATION(DS_RX_BEG:DS_TX_BEG:ns) COMMON_DURATION(DS_RX_BEG:US_RX_BODY_BEG:ns)
`)

func headLog() []any {
	type m = map[string]any
	fields := m{"target": "%REQ(x-envoy-original-path?:path)%", "method": "%REQ(:method)%"}
	for _, o := range headOperators {
		fields[o] = "%" + o + "%"
		if name, limit, ok := strings.Cut(o, "):"); ok {
			fields[o] = "%" + name + "):" + limit + "%"
		}
	}
	return []any{m{"name": "json", "typed_config": m{
		"@type": "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog", "log_format": m{"json_format": fields},
	}}}
}

// headBootstrap is a bootstrap with routes to services of both protocols, to several
// endpoints, and to none.
func headBootstrap(t *testing.T, up, h2 int) []byte {
	t.Helper()
	type m = map[string]any
	dead := freePort()
	cluster := func(name string, more m, ports ...int) m {
		var ends []any
		for _, port := range ports {
			end := m{"address": m{"socket_address": m{"address": "127.0.0.1", "port_value": port}}}
			if len(ports) > 1 {
				end["hostname"] = "host.test:1"
			}
			ends = append(ends, m{"endpoint": end})
		}
		more["name"], more["type"], more["connect_timeout"] = name, "STATIC", "1s"
		more["load_assignment"] = m{"cluster_name": name, "endpoints": []any{m{"lb_endpoints": ends}}}
		return more
	}
	options := func(explicit m) m {
		const kind = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
		return m{"typed_extension_protocol_options": m{kind: m{"@type": "type.googleapis.com/" + kind, "explicit_http_config": explicit}}}
	}
	trailers := m{"http_protocol_options": m{"enable_trailers": true}}
	retry := m{"retry_on": "5xx,connect-failure", "num_retries": 2, "retry_back_off": m{"base_interval": "0.001s"}}
	to := func(prefix, cluster string, more m) m {
		more["cluster"] = cluster
		return m{"match": m{"prefix": prefix}, "route": more}
	}
	xfcc := to("/xfcc", "up", m{})
	xfcc["request_headers_to_add"] = []any{m{"header": m{"key": "x-forwarded-client-cert", "value": "%REQ(x-xfcc)%"}}}
	manager := m{
		"@type":       "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
		"stat_prefix": "s", "use_remote_address": true, "access_log": headLog(), "http_protocol_options": trailers["http_protocol_options"],
		"http_filters": []any{m{"name": "envoy.filters.http.router", "typed_config": m{"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}},
		"route_config": m{"name": "rc", "validate_clusters": false, "virtual_hosts": []any{m{
			"name": "vh", "domains": []any{"*"}, "include_request_attempt_count": true, "include_attempt_count_in_response": true, "response_headers_to_remove": []any{"x-envoy-upstream-service-time"}, // whose length depends on the time
			"routes": []any{
				m{"match": m{"prefix": "/direct"}, "direct_response": m{"status": 201, "body": m{"inline_string": "hello"}}},
				m{"match": m{"prefix": "/redirect"}, "redirect": m{"path_redirect": "/x"}},
				to("/dead", "dead", m{"retry_policy": retry}), to("/again", "up", m{"retry_policy": retry}), to("/mixed", "mixed", m{"retry_policy": retry}),
				to("/twice", "twice", m{"retry_policy": retry}), to("/none", "nope", m{}), to("/full", "full", m{}), to("/busy", "busy", m{}), to("/empty", "empty", m{}),
				to("/h2/", "h2", m{"prefix_rewrite": "/"}), xfcc, to("/up", "up", m{}),
			},
		}}},
	}
	text, err := json.Marshal(m{"static_resources": m{
		"listeners": []any{m{"name": "l", "filter_chains": []any{m{"filters": []any{m{"name": "hcm", "typed_config": manager}}}}}},
		"clusters": []any{
			cluster("up", options(trailers), up), cluster("dead", m{}, dead), cluster("mixed", m{}, up, dead), cluster("twice", m{}, up, up), cluster("empty", m{}),
			cluster("full", m{"circuit_breakers": m{"thresholds": []any{m{"max_pending_requests": 0}}}}, up),
			cluster("busy", m{"circuit_breakers": m{"thresholds": []any{m{"max_requests": 0}}}}, up),
			cluster("h2", options(m{"http2_protocol_options": m{}}), h2),
		},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// headCases are requests of which each has a target of its own.
func headCases() (out []*Case) {
	add := func(method, target string, plan rawhttp.Plan, body []byte, fields ...string) {
		all := rawhttp.Fields{{Name: "Host", Value: "h.test"}}
		if body != nil {
			all = append(all, rawhttp.Field{Name: "content-length", Value: fmt.Sprint(len(body))})
		}
		for i := 0; i < len(fields); i += 2 {
			all = append(all, rawhttp.Field{Name: fields[i], Value: fields[i+1]})
		}
		out = append(out, &Case{Request: Request{Method: method, Target: target, Fields: all, Body: body}, Plan: plan})
	}
	hello := []byte("hello")
	for _, target := range []string{"/direct", "/redirect", "/dead", "/none", "/missing", "/full", "/busy", "/empty", "/up", "/again", "/h2/length", "/h2/empty", "/h2/trailers", "/h2/error", "/h2/reset"} {
		add("GET", target, rawhttp.Plan{}, nil)
		add("HEAD", target, rawhttp.Plan{}, nil)
		add("PUT", target, rawhttp.Plan{}, hello)
	}
	add("GET", "/again?503", rawhttp.Plan{Status: 503}, nil)
	add("GET", "/twice?503", rawhttp.Plan{Status: 503}, nil)
	for range 4 { // which begin with the one endpoint and with the other in turn
		add("GET", "/mixed", rawhttp.Plan{Status: 503}, nil)
	}
	add("GET", "/up?fields", rawhttp.Plan{Fields: rawhttp.Fields{{Name: "X-A", Value: "  b \t"}, {Name: "Vary", Value: "a"}, {Name: "vary", Value: "b"}, {Name: "x-empty", Value: ""}}}, nil,
		"X-A", " \tb  ", "x-two", "1", "x-two", "2", "Accept", "a", "accept", "b", "x-empty", "", "Cookie", "a=1", "cookie", "b=2")
	add("GET", "/up?trailers", rawhttp.Plan{Chunked: true, Body: hello, Trailers: rawhttp.Fields{{Name: "x-end", Value: "yes"}, {Name: "a", Value: "b"}}}, nil, "te", "trailers")
	raw := func(target, lines string) {
		head := "PUT " + target + " HTTP/1.1\r\nHost: h.test\r\n" + rawhttp.IDHeader + ": @ID\r\ntransfer-encoding: chunked\r\n\r\n"
		out = append(out, &Case{Request: Request{Method: "PUT", Target: target, Raw: []byte(head + lines)}})
	}
	raw("/up?chunked", "5\r\nhello\r\n0\r\n\r\n")
	raw("/up?request-trailers", "5\r\nhello\r\n0\r\nX-End: yes\r\na:b\r\n\r\n")
	raw("/h2/?request-trailers", "5\r\nhello\r\n0\r\nX-End: yes\r\na:b\r\n\r\n")
	add("GET", "/up?204", rawhttp.Plan{Status: 204, Body: []byte{}}, nil)
	add("GET", "/up?304", rawhttp.Plan{Status: 304, Body: []byte{}}, nil)
	add("GET", "/up?closed", rawhttp.Plan{Close: "before"}, nil)
	add("GET", "/up?cut", rawhttp.Plan{Close: "middle"}, nil)
	add("GET", "/up?nonsense", rawhttp.Plan{Raw: []byte("nonsense\r\n\r\n")}, nil)
	add("GET", "/up?interim", rawhttp.Plan{Raw: []byte("HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\nHTTP/1.1 200 OK\r\nx-a:b\r\ncontent-length: 2\r\n\r\nok")}, nil)
	add("GET", "/up?until-close", rawhttp.Plan{Raw: []byte("HTTP/1.0 200 OK\r\nx-a:\tb\r\n\r\nok")}, nil)
	add("GET", "/up?no-body", rawhttp.Plan{Body: []byte{}}, nil)
	add("GET", "/up?grpc", rawhttp.Plan{}, nil, "content-type", "application/grpc")
	add("PUT", "/up?expect", rawhttp.Plan{}, hello, "expect", "100-continue")
	add("PUT", "/direct?expect", rawhttp.Plan{}, hello, "expect", "100-continue")
	add("GET", "/up?codec", rawhttp.Plan{}, nil, "x-a", "\x7f")
	for i, v := range xfccValues {
		add("GET", fmt.Sprintf("/xfcc?%02d", i), rawhttp.Plan{}, nil, "x-xfcc", v)
	}
	return out
}

// xfccValues are values of x-forwarded-client-cert, good and bad.
var xfccValues = []string{
	`By=a;URI=b`, `by=a;uri=b;URI=c`, `By="a;b,c";Uri="d=\"e\"\\"`, `By=a,By=b;URI=c`, `URI=;By=a`, `URI=`, `URI`, `;;URI=a;`, ` URI = a ; By = b `, `URI="a`, `By=a;URI="b,URI=c`,
	`URI=a,By="b`, `URI="a"b`, `URI=a"b"`, `URI=a\"b`, `URI=a\\b`, `URI="\a"`, `URI=""`, `URI="\\"`, `URI="\\\""`, `Subject="/C=US/CN=x=y";URI=a=b`, `=a;URI=b`, `,URI=a`, `By=a,,URI=a`,
	`URI=a;By=b,URI=c`, `By=1;Subject=";";By=2`, `URI="a;By=b"`, `URI= "a" `, `"URI"=a`, `URI="`, `URI==a`, `URI="a\"`,
}

// TestHeadBytes compares the sizes of heads and what is told of connections to
// services. Numbers of connections and times are compared by their presence; what
// HPACK makes of a head is the encoder's choice and may differ a little.
func TestHeadBytes(t *testing.T) {
	planes := planesOf(t)
	desk := rawhttp.NewDesk()
	up, err := rawhttp.Listen("up", desk)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(up.Close)
	h2 := serviceHTTP2(t)
	for _, protocol := range []struct {
		name  string
		do    func(*Corner, *Case) (Answer, error)
		http2 bool
	}{{"HTTP1", (*Corner).do, false}, {"HTTP2", (*Corner).doHTTP2, true}} {
		t.Run(protocol.name, func(t *testing.T) {
			var cases []*Case
			for _, c := range headCases() {
				if !protocol.http2 || c.Request.Target != "/up?codec" && c.Request.Raw == nil {
					cases = append(cases, c)
				}
			}
			logs := logsOver(t, planes, headBootstrap(t, up.Port(), h2), desk, cases, protocol.do)
			for i := 1; i < len(logs); i++ {
				theirs, ours := linesByRequest(logs[0]), linesByRequest(logs[i])
				if len(theirs) < 70 {
					t.Fatalf("%d requests in the log of %s", len(theirs), planes[0].name)
				}
				for name, want := range theirs {
					compareHeads(t, name, want, ours[name], protocol.http2)
				}
			}
		})
	}
}

// linesByRequest are the lines of a log by method and target, in any order.
func linesByRequest(lines []map[string]any) map[string][]map[string]string {
	out := map[string][]map[string]string{}
	for _, line := range lines {
		name := fmt.Sprint(line["method"], " ", line["target"])
		out[name] = append(out[name], headShapes(line))
	}
	for _, all := range out {
		slices.SortFunc(all, func(a, b map[string]string) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	}
	return out
}

// headShapes is a line with its numbers of connections and times by their presence.
func headShapes(line map[string]any) map[string]string {
	out := shapes(line)
	for k, v := range out {
		id, number := line[k].(float64)
		switch {
		case v == "null" || v == `""`:
		case strings.Contains(k, "DURATION"):
			out[k] = "<time>"
		case k == "UPSTREAM_CONNECTION_IDS_ATTEMPTED", k == "UPSTREAM_CONNECTION_ID" && number && id > 0:
			out[k] = "<number>"
		case k == "UPSTREAM_CONNECTION_ID":
			out[k] = "0"
		}
	}
	if ids, ok := line["UPSTREAM_CONNECTION_IDS_ATTEMPTED"]; ok && ids != nil && ids != fmt.Sprint(line["UPSTREAM_CONNECTION_ID"]) {
		out["UPSTREAM_CONNECTION_ID"] = "another than that of the attempt"
	}
	return out
}

// hpackSlack is what the bytes of a head may differ by that has another encoder, and
// idSlack where only the number of the request differs, whose digits take five or six
// bits each.
const (
	hpackSlack = 40
	idSlack    = 1
)

// slackOf is what the sizes of heads may differ by.
func slackOf(name, operator string, http2 bool) float64 {
	switch {
	case http2 && operator == "DOWNSTREAM_HEADER_BYTES_SENT", strings.Contains(name, "/h2/") && strings.HasPrefix(operator, "UPSTREAM_HEADER_BYTES"):
		return hpackSlack
	case http2 && operator == "DOWNSTREAM_HEADER_BYTES_RECEIVED":
		return idSlack
	}
	return 0
}

func compareHeads(t *testing.T, name string, theirs, ours []map[string]string, http2 bool) {
	t.Helper()
	if len(theirs) != len(ours) {
		t.Errorf("%s: %d lines, want %d", name, len(ours), len(theirs))
		return
	}
	for i := range theirs {
		want, got := theirs[i], ours[i]
		for k, v := range want {
			var a, b float64
			if json.Unmarshal([]byte(v), &a) != nil || json.Unmarshal([]byte(got[k]), &b) != nil {
				continue
			}
			// Envoy writes the line of a request whose body nobody reads before it has
			// sent anything.
			early := http2 && strings.HasPrefix(name, "PUT ") && a == 0 && strings.HasPrefix(k, "DOWNSTREAM_") && want["UPSTREAM_REMOTE_ADDRESS"] == "null"
			if early || (a > 0) == (b > 0) && math.Abs(a-b) <= slackOf(name, k, http2) {
				got[k] = v
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-envoy +engine):\n%s", name, diff)
		}
	}
}
