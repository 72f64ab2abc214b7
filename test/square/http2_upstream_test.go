package square

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/crossgate/crossgate/test/rawhttp"
)

// serviceHTTP2 is a service that speaks HTTP/2 without TLS; what it answers is
// said by the path.
func serviceHTTP2(t *testing.T) int {
	t.Helper()
	var p http.Protocols
	p.SetUnencryptedHTTP2(true)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Protocols: &p, Handler: http.HandlerFunc(answerHTTP2), ReadHeaderTimeout: time.Minute}
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(func() { _ = srv.Close() })
	return ln.Addr().(*net.TCPAddr).Port
}

func answerHTTP2(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	h := w.Header()
	h.Set("content-type", "text/plain")
	h.Set("x-got", fmt.Sprintf("%s %s %s %s %d %v", r.Proto, r.Method, r.Host, r.URL, len(body), r.Trailer))
	h.Set("x-forwarded", r.Header.Get("x-forwarded-proto"))
	h["Date"] = nil
	switch r.URL.Path {
	case "/empty":
		w.WriteHeader(204)
	case "/trailers":
		h.Set("trailer", "x-end, grpc-status")
		_, _ = io.WriteString(w, "with trailers")
		h.Set("x-end", "yes")
		h.Set("grpc-status", "7")
	case "/length":
		h.Set("content-length", "5")
		_, _ = io.WriteString(w, "12345")
	case "/large":
		_, _ = w.Write([]byte(strings.Repeat("x", 300_000)))
	case "/reset":
		panic(http.ErrAbortHandler)
	case "/error":
		w.WriteHeader(503)
	default:
		_, _ = w.Write(body)
	}
}

const upstreamBootstrap = mainListener + `          route_config:
            name: r
            virtual_hosts:
            - name: v
              domains: ["*"]
              response_headers_to_add: [{header: {key: x-details, value: "%%RESPONSE_CODE_DETAILS%% %%RESPONSE_FLAGS%%"}}]
              routes:
              - {match: {prefix: /old}, route: {cluster: old}}
              - {match: {prefix: /error}, route: {cluster: h2, retry_policy: {retry_on: 5xx, num_retries: 1}}}
              - {match: {prefix: /}, route: {cluster: h2}}
  clusters:
  - {name: h2, type: STATIC, connect_timeout: 1s, %[1]s, load_assignment: {cluster_name: h2, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: %[2]d}}}}]}]}}
  - {name: old, type: STATIC, connect_timeout: 1s, %[1]s, load_assignment: {cluster_name: old, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: %[3]d}}}}]}]}}
`

const speaksHTTP2 = `typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {"@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: {http2_protocol_options: {}}}}`

// oldService answers everything with a refusal in HTTP/1.1.
func oldService(t *testing.T) int {
	return rawService(t, func(c net.Conn) {
		_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		time.AfterFunc(100*time.Millisecond, func() { _ = c.Close() })
	})
}

// rawService hands each connection to serve, one after the other, and returns its port.
func rawService(t *testing.T, serve func(net.Conn)) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			serve(c)
		}
	}()
	return ln.Addr().(*net.TCPAddr).Port
}

// TestServicesOverHTTP2 compares what clients of both protocols get from services
// that are spoken to in HTTP/2.
func TestServicesOverHTTP2(t *testing.T) {
	b := newBench(t, planesOf(t))
	text := fmt.Sprintf(upstreamBootstrap, speaksHTTP2, serviceHTTP2(t), oldService(t))
	corners := b.corners(text)
	body := []byte(strings.Repeat("b", 60_000)) // the test client knows no windows
	for _, r := range []Request{
		{Method: "GET", Target: "/"},
		{Method: "POST", Target: "/", Body: []byte("hello")},
		{Method: "POST", Target: "/", Body: body},
		{Method: "PUT", Target: "/", Fields: rawhttp.Fields{{Name: "transfer-encoding", Value: "chunked"}}, Body: []byte("5\r\nhello\r\n0\r\n\r\n")},
		{Method: "POST", Target: "/"},
		{Method: "HEAD", Target: "/length"},
		{Method: "GET", Target: "/length"},
		{Method: "GET", Target: "/empty"},
		{Method: "GET", Target: "/trailers"},
		{Method: "GET", Target: "/large"},
		{Method: "GET", Target: "/reset"},
		{Method: "GET", Target: "/error"},
		{Method: "GET", Target: "/old"},
		{Method: "OPTIONS", Target: "/", Fields: rawhttp.Fields{{Name: "origin", Value: "https://a.example"}, {Name: "access-control-request-method", Value: "PUT"}}},
		{Method: "POST", Target: "/trailers", Fields: rawhttp.Fields{{Name: "content-type", Value: "application/grpc"}, {Name: "te", Value: "trailers"}}, Body: []byte("x")},
		{Method: "POST", Target: "/old", Fields: rawhttp.Fields{{Name: "content-type", Value: "application/grpc"}, {Name: "te", Value: "trailers"}}, Body: []byte("x")},
	} {
		r.Fields = append(rawhttp.Fields{{Name: "Host", Value: "a.test"}}, r.Fields...)
		for _, speaks := range []string{"HTTP/1.1", "HTTP/2"} {
			if _, chunked := r.Fields.Get("transfer-encoding"); chunked && speaks == "HTTP/2" {
				continue
			}
			var answers [][]string
			for _, c := range corners {
				do := c.do
				if speaks == "HTTP/2" {
					do = c.doHTTP2
				}
				a, err := do(&Case{Request: r})
				if err != nil {
					t.Fatal(err)
				}
				answers = append(answers, a.Lines())
			}
			for i, got := range answers[1:] {
				if diff := cmp.Diff(answers[0], got); diff != "" {
					t.Errorf("%s %s %s, %d bytes: (-%s +%s)\n%s", speaks, r.Method, r.Target, len(r.Body), corners[0].Name, corners[i+1].Name, diff)
				}
			}
			t.Logf("%s %s %s: %s", speaks, r.Method, r.Target, answers[0][0])
		}
	}
}
