package devkit

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEchoDescribes(t *testing.T) {
	r := httptest.NewRequest("POST", "/a%2Fb?x=1", strings.NewReader("hello"))
	r.Host = "api.example.com"
	r.Header.Set("X-Request-Id", "7")
	r.Header.Add("Cookie", "a=1")
	r.Header.Add("Cookie", "b=2")
	w := httptest.NewRecorder()
	Echo{}.ServeHTTP(w, r)
	var got echoed
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := echoed{
		Method: "POST", Path: "/a%2Fb", Query: "x=1", Host: "api.example.com", Protocol: "HTTP/1.1", Remote: r.RemoteAddr,
		Headers: map[string][]string{"x-request-id": {"7"}, "cookie": {"a=1", "b=2"}},
		Body:    "hello", BodyBytes: 5,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if ct := w.Header().Get("Content-Type"); ct != "application/json" {
		t.Errorf("content-type %q", ct)
	}
}

func TestEchoBodyLimit(t *testing.T) {
	const n = MaxEchoBody + 10
	w := httptest.NewRecorder()
	Echo{}.ServeHTTP(w, httptest.NewRequest("POST", "/", strings.NewReader(strings.Repeat("x", n))))
	var got echoed
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Body) != MaxEchoBody || got.BodyBytes != n {
		t.Errorf("repeated %d bytes and counted %d, want %d and %d", len(got.Body), got.BodyBytes, MaxEchoBody, n)
	}
}

func TestEchoControls(t *testing.T) {
	tests := []struct {
		query  string
		status int
		check  func(t *testing.T, r *http.Response, body string)
	}{
		{"status=503", 503, nil},
		{"status=204", 204, func(t *testing.T, _ *http.Response, body string) {
			if body != "" {
				t.Errorf("body %q", body)
			}
		}},
		{"size=100000", 200, func(t *testing.T, r *http.Response, body string) {
			if len(body) != 100000 || r.ContentLength != 100000 {
				t.Errorf("%d bytes, length %d", len(body), r.ContentLength)
			}
		}},
		{"size=0", 200, func(t *testing.T, _ *http.Response, body string) {
			if body != "" {
				t.Errorf("body %q", body)
			}
		}},
		{"header=access-control-allow-origin:*&header=x-a:1&header=x-a:%202", 200, func(t *testing.T, r *http.Response, _ string) {
			if diff := cmp.Diff([]string{"1", "2"}, r.Header.Values("x-a")); diff != "" || r.Header.Get("Access-Control-Allow-Origin") != "*" {
				t.Errorf("headers %v", r.Header)
			}
		}},
		{"status=99", 400, nil},
		{"status=600", 400, nil},
		{"status=x", 400, nil},
		{"delay=-1s", 400, nil},
		{"delay=61s", 400, nil},
		{"delay=5", 400, nil},
		{"size=-1", 400, nil},
		{"size=99999999999999", 400, nil},
		{"header=x", 400, nil},
		{"header=x%20y:1", 400, nil},
		{"header=x:a%0d%0ainjected:%201", 400, nil},
	}
	for _, tt := range tests {
		t.Run(tt.query, func(t *testing.T) {
			w := httptest.NewRecorder()
			Echo{}.ServeHTTP(w, httptest.NewRequest("GET", "/?"+tt.query, nil))
			if w.Code != tt.status {
				t.Fatalf("status %d, want %d: %s", w.Code, tt.status, w.Body)
			}
			if tt.check != nil {
				body := w.Body.String()
				tt.check(t, w.Result(), body)
			}
		})
	}
}

func TestEchoServesProtocolsAndDrains(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- Echo{}.Serve(ctx, ln, 5*time.Second, slog.New(slog.DiscardHandler)) }()

	base := "http://" + ln.Addr().String()
	for _, h2 := range []bool{false, true} {
		var p http.Protocols
		p.SetHTTP1(!h2)
		p.SetUnencryptedHTTP2(h2)
		tr := &http.Transport{Protocols: &p}
		resp, err := (&http.Client{Transport: tr}).Get(base + "/x")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		tr.CloseIdleConnections()
		want := `"protocol": "HTTP/1.1"`
		if h2 {
			want = `"protocol": "HTTP/2.0"`
		}
		if err != nil || !strings.Contains(string(body), want) {
			t.Errorf("h2=%v: %v: %s", h2, err, body)
		}
	}

	// A request that is running when the server is told to stop is answered. The
	// 100 Continue tells that the handler has it.
	tr := &http.Transport{ExpectContinueTimeout: time.Minute}
	defer tr.CloseIdleConnections()
	body, send := io.Pipe()
	trace := &httptrace.ClientTrace{Got100Continue: func() {
		cancel()
		send.Close()
	}}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), "POST", base, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Expect", "100-continue")
	resp, err := (&http.Client{Transport: tr}).Do(req)
	if err != nil {
		t.Fatalf("the running request: %v", err)
	}
	resp.Body.Close()
	if err := <-done; err != nil {
		t.Errorf("stop: %v", err)
	}
}
