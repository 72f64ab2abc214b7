// Under the race detector sync.Pool forgets at random, so the counts mean nothing.
//go:build !race

package engine

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"

	"github.com/crossgate/crossgate/internal/harden"
	"github.com/crossgate/crossgate/internal/http2"
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
		t.Run("H2"+name, func(t *testing.T) { steadyHTTP2(t, b.addr(), request) })
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

// steadyHTTP2 sends a request again and again over one connection of HTTP/2, several
// at once.
func steadyHTTP2(t *testing.T, addr, request string) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	fields := fieldsHTTP2(request)
	encode := func() []byte {
		block.Reset()
		for _, f := range fields {
			_ = enc.WriteField(f)
		}
		return bytes.Clone(block.Bytes())
	}
	first, again := encode(), encode()
	if !bytes.Equal(again, encode()) {
		t.Fatal("a block is not the same again")
	}
	client := &rawHTTP2{c: c, id: 1, block: first, in: make([]byte, 64<<10)}
	client.out = fmt.Appendf(nil, "%s\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x04\x40\x00\x00\x00", http2.Preface) // streams' windows of 1 GiB
	client.out = fmt.Appendf(client.out, "\x00\x00\x04\x08\x00\x00\x00\x00\x00\x40\x00\x00\x00")                   // and the connection's
	client.do(t, 1)
	client.block = again
	for range 100 {
		client.do(t, 8)
	}
	if n := testing.AllocsPerRun(2000, func() { client.do(t, 8) }); n != 0 {
		t.Errorf("%v allocations for 8 requests, want 0", n)
	}
}

// fieldsHTTP2 are the fields of a request in HTTP/2.
func fieldsHTTP2(request string) []hpack.HeaderField {
	lines := strings.Split(strings.TrimSpace(request), "\r\n")
	words := strings.Fields(lines[0])
	fields := []hpack.HeaderField{{Name: ":method", Value: words[0]}, {Name: ":scheme", Value: "http"}, {Name: ":path", Value: words[1]}}
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ": ")
		if name = strings.ToLower(name); name == "host" {
			name = ":authority"
		}
		fields = append(fields, hpack.HeaderField{Name: name, Value: value})
	}
	// Pseudo fields come first.
	slices.SortStableFunc(fields, func(a, b hpack.HeaderField) int {
		return strings.Count(b.Name[:1], ":") - strings.Count(a.Name[:1], ":")
	})
	return fields
}

// rawHTTP2 is a client that allocates nothing.
type rawHTTP2 struct {
	c       net.Conn
	id      uint32
	block   []byte
	out, in []byte
	w       int
}

// do sends n requests at once and reads their answers to the end.
func (c *rawHTTP2) do(t *testing.T, n int) {
	const headersFrame, endOfHeaders, endOfStream = 1, 4, 1
	for range n {
		c.out = append(c.out, 0, byte(len(c.block)>>8), byte(len(c.block)), headersFrame, endOfHeaders|endOfStream)
		c.out = append(binary.BigEndian.AppendUint32(c.out, c.id), c.block...)
		c.id += 2
	}
	if _, err := c.c.Write(c.out); err != nil {
		t.Fatal(err)
	}
	c.out = c.out[:0]
	for n > 0 {
		m, err := c.c.Read(c.in[c.w:])
		if err != nil {
			t.Fatal(err)
		}
		c.w += m
		r := 0
		for c.w-r >= 9 {
			size := int(c.in[r])<<16 | int(c.in[r+1])<<8 | int(c.in[r+2])
			if c.w-r < 9+size {
				break
			}
			switch kind, flags := c.in[r+3], c.in[r+4]; {
			case kind > headersFrame && kind != 4 && kind != 8:
				t.Fatalf("a frame of type %d: %q", kind, c.in[r+9:r+9+size])
			case kind == headersFrame && c.in[r+9] != 0x88: // :status 200
				t.Fatalf("an answer %x", c.in[r+9:r+9+size])
			case kind <= headersFrame && flags&endOfStream != 0:
				n--
			}
			r += 9 + size
		}
		c.w = copy(c.in, c.in[r:c.w])
	}
}
