package format

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/structpb"
)

// request is a Source for tests.
type request struct {
	req, resp, trailers map[string]string
	values              map[Value]string
	metadata            map[string]*structpb.Struct
}

func (r request) RequestHeader(n string) ([]byte, bool) { v, ok := r.req[n]; return []byte(v), ok }
func (r request) ResponseTrailer(n string) ([]byte, bool) {
	v, ok := r.trailers[n]
	return []byte(v), ok
}

func (r request) ResponseHeader(n string) ([]byte, bool) { v, ok := r.resp[n]; return []byte(v), ok }

func (r request) StartTime() time.Time {
	return time.Date(2026, 11, 23, 6, 24, 58, 759_123_456, time.UTC)
}

func (r request) AppendValue(dst []byte, v Value) ([]byte, bool) {
	s, ok := r.values[v]
	return append(dst, s...), ok
}

func (r request) Metadata(of Holder) map[string]*structpb.Struct {
	if of != RouteHolder {
		return nil
	}
	return r.metadata
}

func (r request) Validity(bool) (from, to time.Time, ok bool) { return }

func (r request) AppendSpan(dst []byte, from, to Moment, unit time.Duration) ([]byte, bool) {
	if from == NoMoment || to < from {
		return dst, false
	}
	return append(dst, "7"...), unit == time.Microsecond
}

var example = request{
	req:    map[string]string{"x-b": "value", ":path": "/a?q=1", ":method": "GET", "origin": "https://app.shop.example"},
	resp:   map[string]string{"x-r": "1"},
	values: map[Value]string{ResponseCode: "200", ResponseFlags: "-", Protocol: "HTTP/1.1", BytesSent: "5"},
}

// The header column was read off a real Envoy 1.40.
func TestAppend(t *testing.T) {
	for _, c := range []struct{ format, header, log string }{
		{"%REQ(origin)%", "https://app.shop.example", "https://app.shop.example"},
		{"%REQ(X-A?X-B):3%", "val", "val"},
		{"%REQ(X-NOPE)%", "", "-"},
		{"a-%REQ(X-NOPE)%-b", "a--b", "a---b"},
		{"100%%", "100%", "100%"},
		{"%ENVIRONMENT(CROSSGATE_NOPE)%", "-", "-"},
		{"%START_TIME(%Y)%", "2026", "2026"},
		{"%START_TIME%", "2026-11-23T06:24:58.759Z", "2026-11-23T06:24:58.759Z"},
		{"%START_TIME(%s.%6f)%", "1795415098.759123", "1795415098.759123"},
		{"%REQ_WITHOUT_QUERY(:PATH)%", "/a", "/a"},
		{"%PROTOCOL% %RESPONSE_CODE%", "HTTP/1.1 200", "HTTP/1.1 200"},
		{"%RESP(x-r)%%TRAILER(t)%", "1", "1-"},
		{"%REQ(x-b):0%|%REQ(x-b):99%", "|value", "|value"},
		{"%START_TIME(%3s|%f|%1f|%E3f|%E*S|%Q)%", "1795415098|759123456|7|759|58.759123456|%Q", "1795415098|759123456|7|759|58.759123456|%Q"},
		{"%PATH(NQ)% %PATH(WQ:PATH)% %PATH(NQ:ORIG)%", "/a /a?q=1 ", "/a /a?q=1 -"},
		{"%%PROTOCOL%%", "%PROTOCOL%", "%PROTOCOL%"},
		{"%REQUEST_HEADER(x-b)%%RESPONSE_HEADER(x-r)%", "value1", "value1"},
	} {
		f, err := Parse(c.format)
		if err != nil {
			t.Errorf("%s: %v", c.format, err)
			continue
		}
		if got := string(f.AppendHeader(nil, example)); got != c.header {
			t.Errorf("%s as a header: %q, want %q", c.format, got, c.header)
		}
		if got := string(f.Append(nil, example)); got != c.log {
			t.Errorf("%s in a log: %q, want %q", c.format, got, c.log)
		}
	}
}

func TestParseNamesWhatIsWrong(t *testing.T) {
	for format, want := range map[string]string{
		"ab %NOPE%":              "offset 3: unknown operator %NOPE%",
		"50%":                    "offset 2: a % that begins no operator",
		"%REQ(a%":                "offset 0: %REQ( is not closed",
		"%REQ()%":                "one header",
		"%REQ(a?b?c)%":           "one header",
		"%REQ(a):x%":             "is not a number",
		"%PROTOCOL(x)%":          "takes no argument",
		"%START_TIME(%Y):2%":     "takes no length",
		"%PROTOCOL:3%":           "takes no length",
		"%PATH(X)%":              "neither WQ nor NQ",
		strings.Repeat("x", 1e5): "more than 65536",
	} {
		if _, err := Parse(format); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: error %v, want one with %q", format, err, want)
		}
	}
}

func TestJSONKeepsTypesAndSortsKeys(t *testing.T) {
	s, err := structpb.NewStruct(map[string]any{
		"z": "%REQ(origin)%", "code": "%RESPONSE_CODE%", "miss": "%REQ(nope)%", "mixed": "x%RESPONSE_CODE%\"",
		"flags": "%RESPONSE_FLAGS%", "nested": map[string]any{"a": "%REQ(:METHOD)%"}, "lit": "const", "list": []any{"%PROTOCOL%", 1.0, true},
	})
	if err != nil {
		t.Fatal(err)
	}
	f, err := ParseJSON(s)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"code":200,"flags":"-","list":["HTTP/1.1",1,true],"lit":"const","miss":null,"mixed":"x200\"","nested":{"a":"GET"},"z":"https://app.shop.example"}` + "\n"
	if got := string(f.Append(nil, example)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// FuzzParse: whatever compiles can be appended, and as JSON gives valid JSON.
func FuzzParse(f *testing.F) {
	for _, s := range []string{defaultLog, "%REQ(a?b):3%", "%START_TIME(%E3S)%", "\xff%%\"", "%ENVIRONMENT(HOME)%", "%METADATA(ROUTE:a:b)%", `%COALESCE({"operators":["PROTOCOL",{"command":"REQ","param":"a","max_length":2}]})%`} {
		f.Add(s, "value\xff\"")
	}
	for _, v := range []string{`By=a;URI="b\",\\",URI=c`, `URI="`, `;=,;uri=" "`} {
		f.Add("%XFCC_VALUE(uri)% %XFCC_VALUE(By)%", v)
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		if _, err := Parse(text); err != nil {
			return
		}
		o, err := ParseJSON(&structpb.Struct{Fields: map[string]*structpb.Value{"k": structpb.NewStringValue(text)}})
		if err != nil {
			t.Fatalf("%q compiles as a text, not in JSON: %v", text, err)
		}
		src := request{req: map[string]string{"a": value, "x-forwarded-client-cert": value}, values: map[Value]string{ResponseCode: "200"}}
		if line := o.Append(nil, src); !json.Valid(line) {
			t.Fatalf("%q gives %q", text, line)
		}
	})
}

func TestAppendAllocatesNothing(t *testing.T) {
	f := DefaultLog()
	var src Source = allocFree{}
	buf := make([]byte, 0, 1024)
	if n := testing.AllocsPerRun(100, func() { buf = f.Append(buf[:0], src) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func TestAppendJSONAllocatesNothing(t *testing.T) {
	s, err := structpb.NewStruct(map[string]any{
		"time": "%START_TIME%", "emitted": "%EMIT_TIME(%s)%", "method": "%REQ(:METHOD)%", "code": "%RESPONSE_CODE%", "ms": "%DURATION%",
		"origin": "%REQ(ORIGIN)%", "allowed": "%RESP(ACCESS-CONTROL-ALLOW-ORIGIN)%", "flags": "%RESPONSE_FLAGS%", "q": "%QUERY_PARAM(q)%",
		"tx": "%COMMON_DURATION(DS_RX_BEG:US_TX_END:us)%", "text": "%PROTOCOL% %UPSTREAM_CLUSTER%", "nested": map[string]any{"a": "%HOSTNAME%"},
		"reason": "%METADATA(ROUTE:crossgate:reason)%", "all": "%METADATA(ROUTE:crossgate)%", "n": "%METADATA(ROUTE:crossgate:n)%",
		"cert": "%XFCC_VALUE(uri)%", "hosts": "%UPSTREAM_HOSTS_ATTEMPTED%", "head": "%REQUEST_HEADERS_BYTES%",
		"first": `%COALESCE({"operators": [{"command": "METADATA", "param": "ROUTE:no:k"}, "PROTOCOL"]})%`,
	})
	if err != nil {
		t.Fatal(err)
	}
	f, err := ParseJSON(s)
	if err != nil {
		t.Fatal(err)
	}
	var src Source = allocFree{}
	buf := make([]byte, 0, 1024)
	if n := testing.AllocsPerRun(100, func() { buf = f.Append(buf[:0], src) }); n > 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

type allocFree struct{}

var someValue = []byte("value")

func (allocFree) Validity(bool) (from, to time.Time, ok bool) {
	return time.Unix(1, 0), time.Unix(2, 0), true
}
func (allocFree) Metadata(Holder) map[string]*structpb.Struct { return someMetadata }
func (allocFree) RequestHeader(string) ([]byte, bool)         { return someValue, true }
func (allocFree) ResponseHeader(string) ([]byte, bool)        { return someValue, true }

func (allocFree) ResponseTrailer(string) ([]byte, bool) { return someValue, true }
func (allocFree) AppendSpan(dst []byte, _, _ Moment, _ time.Duration) ([]byte, bool) {
	return append(dst, '1'), true
}
func (allocFree) StartTime() time.Time                           { return time.Unix(1, 0) }
func (allocFree) AppendValue(dst []byte, _ Value) ([]byte, bool) { return append(dst, '1'), true }

var someMetadata = map[string]*structpb.Struct{"crossgate": {Fields: map[string]*structpb.Value{
	"reason": structpb.NewStringValue("deny-origin"), "n": structpb.NewNumberValue(17), "yes": structpb.NewBoolValue(true),
}}}
