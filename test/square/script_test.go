package square

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/crossgate/crossgate/test/rawhttp"
)

const sample = `Why the script exists.
-- requests --
each request:
Host: a.test
Accept: */*

# Nothing but a comment.

# Shows something.
POST /p?q HTTP
Accept: text/plain
X-A:  two blanks
body: "a\nb"
listener: second
upstream: status 503
upstream: header X-B: 1
upstream: trailer t: 2
upstream: body "no"
upstream: chunked
upstream: sleep 20ms
upstream: close middle
upstream: fail 2 500
=> 200
x: y

raw: "GET / HTTP/1.0\r\nX-Case-Id: @ID\r\n\r\n"
upstream: raw "HTTP/1.1 200 OK\r\n\r\n"
-- vs.yaml --
kind: VirtualService
`

func TestParseScript(t *testing.T) {
	s, err := ParseScript([]byte(sample))
	if err != nil {
		t.Fatal(err)
	}
	want := []*Case{
		{
			Line: 8, Listener: "second", Want: []string{"=> 200", "x: y"},
			Request: Request{
				Method: "POST", Target: "/p?q HTTP", Body: []byte("a\nb"),
				Fields: rawhttp.Fields{{Name: "Host", Value: "a.test"}, {Name: "Accept", Value: "text/plain"}, {Name: "X-A", Value: " two blanks"}},
			},
			Plan: rawhttp.Plan{
				Status: 503, Fields: rawhttp.Fields{{Name: "X-B", Value: "1"}}, Trailers: rawhttp.Fields{{Name: "t", Value: "2"}}, Body: []byte("no"),
				Chunked: true, Sleep: 20 * time.Millisecond, Close: "middle", FailFirst: 2, FailStatus: 500,
			},
		},
		{
			Line:    24,
			Request: Request{Method: "GET", Raw: []byte("GET / HTTP/1.0\r\nX-Case-Id: @ID\r\n\r\n"), Fields: rawhttp.Fields{{Name: "Host", Value: "a.test"}, {Name: "Accept", Value: "*/*"}}},
			Plan:    rawhttp.Plan{Raw: []byte("HTTP/1.1 200 OK\r\n\r\n")},
		},
	}
	if diff := cmp.Diff(want, s.Cases(), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(sample, string(s.Format())); diff != "" {
		t.Errorf("formatted (-want +got):\n%s", diff)
	}
	if got, want := string(s.Cases()[1].Request.Bytes("7")), "GET / HTTP/1.0\r\nX-Case-Id: 7\r\n\r\n"; got != want {
		t.Errorf("raw request %q, want %q", got, want)
	}
}

func TestParseScriptErrors(t *testing.T) {
	for _, tt := range []struct{ requests, want string }{
		{"GET\n", "requests:1: "},
		{"# c\nGET /\nNo colon\n", "requests:3: "},
		{"GET /\nbody: bare\n", "requests:2: "},
		{"GET /\n\nGET /\nupstream: explode\n", "requests:4: "},
		{"GET /\nupstream: close soon\n", "requests:2: "},
		{"each request:\nHost\n", "requests:2: "},
	} {
		_, err := ParseScript([]byte("-- requests --\n" + tt.requests))
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%q: error %v, want it to begin with %q", tt.requests, err, tt.want)
		}
	}
	if _, err := ParseScript([]byte("no files\n")); err == nil {
		t.Error("a script without requests parses")
	}
}

func TestAnswerLines(t *testing.T) {
	a := Answer{
		Response: rawhttp.Response{
			Status: 200, End: "eof", Informational: []int{103}, Body: []byte("x\n"), Trailers: rawhttp.Fields{{Name: "T", Value: "1"}},
			Fields: rawhttp.Fields{{Name: "Date", Value: "now"}, {Name: "x-envoy-upstream-service-time", Value: "3"}, {Name: "empty", Value: ""}},
		},
		Upstream: []rawhttp.Request{{
			Upstream: "api", Method: "GET", Target: "/",
			Fields: rawhttp.Fields{
				{Name: "x-request-id", Value: "0b0e2bb4-6d2c-4b1f-9c0a-1f9d3f1b2c3d"},
				{Name: "x-forwarded-for", Value: "10.0.0.1,192.0.2.2"},
				{Name: "x-envoy-expected-rq-timeout-ms", Value: "15000"},
				{Name: "x-envoy-expected-rq-timeout-ms", Value: "14998"},
				{Name: "x-envoy-expected-rq-timeout-ms", Value: "14900"},
			},
		}},
	}
	want := `=> 200 eof
informational: 103
Date: <date>
x-envoy-upstream-service-time: <ms>
empty:
body: "x\n"
trailer T: 1
upstream api received: GET /
x-request-id: <uuid>
x-forwarded-for: <ip>,<ip>
x-envoy-expected-rq-timeout-ms: 15000
x-envoy-expected-rq-timeout-ms: 15000
x-envoy-expected-rq-timeout-ms: 15000`
	if diff := cmp.Diff(strings.Split(want, "\n"), a.Lines()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	none := Answer{Response: rawhttp.Response{End: "reset"}}
	if diff := cmp.Diff([]string{"=> reset", "upstream: not called"}, none.Lines()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestPlace(t *testing.T) {
	p, err := place([]byte("admin: {address: {socket_address: {address: 0.0.0.0, port_value: 15000}}}\nstatic_resources:\n  listeners: [{name: b}, {name: a, address: {socket_address: {address: 0.0.0.0, port_value: 80}}}]\n  big: 18446744073709551615\n"))
	if err != nil {
		t.Fatal(err)
	}
	if p.first != "b" || len(p.addrs) != 2 || p.addrs["a"] == p.addrs["b"] {
		t.Errorf("placed %q first, at %v", p.first, p.addrs)
	}
	if want := `"big": 18446744073709551615`; !strings.Contains(string(p.text), want) {
		t.Errorf("no %s in\n%s", want, p.text)
	}
	if strings.Contains(string(p.text), "15000") {
		t.Errorf("the admin interface is where it was:\n%s", p.text)
	}
	if strings.Contains(string(p.text), "0.0.0.0") {
		t.Errorf("something listens on all addresses:\n%s", p.text)
	}
}

// A shrunk probe must keep the difference and lose the rest.
func TestShrink(t *testing.T) {
	g := newGenerator(7)
	var p probe
	for p.Site == nil || p.Site.Policies[levelRoute].GetMaxAge() == "" || len(p.Request.Fields) < 3 {
		p = g.probe(g.site(g.policy()))
	}
	got, err := shrink(p, func(candidates []probe) (int, error) {
		for i, c := range candidates {
			if _, ok := c.Request.Fields.Get("origin"); ok && c.Site.Policies[levelRoute].GetMaxAge() != "" {
				return i, nil
			}
		}
		return -1, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	policy := got.Site.Policies[levelRoute]
	if len(got.Request.Fields) != 1 || policy.MaxAge == "" || len(policy.AllowOriginStringMatch) != 0 || policy.AllowMethods != "" || policy.AllowCredentials != nil {
		t.Errorf("not smallest: %v %v", got.Request.Fields, policy)
	}
	if got.Site.Policies[levelHost] != nil || got.Site.Action != actCluster || len(got.Plan.Fields) != 0 {
		t.Errorf("not smallest: %+v %+v", got.Site, got.Plan)
	}
	text, err := got.script("why", []string{"=> 200"})
	if err != nil {
		t.Fatal(err)
	}
	s, err := ParseScript(text)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	if diff := cmp.Diff(got.Request.Fields, s.Cases()[0].Request.Fields.Without("host")); diff != "" {
		t.Errorf("the printed script has another request (-want +got):\n%s", diff)
	}
}
