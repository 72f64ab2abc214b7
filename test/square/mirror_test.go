package square

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/crossgate/crossgate/test/gate"
	"github.com/crossgate/crossgate/test/rawhttp"
)

// mirrorRoutes are routes of a virtual host with mirrors of its own.
const mirrorRoutes = `
              - {match: {prefix: /plain}, route: {cluster: up, request_mirror_policies: [{cluster: one}]}}
              - match: {prefix: /rewrite}
                request_headers_to_add: [{header: {key: x-added, value: "%REQ(:path)%"}}]
                request_headers_to_remove: [x-remove]
                route: {cluster: up, prefix_rewrite: /new, host_rewrite_literal: "h.test:81", timeout: 5s, append_x_forwarded_host: true, request_mirror_policies: [{cluster: one}]}
              - {match: {prefix: /weighted}, route: {weighted_clusters: {clusters: [{name: up, weight: 1, host_rewrite_literal: w.test, request_headers_to_add: [{header: {key: x-weighted, value: "yes"}}]}]}, request_mirror_policies: [{cluster: one}]}}
              - {match: {prefix: /several}, route: {cluster: up, request_mirror_policies: [{cluster: one}, {cluster: two, disable_shadow_host_suffix_append: true}, {cluster: missing}]}}
              - {match: {prefix: /same}, route: {cluster: up, request_mirror_policies: [{cluster: one, runtime_fraction: {default_value: {numerator: 500000, denominator: MILLION}}}, {cluster: two, runtime_fraction: {default_value: {numerator: 500000, denominator: MILLION}}}]}}
              - {match: {prefix: /never}, route: {cluster: up, request_mirror_policies: [{cluster: one, runtime_fraction: {default_value: {numerator: 0}}}]}}
              - {match: {prefix: /runtime}, route: {cluster: up, request_mirror_policies: [{cluster: one, runtime_fraction: {default_value: {numerator: 0}, runtime_key: k.all}}]}}
              - {match: {prefix: /header}, route: {cluster: up, request_mirror_policies: [{cluster_header: x-mirror}]}}
              - {match: {prefix: /mutate}, route: {cluster: up, request_mirror_policies: [{cluster: one, host_rewrite_literal: other.test, request_headers_mutations: [{append: {header: {key: x-a, value: "1"}}}, {remove: x-b}, {append: {header: {key: x-b, value: "%REQ(x-a)%"}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}}]}]}}
              - {match: {prefix: /retry}, route: {cluster: up, retry_policy: {retry_on: 5xx, num_retries: 2, per_try_timeout: 1s}, request_mirror_policies: [{cluster: one}]}}
              - {match: {prefix: /closed}, route: {cluster: closed, request_mirror_policies: [{cluster: one}]}}
              - {match: {prefix: /empty}, route: {cluster: empty, request_mirror_policies: [{cluster: one}]}}
              - {match: {prefix: /full}, route: {cluster: full, request_mirror_policies: [{cluster: one}]}}
              - {match: {prefix: /nowhere}, route: {cluster: missing, request_mirror_policies: [{cluster: one}]}}
              - {match: {prefix: /to-closed}, route: {cluster: up, request_mirror_policies: [{cluster: closed}]}}
              - {match: {prefix: /to-empty}, route: {cluster: up, request_mirror_policies: [{cluster: empty}]}}
              - {match: {prefix: /to-full}, route: {cluster: up, request_mirror_policies: [{cluster: full}]}}
              - {match: {prefix: /to-dead}, route: {cluster: up, timeout: 0.5s, request_mirror_policies: [{cluster: dead}]}}
              - {match: {prefix: /redirects}, route: {cluster: up, internal_redirect_policy: {}, request_mirror_policies: [{cluster: one}]}}
              - {match: {prefix: /direct}, direct_response: {status: 204}}
              - {match: {prefix: /inherit}, route: {cluster: up, timeout: 0s}}
`

func mirrorBootstrap(up, one, two, dead, edge string) string {
	endpoint := func(name, port, extra string) string {
		return fmt.Sprintf("  - {name: %s, type: STATIC, connect_timeout: 1s, %s load_assignment: {cluster_name: %[1]s, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: %[3]s}}}}]}]}}\n", name, extra, port)
	}
	return mainListener + `          use_remote_address: ` + edge + `
          access_log: [{name: l, typed_config: {"@type": type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog, log_format: {json_format:
            {path: "%PATH%", code: "%RESPONSE_CODE%", flags: "%RESPONSE_FLAGS%", details: "%RESPONSE_CODE_DETAILS%"}}}}]
          route_config:
            name: r
            validate_clusters: false
            virtual_hosts:
            - name: v
              domains: ["*"]
              include_request_attempt_count: true
              request_mirror_policies: [{cluster: two}]
              routes:` + mirrorRoutes + "  clusters:\n" +
		endpoint("up", up, "") + endpoint("one", one, "") + endpoint("two", two, "") + endpoint("dead", dead, "") + endpoint("closed", fmt.Sprint(freePort()), "") +
		endpoint("full", up, "circuit_breakers: {thresholds: [{max_requests: 0, max_pending_requests: 0}]},") +
		"  - {name: empty, type: STATIC, connect_timeout: 1s, load_assignment: {cluster_name: empty}}\n" +
		"layered_runtime: {layers: [{name: static, static_layer: {k: {all: 100}}}]}\n"
}

// mirrorCase is a request and how many copies of it there are.
type mirrorCase struct {
	*Case
	copies int
}

func mirrorCases() (out []mirrorCase) {
	add := func(copies int, target string, fields ...string) *Case {
		c := &Case{Request: Request{Method: "GET", Target: target, Fields: rawhttp.Fields{{Name: "Host", Value: "a.test:8080"}}}}
		for _, f := range fields {
			name, value, _ := strings.Cut(f, ": ")
			c.Request.Fields = append(c.Request.Fields, rawhttp.Field{Name: name, Value: value})
		}
		out = append(out, mirrorCase{c, copies})
		return c
	}
	post := func(c *Case, body string) {
		c.Request.Method, c.Request.Body = "POST", []byte(body)
		c.Request.Fields = append(c.Request.Fields, rawhttp.Field{Name: "content-length", Value: fmt.Sprint(len(body))})
	}
	for _, host := range []string{"a.test", "a.test:443", "A.test", "192.0.2.1:80", "[::1]:80", "[::1]"} {
		add(1, "/plain?q=1", "x-forwarded-for: 192.0.2.9", "x-envoy-internal: false").Request.Fields[0].Value = host
	}
	for _, target := range []string{
		"/rewrite/x?q", "/weighted/x", "/runtime", "/mutate", "/retry", "/closed", "/inherit",
	} {
		add(1, target, "x-remove: 1", "x-b: 2")
		post(add(1, target, "x-a: 0"), "hello")
	}
	for _, target := range []string{"/never", "/empty", "/full", "/nowhere", "/to-closed", "/to-empty", "/to-full", "/direct"} {
		add(0, target)
		post(add(0, target), "hello")
	}
	for _, size := range []int{0, 20_000, 60_000} {
		post(add(1, "/plain/sized"), strings.Repeat("b", size))
	}
	add(2, "/several")
	post(add(2, "/several"), "hello")
	add(1, "/header", "x-mirror: two")
	add(0, "/header", "x-mirror: missing")
	add(0, "/header")
	add(1, "/retry/fails").Plan = rawhttp.Plan{FailFirst: 2, FailStatus: 503}
	post(add(1, "/retry/fails"), "hello")
	out[len(out)-1].Plan = rawhttp.Plan{FailFirst: 5, FailStatus: 503}
	add(1, "/plain/head").Request.Method = "HEAD"
	add(1, "/plain/delete").Request.Method = "DELETE"
	c := add(2, "/redirects")
	c.Plan = rawhttp.Plan{Status: 302, Fields: rawhttp.Fields{{Name: "location", Value: "http://b.test/plain/followed"}}}
	return out
}

// oldMirrorCases are requests that only HTTP/1.1 has.
func oldMirrorCases() (out []mirrorCase) {
	const head = " HTTP/1.1\r\nHost: a.test\r\nX-Case-Id: @ID\r\n"
	for _, raw := range []string{
		"POST /plain/chunked" + head + "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n",
		"POST /plain/chunked" + head + "transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
		"POST /plain/trailers" + head + "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-end: 1\r\n\r\n",
		"POST /plain/nothing" + head + "\r\n",
		"POST /plain/te" + head + "te: trailers\r\nconnection: te, x-hop\r\nx-hop: 1\r\n\r\n",
		"POST /plain/expect" + head + "expect: 100-continue\r\ncontent-length: 5\r\n\r\nhello",
	} {
		out = append(out, mirrorCase{&Case{Request: Request{Method: "POST", Target: "/plain/raw", Raw: []byte(raw)}}, 1})
	}
	return out
}

// TestMirrors compares what the services and their mirrors see of requests, over
// HTTP/1.1 and HTTP/2, at the edge and behind it.
func TestMirrors(t *testing.T) {
	for _, edge := range []string{"true", "false"} {
		t.Run("HTTP1 edge "+edge, func(t *testing.T) { compareMirrors(t, edge, (*Corner).do, append(mirrorCases(), oldMirrorCases()...)) })
		t.Run("HTTP2 edge "+edge, func(t *testing.T) {
			// There the body comes after the head, which Envoy may have answered.
			cases := slices.DeleteFunc(mirrorCases(), func(c mirrorCase) bool { return c.Request.Target == "/closed" && len(c.Request.Body) > 0 })
			compareMirrors(t, edge, (*Corner).doHTTP2, cases)
		})
	}
}

// mirrors are two services that only get copies.
func mirrors(t *testing.T, copies *rawhttp.Desk) (one, two string) {
	t.Helper()
	var ports []string
	for _, name := range []string{"one", "two"} {
		u, err := rawhttp.Listen(name, copies)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(u.Close)
		ports = append(ports, fmt.Sprint(u.Port()))
	}
	return ports[0], ports[1]
}

type sendFunc = func(*Corner, *Case) (Answer, error)

func compareMirrors(t *testing.T, edge string, send sendFunc, cases []mirrorCase) {
	b := newBench(t, planesOf(t))
	copies := rawhttp.NewDesk()
	one, two := mirrors(t, copies)
	corners := b.corners(mirrorBootstrap(fmt.Sprint(b.up.Port()), one, two, fmt.Sprint(deadService(t, nil)), edge))
	askAll(t, corners, copies, send, cases)
	for _, corner := range corners {
		sameShare(t, corner, copies, send)
	}
	compareRawLogs(t, corners)
}

// askAll sends the requests to all corners and compares the answers, and what the
// service and the mirrors got.
func askAll(t *testing.T, corners []*Corner, copies *rawhttp.Desk, send sendFunc, cases []mirrorCase) {
	t.Helper()
	ask := func(corner *Corner, c mirrorCase) (lines []string) {
		id := fmt.Sprintf("%08d", corner.ids.Load()+1)
		copies.Expect(id, rawhttp.Plan{Status: 500})
		a, err := send(corner, c.Case)
		if err != nil {
			t.Errorf("%s: %s: %v", corner.Name, c.Request.Target, err)
			return nil
		}
		for deadline := time.Now().Add(answerLimit); copies.Seen(id) < c.copies && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
		}
		if c.copies == 0 {
			time.Sleep(20 * time.Millisecond) // for one that should not come
		}
		seen := copies.Take(id)
		slices.SortFunc(seen, func(a, b rawhttp.Request) int { return strings.Compare(a.Upstream+a.Target, b.Upstream+b.Target) })
		if len(seen) != c.copies {
			t.Errorf("%s: %s %s: %d copies, want %d", corner.Name, c.Request.Method, c.Request.Target, len(seen), c.copies)
		}
		return append(a.Lines(), Answer{Upstream: seen}.Lines()...)
	}
	for _, c := range cases {
		want := ask(corners[0], c)
		for _, corner := range corners[1:] {
			if diff := cmp.Diff(want, ask(corner, c)); diff != "" {
				t.Errorf("%s %s %v (-%s +%s)\n%s", c.Request.Method, c.Request.Target, c.Request.Fields, corners[0].Name, corner.Name, diff)
			}
		}
	}
}

// mirrorResources mirror requests as a user writes it.
const mirrorResources = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gw, namespace: default}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: api, namespace: default}
spec:
  hosts: [api.test]
  gateways: [gw]
  http:
  - match: [{uri: {prefix: /mirror}}]
    rewrite: {uri: /v1}
    route: [{destination: {host: up.default.svc.cluster.local}}]
    mirror: {host: one.default.svc.cluster.local, port: {number: 8080}}
  - match: [{uri: {prefix: /none}}]
    route: [{destination: {host: up.default.svc.cluster.local}}]
    mirror: {host: one.default.svc.cluster.local}
    mirrorPercentage: {value: 0}
  - match: [{uri: {prefix: /several}}]
    route: [{destination: {host: up.default.svc.cluster.local}}]
    corsPolicy: {allowOrigins: [{exact: "https://app.test"}], allowMethods: [PUT]}
    headers: {request: {set: {x-set: "yes"}}}
    mirrors:
    - {destination: {host: one.default.svc.cluster.local}}
    - {destination: {host: two.default.svc.cluster.local}, percentage: {value: 100}}
`

// serviceEntry is a service that has the port.
func serviceEntry(name, port string) string {
	return fmt.Sprintf(`---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: %[1]s, namespace: default}
spec:
  hosts: [%[1]s.default.svc.cluster.local]
  ports: [{number: 8080, name: http, protocol: HTTP}]
  resolution: STATIC
  endpoints: [{address: 127.0.0.1, ports: {http: %[2]s}}]
`, name, port)
}

// TestMirrorsOfVirtualService is the way from a VirtualService to the mirrors, on
// the engine and on Envoy. A preflight that the gateway answers is not mirrored.
func TestMirrorsOfVirtualService(t *testing.T) {
	b := newBench(t, planesOf(t))
	copies := rawhttp.NewDesk()
	one, two := mirrors(t, copies)
	dir := t.TempDir()
	text := mirrorResources + serviceEntry("up", fmt.Sprint(b.up.Port())) + serviceEntry("one", one) + serviceEntry("two", two)
	if err := os.WriteFile(filepath.Join(dir, "mirror.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	bootstrap, err := translate(gate.Binary(t), profileIstio, dir, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	request := func(copies int, method, target, body string, fields ...rawhttp.Field) mirrorCase {
		all := append(rawhttp.Fields{{Name: "Host", Value: "api.test"}, {Name: "content-length", Value: fmt.Sprint(len(body))}}, fields...)
		return mirrorCase{&Case{Request: Request{Method: method, Target: target, Body: []byte(body), Fields: all}}, copies}
	}
	origin := rawhttp.Field{Name: "Origin", Value: "https://app.test"}
	askAll(t, b.corners(string(bootstrap)), copies, (*Corner).do, []mirrorCase{
		request(1, "GET", "/mirror/x?q", ""),
		request(1, "POST", "/mirror/x", "hello"),
		request(0, "GET", "/none/x", ""),
		request(2, "PUT", "/several/x", strings.Repeat("x", 100_000), origin),
		request(0, "OPTIONS", "/several/x", "", origin, rawhttp.Field{Name: "Access-Control-Request-Method", Value: "PUT"}),
	})
}

// sameShare sends requests of which half are mirrored, twice: always both copies
// are there, or none.
func sameShare(t *testing.T, corner *Corner, copies *rawhttp.Desk, send sendFunc) {
	const n = 40
	var ids []string
	for range n {
		ids = append(ids, fmt.Sprintf("%08d", corner.ids.Load()+1))
		copies.Expect(ids[len(ids)-1], rawhttp.Plan{})
		if _, err := send(corner, &Case{Request: Request{Method: "GET", Target: "/same", Fields: rawhttp.Fields{{Name: "Host", Value: "a.test"}}}}); err != nil {
			t.Error(err)
		}
	}
	time.Sleep(100 * time.Millisecond)
	mirrored := 0
	for _, id := range ids {
		switch seen := copies.Take(id); len(seen) {
		case 0:
		case 2:
			mirrored++
		default:
			t.Errorf("%s: %d copies of a request, want none or both", corner.Name, len(seen))
		}
	}
	if mirrored == 0 || mirrored == n {
		t.Errorf("%s: %d of %d requests are mirrored, want about half", corner.Name, mirrored, n)
	}
}

// deadService accepts connections and never answers; with read it tells of what it
// gets, without it reads nothing.
func deadService(t *testing.T, read func([]byte, error)) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var conns []net.Conn
	t.Cleanup(func() {
		_ = ln.Close()
		mu.Lock()
		defer mu.Unlock()
		for _, c := range conns {
			_ = c.Close()
		}
	})
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			if read == nil {
				continue
			}
			go func() {
				buf := make([]byte, 64<<10)
				for {
					n, err := c.Read(buf)
					read(buf[:n], err)
					if err != nil {
						return
					}
				}
			}()
		}
	}()
	return ln.Addr().(*net.TCPAddr).Port
}

// mirrorHTTP2 is a service of HTTP/2 that tells what it gets.
func mirrorHTTP2(t *testing.T, got chan<- string) int {
	t.Helper()
	var p http.Protocols
	p.SetUnencryptedHTTP2(true)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Protocols: &p, ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var lines []string
		for name, values := range r.Header {
			if name != "X-Request-Id" && name != "X-Case-Id" {
				lines = append(lines, fmt.Sprintf("%s: %q", name, values))
			}
		}
		slices.Sort(lines)
		got <- fmt.Sprintf("%s %s %s %d bytes %v, trailers %v\n%s", r.Method, r.Host, r.URL, len(body), err, r.Trailer, strings.Join(lines, "\n"))
		_, _ = w.Write(make([]byte, 300_000))
	})}
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(func() { _ = srv.Close() })
	return ln.Addr().(*net.TCPAddr).Port
}

// TestMirrorHTTP2 compares what a mirror that speaks HTTP/2 gets.
func TestMirrorHTTP2(t *testing.T) {
	b := newBench(t, planesOf(t))
	got := make(chan string, 10)
	take := func(corner *Corner) (copied string) {
		select {
		case copied = <-got:
		case <-time.After(answerLimit):
			t.Fatalf("%s: no copy", corner.Name)
		}
		return copied
	}
	text := mirrorBootstrap(fmt.Sprint(b.up.Port()), fmt.Sprint(mirrorHTTP2(t, got)), "1", "1", "true")
	text = strings.Replace(text, "{name: one, type: STATIC, connect_timeout: 1s,", "{name: one, type: STATIC, connect_timeout: 1s, "+speaksHTTP2+",", 1)
	corners := b.corners(text)
	for _, send := range []sendFunc{(*Corner).do, (*Corner).doHTTP2} {
		for _, body := range []string{"", "hello", strings.Repeat("x", 60_000)} {
			var want string
			for i, corner := range corners {
				c := &Case{Request: Request{Method: "POST", Target: "/plain/x?q=1", Body: []byte(body), Fields: rawhttp.Fields{{Name: "Host", Value: "a.test:80"}, {Name: "content-length", Value: fmt.Sprint(len(body))}}}}
				if a, err := send(corner, c); err != nil || a.Response.Status != 200 {
					t.Fatalf("%s: %v %v", corner.Name, a.Lines(), err)
				}
				if i == 0 {
					want = take(corner)
				} else if diff := cmp.Diff(want, take(corner)); diff != "" {
					t.Errorf("(-%s +%s)\n%s", corners[0].Name, corner.Name, diff)
				}
			}
		}
	}
	var trailed []string
	for _, corner := range corners {
		sendTrailers(t, corner)
		trailed = append(trailed, take(corner))
	}
	if !strings.Contains(trailed[0], "X-End:[yes]") {
		t.Errorf("%s: no trailers in %s", corners[0].Name, trailed[0])
	}
	for i := range corners {
		if diff := cmp.Diff(trailed[0], trailed[i]); diff != "" {
			t.Errorf("trailers (-%s +%s)\n%s", corners[0].Name, corners[i].Name, diff)
		}
	}
}

// sendTrailers sends a request over HTTP/2 that ends with trailers.
func sendTrailers(t *testing.T, corner *Corner) {
	t.Helper()
	var p http.Protocols
	p.SetUnencryptedHTTP2(true)
	tr := &http.Transport{Protocols: &p}
	defer tr.CloseIdleConnections()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+corner.addrs[corner.first]+"/plain/x", io.MultiReader(strings.NewReader("hello"), strings.NewReader(" all")))
	if err != nil {
		t.Fatal(err)
	}
	r.Host, r.Trailer = "a.test", http.Header{"X-End": {"yes"}}
	answer, err := tr.RoundTrip(r)
	if err != nil {
		t.Fatalf("%s: %v", corner.Name, err)
	}
	_ = answer.Body.Close()
}

// TestDeadMirrors: a mirror that never answers, or does not even read, costs the
// request nothing. With a body that is larger than all buffers this is what Envoy
// does not do: its clients wait for the mirror.
func TestDeadMirrors(t *testing.T) {
	b := newBench(t, planesOf(t))
	for _, corner := range b.corners(mirrorBootstrap(fmt.Sprint(b.up.Port()), "1", "1", fmt.Sprint(deadService(t, nil)), "true")) {
		sizes := []int{0, 10_000}
		if corner.Name == "engine" {
			sizes = append(sizes, 30_000_000)
		}
		for _, size := range sizes {
			begun := time.Now()
			c := &Case{Request: Request{Method: "POST", Target: "/to-dead", Body: make([]byte, size), Fields: rawhttp.Fields{{Name: "Host", Value: "a.test"}, {Name: "content-length", Value: fmt.Sprint(size)}}}}
			a, err := corner.do(c)
			if err != nil || a.Response.Status != 200 || len(a.Upstream) != 1 || len(a.Upstream[0].Body) != size {
				t.Errorf("%s, %d bytes: %d %v, %d requests", corner.Name, size, a.Response.Status, err, len(a.Upstream))
			}
			t.Logf("%s: %d bytes in %v", corner.Name, size, time.Since(begun))
		}
	}
}

// TestMirrorsOfBrokenRequests: a copy ends where its request ends, and the timeout
// of the route holds for it on its own.
func TestMirrorsOfBrokenRequests(t *testing.T) {
	b := newBench(t, planesOf(t))
	type event struct {
		bytes int
		ended bool
	}
	events := make(chan event, 100)
	dead := deadService(t, func(p []byte, err error) { events <- event{len(p), err != nil} })
	for _, corner := range b.corners(mirrorBootstrap(fmt.Sprint(b.up.Port()), "1", "1", fmt.Sprint(dead), "true")) {
		for _, whole := range []bool{true, false} {
			c, err := net.Dial("tcp", corner.addrs[corner.first])
			if err != nil {
				t.Fatal(err)
			}
			request := "GET /to-dead HTTP/1.1\r\nHost: a.test\r\n\r\n"
			if !whole {
				request = "POST /to-dead HTTP/1.1\r\nHost: a.test\r\ncontent-length: 10\r\n\r\nabc"
			}
			if _, err := io.WriteString(c, request); err != nil {
				t.Fatal(err)
			}
			begun := time.Now()
			for got := 0; ; {
				var e event
				select {
				case e = <-events:
				case <-time.After(answerLimit):
					t.Fatalf("%s: a copy does not end", corner.Name)
				}
				if got += e.bytes; e.ended {
					break
				}
				if !whole && got > 0 {
					_ = c.Close()
				}
			}
			if took := time.Since(begun); whole && (took < 500*time.Millisecond-timerSlack || took > 5*time.Second) {
				t.Errorf("%s: a copy that nobody answers ends after %v, want 500ms", corner.Name, took)
			}
			_ = c.Close()
		}
	}
}
