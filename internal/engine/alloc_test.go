// Under the race detector sync.Pool forgets at random, so the counts mean nothing.
//go:build !race

package engine

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/crossgate/crossgate/internal/harden"
)

const corsRoute = `
              - match: {prefix: /}
                route: {cluster: up, timeout: 15s}
                typed_per_filter_config:
                  envoy.filters.http.cors:
                    "@type": type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy
                    allow_origin_string_match: [{exact: "https://app.shop.example"}, {safe_regex: {regex: "https://.*\\.shop\\.example"}}]
                    allow_methods: GET,POST
                    allow_headers: content-type
                    allow_credentials: true
                    max_age: "86400"
                response_headers_to_add: [{header: {key: x-origin, value: "%REQ(origin)%"}}]
`

// fixedUpstream answers every read with the same bytes and allocates nothing.
func fixedUpstream(t *testing.T, answer string) int {
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
			go func() {
				defer c.Close()
				buf, out := make([]byte, 64<<10), []byte(answer)
				for {
					if _, err := c.Read(buf); err != nil {
						return
					}
					if _, err := c.Write(out); err != nil {
						return
					}
				}
			}()
		}
	}()
	return ln.Addr().(*net.TCPAddr).Port
}

// TestNoAllocations: a request in the steady state allocates nothing, client,
// service and access log included.
func TestNoAllocations(t *testing.T) {
	get := "GET /api/x HTTP/1.1\r\nHost: a.test\r\nOrigin: https://app.shop.example\r\nUser-Agent: test\r\nAccept: */*\r\n\r\n"
	preflight := "OPTIONS /api/x HTTP/1.1\r\nHost: a.test\r\nOrigin: https://x.shop.example\r\nAccess-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: content-type\r\n\r\n"
	port := fixedUpstream(t, "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 1024\r\n\r\n"+strings.Repeat("x", 1024))
	log := `use_remote_address: true
          access_log: [{name: envoy.access_loggers.file, typed_config: {"@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: /dev/null}}]`
	// As on Istio's gateways, where faults have the first word.
	config := strings.Replace(bootstrap(log, corsRoute, ""), "http_filters:\n", `http_filters:
          - {name: envoy.filters.http.fault, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault, abort: {http_status: 503, percentage: {numerator: 0}}, delay: {fixed_delay: 1s}}}
`, 1)
	config = strings.ReplaceAll(config, "UP}", fmt.Sprint(port, "}"))
	b := start(t, config)
	for name, request := range map[string]string{"G": get, "P": preflight} {
		t.Run(name, func(t *testing.T) { steady(t, b.addr(), request, "200 OK") })
	}
	// The same under the profile hardened, and what it refuses.
	hard, diags := harden.Snapshot(b.snapshot(config), harden.Options{})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	if diags := b.engine.Publish(hard); diags.HasErrors() {
		t.Fatal(diags)
	}
	evil := strings.NewReplacer("x.shop.example", "evil.example", "app.shop.example", "evil.example")
	for _, tt := range []struct{ name, request, status string }{
		{"hardened G", get, "200 OK"},
		{"hardened P", preflight, "200 OK"},
		{"hardened P, refused for its origin", evil.Replace(preflight), "403 Forbidden"},
		{"hardened P, refused for its method", strings.Replace(preflight, "POST", "PUT", 1), "403 Forbidden"},
		{"hardened P, refused for its headers", strings.Replace(preflight, "content-type", "content-type,x-a", 1), "403 Forbidden"},
		{"hardened G of another origin", evil.Replace(get), "200 OK"},
	} {
		t.Run(tt.name, func(t *testing.T) { steady(t, b.addr(), tt.request, tt.status) })
	}
}

// steady sends a request again and again over one connection.
func steady(t *testing.T, addr, request, status string) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	raw, buf := []byte(request), make([]byte, 8192)
	want := 0
	once := func() {
		if _, err := c.Write(raw); err != nil {
			t.Fatal(err)
		}
		if want == 0 {
			n, err := c.Read(buf)
			if err != nil || !bytes.HasPrefix(buf[:n], []byte("HTTP/1.1 "+status+"\r\n")) {
				t.Fatalf("%q, %v", buf[:n], err)
			}
			want = n
			return
		}
		if _, err := io.ReadFull(c, buf[:want]); err != nil {
			t.Fatal(err)
		}
	}
	for range 200 {
		once()
	}
	if n := testing.AllocsPerRun(2000, once); n != 0 {
		t.Errorf("%v allocations a request, want 0", n)
	}
}
