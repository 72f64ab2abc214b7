package rawhttp

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func dial(t *testing.T, u *Upstream) *Conn {
	t.Helper()
	c, err := Dial(fmt.Sprintf("127.0.0.1:%d", u.Port()), 2*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func listen(t *testing.T, desk *Desk) *Upstream {
	t.Helper()
	u, err := Listen("api", desk)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(u.Close)
	return u
}

// The client and the upstream must keep what a helpful library would change: the
// case of names, the order of lines, duplicates.
func TestNothingIsRepaired(t *testing.T) {
	desk := NewDesk()
	c := dial(t, listen(t, desk))
	desk.Expect("1", Plan{Status: 299, Fields: Fields{{"X-B", "2"}, {"x-a", "1"}, {"X-B", "3"}}, Body: []byte("ok")})
	resp := c.Do([]byte("PoST /a?b HTTP/1.1\r\nhOsT: h\r\nX-Case-Id: 1\r\nB: 1\r\na:2\r\nB: \r\ncontent-length: 3\r\n\r\nxyz"), "PoST")
	want := Response{
		Line: "HTTP/1.1 299 X", Status: 299, Body: []byte("ok"),
		Fields: Fields{{"content-type", "text/plain"}, {"X-B", "2"}, {"x-a", "1"}, {"X-B", "3"}, {"content-length", "2"}},
	}
	if diff := cmp.Diff(want, resp); diff != "" {
		t.Errorf("response (-want +got):\n%s", diff)
	}
	seen := []Request{{
		Upstream: "api", Method: "PoST", Target: "/a?b", Proto: "HTTP/1.1", Body: []byte("xyz"),
		Fields: Fields{{"hOsT", "h"}, {"B", "1"}, {"a", "2"}, {"B", ""}, {"content-length", "3"}},
	}}
	if diff := cmp.Diff(seen, desk.Take("1")); diff != "" {
		t.Errorf("upstream received (-want +got):\n%s", diff)
	}
	if got := desk.Take("1"); got != nil {
		t.Errorf("taken twice: %v", got)
	}
}

func TestPlans(t *testing.T) {
	for _, tt := range []struct {
		name   string
		plan   Plan
		method string
		want   Response // without Fields
	}{
		{"default", Plan{}, "GET", Response{Status: 200, Body: []byte(DefaultBody)}},
		{"head", Plan{}, "HEAD", Response{Status: 200}},
		{"no content", Plan{Status: 204}, "GET", Response{Status: 204}},
		{"chunked", Plan{Chunked: true, Trailers: Fields{{"t", "1"}}}, "GET", Response{Status: 200, Body: []byte(DefaultBody), Trailers: Fields{{"t", "1"}}}},
		{"closes before", Plan{Close: "before"}, "GET", Response{End: "eof"}},
		{"closes in the middle", Plan{Close: "middle", Body: []byte("12345678")}, "GET", Response{Status: 200, Body: []byte("1234"), End: "eof"}},
		{"raw without length", Plan{Raw: []byte("HTTP/1.1 200 OK\r\n\r\nall")}, "GET", Response{Status: 200, Body: []byte("all")}},
		{"garbage", Plan{Raw: []byte("what\r\n")}, "GET", Response{End: "bad answer"}},
		{"informational first", Plan{Raw: []byte("HTTP/1.1 103 E\r\n\r\nHTTP/1.1 200 OK\r\n\r\n")}, "GET", Response{Status: 200, Informational: []int{103}, Body: []byte{}}},
		{"fails first", Plan{FailFirst: 1, FailStatus: 503, Body: []byte("x")}, "GET", Response{Status: 503, Body: []byte("x")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			desk := NewDesk()
			desk.Expect("p", tt.plan)
			got := dial(t, listen(t, desk)).Do([]byte(tt.method+" / HTTP/1.1\r\nx-case-id: p\r\n\r\n"), tt.method)
			got.Line, got.Fields = "", nil
			if diff := cmp.Diff(tt.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestTimeout(t *testing.T) {
	desk := NewDesk()
	desk.Expect("p", Plan{Sleep: 300 * time.Millisecond})
	c := dial(t, listen(t, desk))
	c.Timeout = 50 * time.Millisecond
	if got := c.Do([]byte("GET / HTTP/1.1\r\nx-case-id: p\r\n\r\n"), "GET"); got.End != "timeout" {
		t.Errorf("End = %q, want timeout", got.End)
	}
}
