package square

import (
	"slices"
	"strings"
	"testing"
	"time"

	corsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/cors/v3"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/http2"

	"github.com/crossgate/crossgate/test/gate"
)

// TestGeneratedHTTP2 is TestGenerated over HTTP/2.
func TestGeneratedHTTP2(t *testing.T) {
	planes := planesOf(t)
	n, seed := generated(t)
	n /= 4
	g := newGenerator(seed)
	policies := make([]*corsv3.CorsPolicy, tables)
	for i := 1; i < tables; i++ {
		policies[i] = g.policy()
	}
	b := newBench(t, planes)
	b.http2 = true
	b.layout = func(sites []*site) ([]byte, map[*site]address, error) {
		return layout(sites, uint32(b.up.Port()), uint32(b.dead))
	}
	b.compare(n, seed, func() *site { return g.site(policies[g.IntN(tables)]) }, g.probe)
}

// TestGeneratedRoutesHTTP2 is TestGeneratedRoutes over HTTP/2.
func TestGeneratedRoutesHTTP2(t *testing.T) {
	planes := planesOf(t)
	n, seed := generated(t)
	n /= 4
	g := newGenerator(seed)
	b := newBench(t, planes)
	b.http2 = true
	bin := gate.Binary(t)
	b.layout = func(sites []*site) ([]byte, map[*site]address, error) {
		return layoutRoutes(bin, t.TempDir(), sites, b.up.Port())
	}
	b.compare(n, seed, g.routes, g.traffic)
}

// fault is something that a client should not send.
type fault struct {
	name string
	send func(h *h2conn) uint32
}

// faultLimit is how long to wait for what does not come.
const faultLimit = 2 * time.Second

func request(more ...[2]string) [][2]string {
	return append([][2]string{{":method", "GET"}, {":scheme", "http"}, {":authority", "a.test"}, {":path", "/"}}, more...)
}

// headers sends a head as it is and returns its stream.
func headers(fields [][2]string) func(h *h2conn) uint32 {
	return func(h *h2conn) uint32 {
		id, _ := h.send(fields, nil)
		return id
	}
}

func lacking(name string) [][2]string {
	return slices.DeleteFunc(request(), func(f [2]string) bool { return f[0] == name })
}

var faults = []fault{
	{name: "nothing wrong", send: headers(request())},
	{name: "a custom method", send: headers(append([][2]string{{":method", "BREW"}}, lacking(":method")...))},
	{name: "upper-case name", send: headers(request([2]string{"X-Upper", "1"}))},
	{name: "connection", send: headers(request([2]string{"connection", "close"}))},
	{name: "transfer-encoding", send: headers(request([2]string{"transfer-encoding", "chunked"}))},
	{name: "te: gzip", send: headers(request([2]string{"te", "gzip"}))},
	{name: "te: trailers", send: headers(request([2]string{"te", "trailers"}))},
	{name: "no method", send: headers(lacking(":method"))},
	{name: "no path", send: headers(lacking(":path"))},
	{name: "no scheme", send: headers(lacking(":scheme"))},
	{name: "no authority", send: headers(lacking(":authority"))},
	{name: "host for authority", send: headers(append(lacking(":authority"), [2]string{"host", "a.test"}))},
	{name: "host beside authority", send: headers(request([2]string{"host", "b.test"}))},
	{name: "empty path", send: headers(append(lacking(":path"), [2]string{":path", ""}))},
	{name: "path without slash", send: headers(append(lacking(":path"), [2]string{":path", "x"}))},
	{name: "two paths", send: headers(append([][2]string{{":path", "/a"}}, request()...))},
	{name: "unknown pseudo field", send: headers(append([][2]string{{":color", "blue"}}, request()...))},
	{name: "status in a request", send: headers(append([][2]string{{":status", "200"}}, request()...))},
	{name: "pseudo field at the end", send: headers(append([][2]string{{"x-a", "1"}}, request()...))},
	{name: "control character in a value", send: headers(request([2]string{"x-a", "a\x01b"}))},
	{name: "line break in a value", send: headers(request([2]string{"x-a", "a\r\nb: c"}))},
	{name: "length without a body", send: headers(request([2]string{"content-length", "5"}))},
	{name: "length that is no number", send: headers(request([2]string{"content-length", "x"}))},
	{name: "OPTIONS *", send: headers([][2]string{{":method", "OPTIONS"}, {":scheme", "http"}, {":authority", "a.test"}, {":path", "*"}})},
	{name: "GET *", send: headers([][2]string{{":method", "GET"}, {":scheme", "http"}, {":authority", "a.test"}, {":path", "*"}})},
	{name: "CONNECT", send: headers([][2]string{{":method", "CONNECT"}, {":authority", "a.test:443"}})},
	{name: "fragment in the path", send: headers(append(lacking(":path"), [2]string{":path", "/a#b"}))},
	{name: "100 and one fields", send: func(h *h2conn) uint32 {
		f := request()
		for range 101 {
			f = append(f, [2]string{"x-a", "1"})
		}
		return headers(f)(h)
	}},
	{name: "body longer than its length", send: func(h *h2conn) uint32 {
		id, _ := h.send(append([][2]string{{":method", "POST"}}, append(lacking(":method"), [2]string{"content-length", "3"})...), []byte("hello"))
		return id
	}},
	{name: "even stream", send: func(h *h2conn) uint32 { h.next = 2; return headers(request())(h) }},
	{name: "DATA without HEADERS", send: func(h *h2conn) uint32 { _ = h.fr.WriteData(1, true, []byte("x")); return 1 }},
	{name: "DATA on stream 0", send: func(h *h2conn) uint32 { _ = h.fr.WriteRawFrame(http2.FrameData, 0, 0, []byte("x")); return 1 }},
	{name: "CONTINUATION alone", send: func(h *h2conn) uint32 { _ = h.fr.WriteContinuation(1, true, nil); return 1 }},
	{name: "window update of 0", send: func(h *h2conn) uint32 {
		_ = h.fr.WriteRawFrame(http2.FrameWindowUpdate, 0, 0, make([]byte, 4))
		return 1
	}},
	{name: "window overflow", send: func(h *h2conn) uint32 { _ = h.fr.WriteWindowUpdate(0, 1<<31-1); return 1 }},
	{name: "ping of 7 bytes", send: func(h *h2conn) uint32 { _ = h.fr.WriteRawFrame(http2.FramePing, 0, 0, make([]byte, 7)); return 1 }},
	{name: "settings of 5 bytes", send: func(h *h2conn) uint32 { _ = h.fr.WriteRawFrame(http2.FrameSettings, 0, 0, make([]byte, 5)); return 1 }},
	{name: "settings: window too large", send: func(h *h2conn) uint32 {
		_ = h.fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 31})
		return 1
	}},
	{name: "push promise", send: func(h *h2conn) uint32 {
		_ = h.fr.WriteRawFrame(http2.FramePushPromise, 4, 1, make([]byte, 8))
		return 1
	}},
	{name: "bad header block", send: func(h *h2conn) uint32 {
		_ = h.fr.WriteRawFrame(http2.FrameHeaders, 5, 1, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
		return 1
	}},
	{name: "unknown frame", send: func(h *h2conn) uint32 { _ = h.fr.WriteRawFrame(77, 0, 0, []byte("x")); return headers(request())(h) }},
	{name: "reset of an idle stream", send: func(h *h2conn) uint32 { _ = h.fr.WriteRSTStream(5, http2.ErrCodeCancel); return 1 }},
}

const faultsBootstrap = mainListener + `          delayed_close_timeout: 0.05s
          route_config: {name: r, virtual_hosts: [{name: v, domains: ["*"], routes: [{match: {prefix: /}, direct_response: {status: 200, body: {inline_string: hi}}}]}]}
`

// TestHTTP2Faults compares what becomes of clients that break the protocol.
func TestHTTP2Faults(t *testing.T) {
	b := newBench(t, planesOf(t))
	corners := b.corners(faultsBootstrap)
	for _, f := range faults {
		var answers [][]string
		for _, c := range corners {
			conn, err := c.dialHTTP2("")
			if err != nil {
				t.Fatal(err)
			}
			conn.fr.AllowIllegalWrites = true
			conn.limit = faultLimit
			conn.hold()
			stream := f.send(conn)
			conn.release()
			answers = append(answers, Answer{Response: conn.read(stream)}.Lines())
			_ = conn.Close()
		}
		for i, got := range answers[1:] {
			if answers[0][0] == "=> eof" && strings.HasPrefix(got[0], "=> goaway ") {
				continue // the engine says why it ends the connection, Envoy does not
			}
			if diff := cmp.Diff(answers[0], got); diff != "" {
				t.Errorf("%s: (-%s +%s)\n%s", f.name, corners[0].Name, corners[i+1].Name, diff)
			}
		}
	}
}
