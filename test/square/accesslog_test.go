package square

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crossgate/crossgate/test/envoy"
	"github.com/crossgate/crossgate/test/rawhttp"
)

// TestGuideAccessLog: the guide's EnvoyFilter, unchanged, gives the lines of the
// engine's access log that the real Envoy writes for the same requests.
func TestGuideAccessLog(t *testing.T) {
	planes := planesOf(t)
	data, err := os.ReadFile(filepath.Join(envoy.Root(), "test", "scripts", "guide", "16-cors-access-logging.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := ParseScript(data)
	if err != nil {
		t.Fatal(err)
	}
	desk := rawhttp.NewDesk()
	logs := logsOf(t, planes, bootstrapOf(t, s, desk, profileIstio), desk, s.Cases())
	for _, line := range logs[0] {
		for _, field := range []string{"timestamp", "method", "path", "origin", "response_code", "cors_allow_origin", "cors_allow_methods"} {
			if _, ok := line[field]; !ok {
				t.Errorf("no field %s in %v", field, line)
			}
		}
	}
	compareLogs(t, planes, logs)
}

// logsOf sends the requests to every corner and returns the objects of its log on
// standard output, which end with the process.
func logsOf(t *testing.T, planes []plane, bootstrap []byte, desk *rawhttp.Desk, cases []*Case) [][]map[string]any {
	t.Helper()
	return logsOver(t, planes, bootstrap, desk, cases, (*Corner).do)
}

// logsOver is logsOf with another way to send the requests.
func logsOver(t *testing.T, planes []plane, bootstrap []byte, desk *rawhttp.Desk, cases []*Case, do func(*Corner, *Case) (Answer, error)) [][]map[string]any {
	t.Helper()
	corners, err := start(planes, t.TempDir(), bootstrap, desk)
	if err != nil {
		t.Fatal(err)
	}
	for _, corner := range corners {
		for _, c := range cases {
			if _, err := do(corner, c); err != nil {
				t.Errorf("requests:%d: %s: %v", c.Line, corner.Name, err)
			}
		}
	}
	if err := stop(corners); err != nil {
		t.Error(err)
	}
	out := make([][]map[string]any, len(corners))
	for i, corner := range corners {
		for line := range strings.Lines(corner.proc.Output()) {
			if !strings.HasPrefix(line, "{") {
				continue
			}
			var object map[string]any
			if err := json.Unmarshal([]byte(line), &object); err != nil {
				t.Fatalf("%s: %v in %s", corner.Name, err, line)
			}
			out[i] = append(out[i], object)
		}
		if len(out[i]) == 0 {
			t.Fatalf("%s: no line for %d requests:\n%s", corner.Name, len(cases), corner.proc.Output())
		}
	}
	return out
}

// compareLogs compares the fields of the lines; what changes from run to run by its
// shape. A line is written when the answer is out, so that the order of lines is
// not that of requests.
func compareLogs(t *testing.T, planes []plane, logs [][]map[string]any) {
	t.Helper()
	all := make([][]map[string]string, len(logs))
	for i, lines := range logs {
		for _, line := range lines {
			all[i] = append(all[i], shapes(line))
		}
		slices.SortFunc(all[i], func(a, b map[string]string) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	}
	for i := 1; i < len(all); i++ {
		if diff := cmp.Diff(all[0], all[i]); diff != "" {
			t.Errorf("(-%s +%s):\n%s", planes[0].name, planes[i].name, diff)
		}
	}
}

// timing are the operators whose numbers differ from run to run.
var timing = regexp.MustCompile(`DURATION|CONNECTION_ID|_PORT%?$|CX_RTT`)

var volatile = []struct {
	shape *regexp.Regexp
	as    string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}`), "<time>"},
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`), "<uuid>"},
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "127.0.0.1:<port>"},
	{regexp.MustCompile(`^\d{10}$`), "<seconds>"},
	{regexp.MustCompile(`^\d{9}$`), "<nanoseconds>"},
}

func shapes(line map[string]any) map[string]string {
	out := make(map[string]string)
	for k, v := range line {
		text, err := json.Marshal(v)
		if err != nil {
			text = []byte(err.Error())
		}
		out[k] = string(text)
		switch v := v.(type) {
		case string:
			if strings.Contains(k, "CONNECTION_IDS_ATTEMPTED") && v != "" {
				v = "<numbers>"
			}
			for _, x := range volatile {
				v = x.shape.ReplaceAllString(v, x.as)
			}
			out[k] = fmt.Sprintf("%q", v)
		case float64:
			if timing.MatchString(k) {
				out[k] = "<number>"
			}
		}
	}
	return out
}

// TestAccessLogOperators compares every operator of Envoy 1.40 that is run here,
// in the fields of a JSON format and between others in a text, for requests that
// are proxied, answered by the proxy, and go wrong.
func TestAccessLogOperators(t *testing.T) {
	planes := planesOf(t)
	desk := rawhttp.NewDesk()
	up, err := rawhttp.Listen("up", desk)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(up.Close)
	for _, omit := range []bool{false, true} {
		t.Run(fmt.Sprintf("omit_empty_values=%v", omit), func(t *testing.T) {
			compareLogs(t, planes, logsOf(t, planes, logBootstrap(t, up.Port(), operatorLog(omit)), desk, logCases()))
		})
	}
}

// TestWireBytes compares the bytes that requests and answers have on the wire,
// which Istio's metrics of sizes are, over HTTP/1.1 and HTTP/2: those of requests to
// the byte. How an answer of HTTP/2 writes its head is the encoder's choice, and how
// much goes into one chunk or frame depends on when it comes, so that these may
// differ a little. Bodies of HTTP/2 that nobody reads are left out: Envoy logs such a
// request before it has sent anything, with 0 bytes.
func TestWireBytes(t *testing.T) {
	planes := planesOf(t)
	desk := rawhttp.NewDesk()
	up, err := rawhttp.Listen("up", desk)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(up.Close)
	for _, protocol := range []struct {
		name string
		do   func(*Corner, *Case) (Answer, error)
		head float64 // what the sizes of answers may differ by
		// What those of requests may: HPACK writes the test's numbers of requests
		// in five or six bits a digit.
		number float64
	}{{"HTTP1", (*Corner).do, 0, 0}, {"HTTP2", (*Corner).doHTTP2, 32, 1}} {
		t.Run(protocol.name, func(t *testing.T) {
			theirs, ours := byTarget(t, planes, up, desk, protocol.do)
			for target, want := range theirs {
				slack := protocol.head
				if strings.HasSuffix(target, "chunked") {
					slack += 128
				}
				if protocol.head > 0 && strings.HasSuffix(target, "unread") {
					continue
				}
				got := ours[target]
				if strings.HasPrefix(target, "/up") && (want.fromService < 50 || want.toService < 50) {
					t.Errorf("%s: %+v of %s", target, want, planes[0].name)
				}
				if want.fromService != got.fromService || want.toService != got.toService {
					t.Errorf("%s: %+v, want %+v with the service", target, got, want)
				}
				if math.Abs(want.received-got.received) > protocol.number || math.Abs(want.sent-got.sent) > slack {
					t.Errorf("%s: %+v, want %+v (the sent within %v)", target, got, want, slack)
				}
			}
			if len(theirs) != len(ours) || len(theirs) < 20 {
				t.Errorf("%d lines of %s, %d of %s", len(theirs), planes[0].name, len(ours), planes[1].name)
			}
		})
	}
}

// wireBytes are those of one request.
type wireBytes struct{ received, sent, fromService, toService float64 }

// byTarget sends requests of many sizes, each to a target of its own, and returns
// what the first two planes log of them.
func byTarget(t *testing.T, planes []plane, up *rawhttp.Upstream, desk *rawhttp.Desk, do func(*Corner, *Case) (Answer, error)) (theirs, ours map[string]wireBytes) {
	t.Helper()
	var cases []*Case
	add := func(method, target string, body []byte, plan rawhttp.Plan) {
		fields := rawhttp.Fields{{Name: "Host", Value: "h.test"}}
		if body != nil {
			fields = append(fields, rawhttp.Field{Name: "content-length", Value: fmt.Sprint(len(body))})
		}
		cases = append(cases, &Case{Request: Request{Method: method, Target: target, Fields: fields, Body: body}, Plan: plan})
	}
	for _, target := range []string{"/direct", "/redirect", "/dead", "/none", "/missing"} {
		add("GET", target, nil, rawhttp.Plan{})
		add("POST", target+"?unread", []byte("hello"), rawhttp.Plan{})
	}
	for _, size := range []int{0, 100} { // three attempts, of which all count
		body := []byte(strings.Repeat("x", size))
		add("GET", fmt.Sprintf("/again?%d", size), nil, rawhttp.Plan{Status: 503, Body: body})
		add("PUT", fmt.Sprintf("/again?%d-up", size), body, rawhttp.Plan{Status: 503})
	}
	for _, size := range []int{0, 1, 100, 5000, 40000} {
		body := []byte(strings.Repeat("x", size))
		add("PUT", fmt.Sprintf("/up?%d-up", size), body, rawhttp.Plan{})
		add("GET", fmt.Sprintf("/up?%d-down", size), nil, rawhttp.Plan{Body: body})
		add("GET", fmt.Sprintf("/up?%d-chunked", size), nil, rawhttp.Plan{Body: body, Chunked: true})
		add("HEAD", fmt.Sprintf("/up?%d-head", size), nil, rawhttp.Plan{Body: body})
	}
	logs := logsOver(t, planes, logBootstrap(t, up.Port(), wireLog()), desk, cases, do)
	out := [2]map[string]wireBytes{{}, {}}
	for i := range out {
		for _, line := range logs[i] {
			received, _ := line["received"].(float64)
			sent, _ := line["sent"].(float64)
			from, _ := line["from service"].(float64)
			to, _ := line["to service"].(float64)
			out[i][fmt.Sprint(line["target"])] = wireBytes{received, sent, from, to}
		}
	}
	return out[0], out[1]
}

func wireLog() []any {
	type m = map[string]any
	return []any{m{"name": "json", "typed_config": m{
		"@type": "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
		"log_format": m{"json_format": m{
			"target": "%REQ(:path)%", "code": "%RESPONSE_CODE%", "received": "%DOWNSTREAM_WIRE_BYTES_RECEIVED%", "sent": "%DOWNSTREAM_WIRE_BYTES_SENT%",
			"from service": "%UPSTREAM_WIRE_BYTES_RECEIVED%", "to service": "%UPSTREAM_WIRE_BYTES_SENT%",
		}},
	}}}
}

func logCases() (out []*Case) {
	for _, c := range logRequests {
		out = append(out, &Case{Request: Request{Method: c.method, Target: c.target, Fields: c.fields, Body: c.body}})
	}
	return out
}

// logFilters are filters of access logs, each with a log of its own.
var logFilters = map[string]string{
	"none":         ``,
	"status-ge":    `{"status_code_filter": {"comparison": {"op": "GE", "value": {"default_value": 400, "runtime_key": "k"}}}}`,
	"status-eq":    `{"status_code_filter": {"comparison": {"value": {"default_value": 201, "runtime_key": "k"}}}}`,
	"status-le":    `{"status_code_filter": {"comparison": {"op": "LE", "value": {"default_value": 301, "runtime_key": "k"}}}}`,
	"status-ne":    `{"status_code_filter": {"comparison": {"op": "NE", "value": {"default_value": 200, "runtime_key": "k"}}}}`,
	"duration":     `{"duration_filter": {"comparison": {"op": "GE", "value": {"default_value": 60000, "runtime_key": "k"}}}}`,
	"no-health":    `{"not_health_check_filter": {}}`,
	"header":       `{"header_filter": {"header": {"name": "x-a", "present_match": true}}}`,
	"header-path":  `{"header_filter": {"header": {"name": ":path", "string_match": {"prefix": "/d"}}}}`,
	"flags":        `{"response_flag_filter": {"flags": ["NR", "UF"]}}`,
	"any-flag":     `{"response_flag_filter": {}}`,
	"grpc":         `{"grpc_status_filter": {"statuses": ["UNKNOWN", "UNAVAILABLE"]}}`,
	"grpc-ok":      `{"grpc_status_filter": {"statuses": ["OK"]}}`,
	"grpc-not":     `{"grpc_status_filter": {"statuses": ["UNAVAILABLE"], "exclude": true}}`,
	"type":         `{"log_type_filter": {"types": ["DownstreamEnd"]}}`,
	"type-other":   `{"log_type_filter": {"types": ["TcpUpstreamConnected"]}}`,
	"type-exclude": `{"log_type_filter": {"types": ["DownstreamEnd"], "exclude": true}}`,
	"all":          `{"runtime_filter": {"runtime_key": "k", "percent_sampled": {"numerator": 100}}}`,
	"nothing":      `{"runtime_filter": {"runtime_key": "k"}}`,
	"and":          `{"and_filter": {"filters": [{"header_filter": {"header": {"name": "x-a"}}}, {"status_code_filter": {"comparison": {"op": "GE", "value": {"default_value": 404, "runtime_key": "k"}}}}]}}`,
	"or":           `{"or_filter": {"filters": [{"response_flag_filter": {"flags": ["NC"]}}, {"status_code_filter": {"comparison": {"value": {"default_value": 301, "runtime_key": "k"}}}}]}}`,
}

// TestAccessLogFilters compares which requests have lines, for every filter, and
// what the older fields for formats write.
func TestAccessLogFilters(t *testing.T) {
	planes := planesOf(t)
	desk := rawhttp.NewDesk()
	up, err := rawhttp.Listen("up", desk)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(up.Close)
	type m = map[string]any
	file := func(format m) m {
		format["@type"], format["path"] = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog", "/dev/stdout"
		return format
	}
	logs := []any{
		m{"name": "old", "typed_config": file(m{"format": "{\"old\": \"%REQ(:PATH)% %REQ(x-no)%\"}\n"})},
		m{"name": "old-json", "typed_config": file(m{"json_format": m{"code": "%RESPONSE_CODE%", "path": "%REQ(:PATH)%", "no": "%REQ(x-no)%"}})},
		m{"name": "typed-json", "typed_config": file(m{"typed_json_format": m{"typed": "%RESPONSE_CODE%", "path": "%REQ(:PATH)%", "n": m{"a": 1}}})},
		m{"name": "bytes", "typed_config": file(m{"log_format": m{"text_format_source": m{"inline_bytes": []byte("{\"bytes\": \"%REQ(:PATH)%\"}\n")}}})},
		m{"name": "variable", "typed_config": file(m{"log_format": m{"omit_empty_values": true, "text_format": "{\"text\": \"%REQ(:PATH)% %REQ(x-no)%\"}\n"}})},
	}
	for name, filter := range logFilters {
		l := m{"name": name, "typed_config": file(m{"log_format": m{"json_format": m{"filter": name, "path": "%REQ(:PATH)%"}}})}
		if filter != "" {
			l["filter"] = json.RawMessage(filter)
		}
		logs = append(logs, l)
	}
	compareLogs(t, planes, logsOf(t, planes, logBootstrap(t, up.Port(), logs), desk, logCases()))
}

var logRequests = []struct {
	method, target string
	fields         rawhttp.Fields
	body           []byte
}{
	{"GET", "/up?q=1&d=a%20b&e=", rawhttp.Fields{{Name: "Host", Value: "h.test"}, {Name: "x-a", Value: "abcdef"}, {Name: "x-two", Value: "1"}, {Name: "x-two", Value: "2"}}, nil},
	{"POST", "/up", rawhttp.Fields{{Name: "Host", Value: "h.test"}, {Name: "content-length", Value: "5"}}, []byte("hello")},
	{"GET", "/up", rawhttp.Fields{{Name: "Host", Value: "h.test"}, {Name: "content-type", Value: "application/grpc"}}, nil},
	{"GET", "/direct", rawhttp.Fields{{Name: "Host", Value: "h.test"}}, nil},
	{"GET", "/redirect", rawhttp.Fields{{Name: "Host", Value: "h.test"}}, nil},
	{"GET", "/dead", rawhttp.Fields{{Name: "Host", Value: "h.test"}}, nil},
	{"GET", "/none", rawhttp.Fields{{Name: "Host", Value: "h.test"}}, nil},
	{"GET", "/codec", rawhttp.Fields{{Name: "Host", Value: "h.test"}, {Name: "x-a", Value: "\x7f"}}, nil},
	{"GET", "/missing", rawhttp.Fields{{Name: "Host", Value: "h.test"}, {Name: "x-a", Value: "a\"b\\c\x80 é\xc3"}}, nil},
}

// logOperators are formats of which each is a field of the log.
var logOperators = strings.Fields(`
%ACCESS_LOG_TYPE% %PROTOCOL% %RESPONSE_CODE% %RESPONSE_CODE_DETAILS% %RESPONSE_CODE_DETAILS(ALLOW_WHITESPACES)% %RESPONSE_FLAGS% %RESPONSE_FLAGS_LONG%
%BYTES_RECEIVED% %BYTES_SENT% %DOWNSTREAM_WIRE_BYTES_RECEIVED% %DOWNSTREAM_WIRE_BYTES_SENT% %UPSTREAM_WIRE_BYTES_RECEIVED% %UPSTREAM_WIRE_BYTES_SENT% %BYTES_RETRANSMITTED% %DURATION% %REQUEST_DURATION% %REQUEST_TX_DURATION% %RESPONSE_DURATION% %RESPONSE_TX_DURATION%
%ROUNDTRIP_DURATION% %UPSTREAM_REQUEST_ATTEMPT_COUNT% %ROUTE_NAME% %LISTENER_NAME% %FILTER_CHAIN_NAME% %UPSTREAM_CLUSTER% %UPSTREAM_CLUSTER_RAW%
%UPSTREAM_PROTOCOL% %UPSTREAM_HOST% %UPSTREAM_HOST_NAME% %UPSTREAM_HOST_NAME_WITHOUT_PORT% %UPSTREAM_REMOTE_ADDRESS%
%UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(16)% %UPSTREAM_REMOTE_PORT% %UPSTREAM_LOCAL_ADDRESS%
%UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT% %UPSTREAM_LOCAL_PORT% %UPSTREAM_TRANSPORT_FAILURE_REASON% %CONNECTION_TERMINATION_DETAILS%
%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(8)% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(x)%
%DOWNSTREAM_REMOTE_PORT% %DOWNSTREAM_DIRECT_REMOTE_ADDRESS% %DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_DIRECT_REMOTE_PORT%
%DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_LOCAL_PORT% %DOWNSTREAM_DIRECT_LOCAL_ADDRESS%
%DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT(24)% %DOWNSTREAM_DIRECT_LOCAL_PORT% %DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID% %DOWNSTREAM_DIRECT_LOCAL_ADDRESS_ENDPOINT_ID%
%DOWNSTREAM_LOCAL_CLOSE_REASON% %DOWNSTREAM_TRANSPORT_FAILURE_REASON% %CUSTOM_FLAGS% %LOCAL_REPLY_BODY% %REQUESTED_SERVER_NAME% %CONNECTION_ID%
%STREAM_ID% %UNIQUE_ID% %HOSTNAME% %GRPC_STATUS% %GRPC_STATUS(CAMEL_STRING)% %GRPC_STATUS(SNAKE_STRING)% %GRPC_STATUS(NUMBER)% %GRPC_STATUS_NUMBER%
%TRACE_ID% %SPAN_ID% %VIRTUAL_CLUSTER_NAME% %DOWNSTREAM_TLS_VERSION% %DOWNSTREAM_TLS_CIPHER% %TLS_JA3_FINGERPRINT% %TLS_JA4_FINGERPRINT%
%REQ(x-a):3% %REQ(x-no?x-a)% %REQ(x-no)% %REQ(?x-a)% %REQ(x-a?)% %REQ(:PATH)% %REQ(:METHOD)% %REQ(:AUTHORITY)% %REQ(:SCHEME)% %REQ(x-two)% %REQ(x-a):0% %REQ(x-a):999999999999%
%REQUEST_HEADER(x-a)% %RESP(content-type)% %RESP(:status)% %RESP(content-length)% %RESP(x-no?server)% %RESPONSE_HEADER(server)% %TRAILER(a)% %RESPONSE_TRAILER(a)%
%PATH% %PATH:3% %PATH(WQ)% %PATH(NQ)% %PATH(NQ:ORIG)% %PATH(NQ:PATH)% %PATH(WQ:ORIG_OR_PATH):4%
%QUERY_PARAM(q)% %QUERY_PARAM(Q)% %QUERY_PARAM(e)% %QUERY_PARAM(d):2% %QUERY_PARAM(d)% %QUERY_PARAM(no)% %QUERY_PARAMS% %QUERY_PARAMS(ORIG)% %QUERY_PARAMS(DECODED)% %QUERY_PARAMS:3%
%COMMON_DURATION(DS_RX_BEG:DS_RX_END:ms)% %COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)% %COMMON_DURATION(US_RX_BEG:US_RX_END:ns)% %COMMON_DURATION(nope:DS_RX_END:ms)% %COMMON_DURATION(US_TX_BEG:US_TX_END)%
%DYNAMIC_METADATA(a)% %DYNAMIC_METADATA(a:b):3% %CLUSTER_METADATA(a:b)% %UPSTREAM_METADATA(a:b)% %FILTER_STATE(x)% %FILTER_STATE(x:PLAIN)% %UPSTREAM_FILTER_STATE(x)%
%METADATA(ROUTE:crossgate:reason)% %METADATA(ROUTE:crossgate:reason):3% %METADATA(ROUTE:crossgate:no)% %METADATA(ROUTE:crossgate)% %METADATA(ROUTE:crossgate):9% %METADATA(ROUTE:no)% %METADATA(ROUTE)%
%METADATA(ROUTE:crossgate:n)% %METADATA(ROUTE:crossgate:n):1% %METADATA(ROUTE:crossgate:big)% %METADATA(ROUTE:crossgate:small)% %METADATA(ROUTE:crossgate:huge)% %METADATA(ROUTE:crossgate:long)% %METADATA(ROUTE:crossgate:minus)% %METADATA(ROUTE:crossgate:zero)%
%METADATA(ROUTE:crossgate:yes)% %METADATA(ROUTE:crossgate:null)% %METADATA(ROUTE:crossgate:empty)% %METADATA(ROUTE:crossgate:list)% %METADATA(ROUTE:crossgate:deep)% %METADATA(ROUTE:crossgate:deep:a)% %METADATA(ROUTE:crossgate:deep:a:b)%
%METADATA(ROUTE:crossgate:reason:x)% %METADATA(ROUTE:crossgate:quoted)% %METADATA(ROUTE:crossgate:none)% x%METADATA(ROUTE:crossgate:quoted)% x%METADATA(ROUTE:crossgate:list)% x%METADATA(ROUTE:crossgate:big):4% x%METADATA(ROUTE:crossgate:null)%
%METADATA(VIRTUAL_HOST:m:k)% %METADATA(CLUSTER:m:k)% %METADATA(UPSTREAM_HOST:m:k)% %METADATA(LISTENER:m:k)% %METADATA(DYNAMIC:m:k)% %METADATA(CLUSTER:m)% %CLUSTER_METADATA(m:k)% %UPSTREAM_METADATA(m)% %UPSTREAM_METADATA(m:k)%
%REQUEST_HEADERS_BYTES% %RESPONSE_HEADERS_BYTES% %RESPONSE_TRAILERS_BYTES% %DOWNSTREAM_HEADER_BYTES_RECEIVED% %DOWNSTREAM_HEADER_BYTES_SENT%
%DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED% %DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_SENT% %UPSTREAM_HEADER_BYTES_RECEIVED% %UPSTREAM_HEADER_BYTES_SENT%
%UPSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED% %UPSTREAM_DECOMPRESSED_HEADER_BYTES_SENT% %UPSTREAM_CONNECTION_ID% %UPSTREAM_CONNECTION_IDS_ATTEMPTED%
%UPSTREAM_HOSTS_ATTEMPTED% %UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT% %UPSTREAM_HOST_NAMES_ATTEMPTED% %UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT%
%UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID% %UPSTREAM_DETECTED_CLOSE_TYPE% %DOWNSTREAM_DETECTED_CLOSE_TYPE% %UPSTREAM_LOCAL_CLOSE_REASON% %UPSTREAM_CONNECTION_POOL_READY_DURATION%
%DOWNSTREAM_HANDSHAKE_DURATION% %DOWNSTREAM_TLS_GROUP% %UPSTREAM_TLS_GROUP% %DOWNSTREAM_PEER_OTHERNAME_SAN% %DOWNSTREAM_LOCAL_OTHERNAME_SAN% %UPSTREAM_LOCAL_IP_SAN%
%DOWNSTREAM_PEER_ISSUER_FINGERPRINT_256% %DOWNSTREAM_PEER_ISSUER_SERIAL% %STREAM_INFO_REQ(:path)% %STREAM_INFO_REQ(x-no?x-a):3% %STREAM_INFO_REQ(x-no)%
%XFCC_VALUE(by)% %XFCC_VALUE(Uri)% %COMMON_DURATION(US_CX_BEG:US_CX_END:ms)% %COMMON_DURATION(US_CX_BEG:US_HS_END:ms)% %COMMON_DURATION(DS_RX_BEG:DS_TX_BEG:ms)%
%COMMON_DURATION(DS_RX_BEG:US_RX_BODY_BEG:ms)% %ENVIRONMENT(HOME)% %ENVIRONMENT(NOPE_X):2% %ENVIRONMENT(HOME):2% %START_TIME% %START_TIME(%s)% %START_TIME(%Y)% %START_TIME(%f)% %START_TIME_LOCAL% %START_TIME_LOCAL(%Y/%m)%
%EMIT_TIME% %EMIT_TIME(%s)% %EMIT_TIME_LOCAL% x%RESPONSE_CODE% %RESPONSE_CODE%%RESPONSE_CODE% %PROTOCOL%-%REQ(x-no)% %% %%PROTOCOL%% 100%%
`)

// coalesced are more of them, which have blanks.
var coalesced = []string{
	`%COALESCE({"operators": [{"command": "REQ", "param": "x-no"}, {"command": "REQ", "param": "x-a", "max_length": 2}, "PROTOCOL"]})%`,
	`%COALESCE({"operators": [{"command": "REQ", "param": "x-no"}, "RESPONSE_CODE"]})%`,
	`x%COALESCE({"operators": [{"command": "REQ", "param": "x-no"}, "RESPONSE_CODE"]})%`,
	`%COALESCE({"operators": [{"command": "REQ", "param": "x-no"}]})%`,
	`x%COALESCE({"operators": [{"command": "REQ", "param": "x-no"}]})%`,
	`%COALESCE({"operators": ["CUSTOM_FLAGS", "RESPONSE_FLAGS"]})%`,
	`%COALESCE({"operators": ["UPSTREAM_CLUSTER", "ROUTE_NAME", {"command": "METADATA", "param": "ROUTE:crossgate:list"}]}):3%`,
	`%COALESCE({"operators": [{"command": "METADATA", "param": "ROUTE:crossgate:empty"}, {"command": "METADATA", "param": "ROUTE:crossgate:list", "max_length": 4}, "PROTOCOL"]}):3%`,
	`x%COALESCE({"operators": [{"command": "METADATA", "param": "ROUTE:crossgate:empty"}, {"command": "METADATA", "param": "ROUTE:crossgate:list", "max_length": 4}, "PROTOCOL"]}):3%`,
	`x%COALESCE({"operators": [{"command": "METADATA", "param": "ROUTE:crossgate:reason", "max_length": 4}, "PROTOCOL"]})%`,
	`%COALESCE({"operators": [{"command": "METADATA", "param": "ROUTE:crossgate:reason", "max_length": 4}, "PROTOCOL"]})%`,
	`%COALESCE({"operators": [{"command": "ENVIRONMENT", "param": "NOPE_X"}, "PROTOCOL"]})%`,
	`%COALESCE({"operators": [{"command": "COALESCE", "param": "{\"operators\": [\"UPSTREAM_CLUSTER\"]}"}, "PROTOCOL"]})%`,
	`%COALESCE({"operators": ["PROTOCOL"], "other": 1})%`,
}

// operatorLog is a log with a field for each of the operators, and nested values.
func operatorLog(omit bool) []any {
	fields := map[string]any{
		"nested": map[string]any{"code": "%RESPONSE_CODE%", "none": "%REQ(x-no)%", "list": []any{"%PROTOCOL%", 1, 1.5, true, nil, "%REQ(x-no)%"}},
		"only":   map[string]any{"none": "%REQ(x-no)%"}, "nolist": []any{"%REQ(x-no)%"}, "number": 7, "null": nil, "text": "é\"\\\t",
		"numbers": []any{0, -0.5, 1000000, 123456789, 0.00001, 1e-7, 1e21, 1e22, 1.5e300, 0.1, 100000, 12345678901234567890.0},
	}
	for _, f := range slices.Concat(logOperators, coalesced) {
		fields[f] = f
	}
	type m = map[string]any
	return []any{m{"name": "json", "typed_config": m{
		"@type": "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
		"log_format": m{"json_format": fields, "omit_empty_values": omit, "formatters": []any{
			m{"name": "envoy.formatter.metadata", "typed_config": m{"@type": "type.googleapis.com/envoy.extensions.formatter.metadata.v3.Metadata"}},
		}},
	}}}
}

// logBootstrap is a bootstrap with routes for the requests and the logs.
func logBootstrap(t *testing.T, up int, logs []any) []byte {
	t.Helper()
	type m = map[string]any
	metadata := func(of string) m { return m{"filter_metadata": m{"m": m{"k": of, "n": 1}}} }
	crossgate := m{"filter_metadata": m{"none": m{}, "crossgate": m{
		"reason": "deny-origin", "n": 17, "big": 123456789, "small": 0.00001, "huge": 1e21, "long": 0.1, "minus": -1000000.5, "zero": 0, "yes": true, "null": nil, "empty": "",
		"list": []any{1, "two", nil, []any{}, m{}, 2.5, false}, "deep": m{"a": m{"b": "c"}, "B": 1, "": 2}, "quoted": "é\"\\\t\n\u0001</>",
	}}}
	endpoint := func(name string, port int) m {
		return m{"name": name, "type": "STATIC", "connect_timeout": "1s", "alt_stat_name": "alt-" + name, "metadata": metadata("cluster " + name), "load_assignment": m{"cluster_name": name, "endpoints": []any{
			m{"lb_endpoints": []any{m{"metadata": metadata("host " + name), "endpoint": m{"address": m{"socket_address": m{"address": "127.0.0.1", "port_value": port}}}}}},
		}}}
	}
	manager := m{
		"@type":       "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
		"stat_prefix": "s", "use_remote_address": true,
		"access_log":   logs,
		"http_filters": []any{m{"name": "envoy.filters.http.router", "typed_config": m{"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}},
		"route_config": m{"name": "rc", "validate_clusters": false, "virtual_hosts": []any{m{
			"name": "vh", "domains": []any{"*"}, "metadata": metadata("host"),
			"response_headers_to_remove": []any{"x-envoy-upstream-service-time"}, // whose length depends on the time
			"routes": []any{
				m{"name": "direct", "metadata": crossgate, "match": m{"prefix": "/direct"}, "direct_response": m{"status": 201, "body": m{"inline_string": "hello"}}},
				m{"name": "redirect", "match": m{"prefix": "/redirect"}, "redirect": m{"path_redirect": "/x"}},
				m{"name": "dead", "match": m{"prefix": "/dead"}, "route": m{"cluster": "dead"}},
				m{"match": m{"prefix": "/again"}, "route": m{"cluster": "up", "retry_policy": m{"retry_on": "5xx", "num_retries": 2, "retry_back_off": m{"base_interval": "0.001s"}}}},
				m{"match": m{"prefix": "/none"}, "route": m{"cluster": "nope"}},
				m{"name": "up", "metadata": crossgate, "match": m{"prefix": "/up"}, "route": m{"cluster": "up"}},
			},
		}}},
	}
	text, err := json.Marshal(m{"static_resources": m{
		"listeners": []any{m{"name": "l", "metadata": metadata("listener"), "filter_chains": []any{m{"name": "chain", "filters": []any{m{"name": "hcm", "typed_config": manager}}}}}},
		"clusters":  []any{endpoint("up", up), endpoint("dead", freePort())},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return text
}
