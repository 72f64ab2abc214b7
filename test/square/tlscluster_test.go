package square

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/crossgate/crossgate/test/authority"
	"github.com/crossgate/crossgate/test/rawhttp"
)

// serveNumbered serves behind TLS and tells which request on its connection it was,
// and gives the body back.
func serveNumbered(t *testing.T, name string, cert tls.Certificate) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	type requests struct{}
	srv := &http.Server{
		ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"h2", "http/1.1"}},
		ConnContext: func(ctx context.Context, _ net.Conn) context.Context {
			return context.WithValue(ctx, requests{}, new(atomic.Int64))
		},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n := r.Context().Value(requests{}).(*atomic.Int64).Add(1)
			body, _ := io.ReadAll(r.Body)
			w.Header()["Date"] = nil
			w.Header().Set("content-type", "text/plain")
			w.Header().Set("x-got", fmt.Sprintf("%s, %s %s, request %d of %q", name, r.Proto, r.Host, n, r.TLS.ServerName))
			_, _ = w.Write(body)
		}),
	}
	go func() { _ = srv.ServeTLS(ln, "", "") }()
	t.Cleanup(func() { _ = srv.Close() })
	return ln.Addr().(*net.TCPAddr).Port
}

func tlsEndpoint(port int, metadata string) string {
	if metadata != "" {
		metadata = ", metadata: {filter_metadata: {envoy.transport_socket_match: " + metadata + "}}"
	}
	return fmt.Sprintf("{endpoint: {hostname: endpoint.test, address: {socket_address: {address: 127.0.0.1, port_value: %d}}}%s}", port, metadata)
}

// TestTLSClusters compares what becomes of requests to clusters with TLS in the
// course of things: by which name and connection, with which socket, after retries.
func TestTLSClusters(t *testing.T) {
	ca, other := authority.New(t, "ca"), authority.New(t, "other")
	leaf := func() *x509.Certificate {
		return &x509.Certificate{DNSNames: []string{"a.test", "b.test", "endpoint.test"}}
	}
	good := serveNumbered(t, "good", ca.Issue(leaf()))
	second := serveNumbered(t, "second", ca.Issue(leaf()))
	bad := serveNumbered(t, "bad", other.Issue(leaf()))
	trusted := "validation_context: {trusted_ca: {inline_string: " + inline(ca.PEM()) + "}}"
	verified := upstreamTLS("sni: a.test,", trusted)
	const raw = `{name: envoy.transport_sockets.raw_buffer, typed_config: {"@type": type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer}}`
	auto := func(version, names string) string {
		return httpOption(version, "upstream_http_protocol_options: {"+names+"}, ")
	}
	const h1, h2, both = "http_protocol_options", "http2_protocol_options", "auto_sni: true, auto_san_validation: true"
	matches := func(list string) string { return "transport_socket_matches: [" + list + "]" }

	type clusterCase struct {
		name, settings, route string
		endpoints             string
		hosts                 []string
		large                 bool // bodies; who is refused before the body has come is told so at different times
	}
	ab := []string{"a.test", "b.test:1", "a.test", "b.test:1", "A.test", "x.test", "a.test"}
	several := []string{"a.test", "a.test", "a.test", "a.test", "a.test", "a.test", "a.test", "a.test"}
	cases := []clusterCase{
		{"by name", "transport_socket: " + upstreamTLS("", trusted) + ", " + auto(h1, both), "", tlsEndpoint(good, ""), ab, false},
		{"by name over HTTP/2", "transport_socket: " + upstreamTLS("", trusted) + ", " + auto(h2, both), "", tlsEndpoint(good, ""), ab, false},
		{"a name that is rewritten", "transport_socket: " + upstreamTLS("", trusted) + ", " + auto(h1, both), "host_rewrite_literal: 'b.test:99'", tlsEndpoint(good, ""), ab, true},
		{"a name from a header", "transport_socket: " + upstreamTLS("", trusted) + ", " + auto(h1, both), "host_rewrite_header: x-name", tlsEndpoint(good, ""), ab, false},
		{"the endpoint's name and the request's", "transport_socket: " + upstreamTLS("auto_host_sni: true,", trusted) + ", " + auto(h1, "auto_san_validation: true"), "", tlsEndpoint(good, ""), ab, false},
		{"one connection, two names", "circuit_breakers: {thresholds: [{max_connections: 1}]}, transport_socket: " + upstreamTLS("", trusted) + ", " + auto(h1, "auto_sni: true"), "", tlsEndpoint(good, ""), []string{"a.test", "a.test"}, false},
		{"automatic, in the clear", auto(h1, both), "", tlsEndpoint(good, ""), []string{"a.test"}, false},
		{"matched", matches("{name: a, match: {m: x}, transport_socket: " + verified + "}, {name: b, match: {}, transport_socket: " + raw + "}"), "", tlsEndpoint(good, "{m: x, n: y}"), several[:2], true},
		{"matched by none", matches("{name: a, match: {m: x, n: z}, transport_socket: " + verified + "}"), "", tlsEndpoint(good, "{m: x, n: y}"), several[:1], false},
		{"matched by none, beside a socket", matches("{name: a, match: {m: z}, transport_socket: "+raw+"}") + ", transport_socket: " + verified, "", tlsEndpoint(good, "{m: x}"), several[:2], false},
		{"matched in a list", matches("{name: a, match: {m: x}, transport_socket: " + verified + "}"), "", tlsEndpoint(good, "{m: [y, x]}"), several[:1], false},
		{"matched without metadata", matches("{name: a, match: {}, transport_socket: " + verified + "}"), "", tlsEndpoint(good, ""), several[:1], false},
		{"two sockets", "lb_policy: ROUND_ROBIN, " + matches("{name: a, match: {m: x}, transport_socket: "+verified+"}, {name: b, match: {m: y}, transport_socket: "+upstreamTLS("sni: b.test,", trusted)+"}"), "", tlsEndpoint(good, "{m: x}") + ", " + tlsEndpoint(second, "{m: y}"), several[:4], true},
		{"retried", "lb_policy: ROUND_ROBIN, transport_socket: " + verified, "retry_policy: {retry_on: connect-failure, num_retries: 3}", tlsEndpoint(good, "") + ", " + tlsEndpoint(bad, ""), several, true},
		{"retried over HTTP/2", "lb_policy: ROUND_ROBIN, transport_socket: " + verified + ", " + httpOption(h2, ""), "retry_policy: {retry_on: connect-failure, num_retries: 3}", tlsEndpoint(good, "") + ", " + tlsEndpoint(bad, ""), several, true},
		{"retried in vain", "transport_socket: " + verified, "retry_policy: {retry_on: connect-failure, num_retries: 2, retry_back_off: {base_interval: 0.001s}}", tlsEndpoint(bad, ""), several[:1], false},
		{"not retried", "transport_socket: " + verified, "retry_policy: {retry_on: retriable-4xx, num_retries: 2}", tlsEndpoint(bad, ""), several[:1], false},
	}
	var routes, clusters strings.Builder
	for i, c := range cases {
		if c.route != "" {
			c.route = ", " + c.route
		}
		fmt.Fprintf(&routes, "              - {match: {prefix: /c%d/}, route: {cluster: c%d%s}}\n", i, i, c.route)
		fmt.Fprintf(&clusters, "  - {name: c%[1]d, type: STATIC, connect_timeout: 5s, %[2]s, load_assignment: {cluster_name: c%[1]d, endpoints: [{lb_endpoints: [%[3]s]}]}}\n", i, c.settings, c.endpoints)
	}
	b := newBench(t, planesOf(t))
	corners := b.corners(mainListener + `          route_config:
            name: r
            virtual_hosts:
            - name: v
              domains: ["*"]
              include_attempt_count_in_response: true
              response_headers_to_add: [{header: {key: x-details, value: "%RESPONSE_CODE_DETAILS% %RESPONSE_FLAGS%"}}]
              routes:
` + routes.String() + "  clusters:\n" + clusters.String())
	for i, c := range cases {
		body := []byte("hello")
		if c.large {
			body = []byte(strings.Repeat("b", 40_000))
		}
		var answers [][]string
		for _, corner := range corners {
			// One client, so that its connections are back before it asks again.
			conn, err := corner.dial("")
			if err != nil {
				t.Fatal(err)
			}
			var lines []string
			for n, host := range c.hosts {
				a := corner.send(conn, &Case{Request: Request{
					Method: "POST", Target: fmt.Sprintf("/c%d/", i), Body: body,
					Fields: rawhttp.Fields{{Name: "Host", Value: host}, {Name: "x-name", Value: "b.test:7"}},
				}})
				if n == 0 && len(c.hosts) == len(several) {
					continue // where a round begins is chance
				}
				lines = append(lines, append([]string{"host " + host}, a.Lines()...)...)
			}
			_ = conn.Close()
			if c.name == "two sockets" {
				slices.Sort(lines) // as above
			}
			answers = append(answers, lines)
		}
		for k, got := range answers[1:] {
			if diff := cmp.Diff(answers[0], got); diff != "" {
				t.Errorf("%s: (-%s +%s)\n%s", c.name, corners[0].Name, corners[k+1].Name, diff)
			}
		}
		t.Logf("%s: %s", c.name, strings.Join(grep(answers[0], "x-got", "x-details", "x-envoy-attempt-count"), "; "))
	}
}

// TestTheProtocolOfTheClientOverTLS: use_downstream_protocol_config, where the
// handshake offers what will be spoken.
func TestTheProtocolOfTheClientOverTLS(t *testing.T) {
	ca := authority.New(t, "ca")
	port := serveNumbered(t, "service", ca.Issue(&x509.Certificate{DNSNames: []string{"a.test"}}))
	trusted := "validation_context: {trusted_ca: {inline_string: " + inline(ca.PEM()) + "}}"
	settings := "transport_socket: " + upstreamTLS("sni: a.test,", trusted) + "\n    " + options("", clientOptions)
	b := newBench(t, planesOf(t))
	var seen []string
	for _, c := range b.corners(fmt.Sprintf(connectionsBootstrap, "timeout: 5s", settings, port)) {
		var lines []string
		for _, do := range []func(*Case) (Answer, error){c.do, c.doHTTP2, c.do, c.doHTTP2} {
			a, err := do(&Case{Request: Request{Method: "GET", Target: "/", Fields: rawhttp.Fields{{Name: "Host", Value: "a.test"}}}})
			if err != nil || a.Response.Status != 200 {
				t.Fatalf("%s: %v %v", c.Name, a.Lines(), err)
			}
			lines = append(lines, grep(a.Lines(), "x-got")...)
		}
		seen = append(seen, strings.Join(lines, "\n"))
	}
	same(t, seen)
}

// grep keeps the lines that begin with one of the prefixes.
func grep(lines []string, prefixes ...string) (out []string) {
	for _, l := range lines {
		for _, p := range prefixes {
			if strings.HasPrefix(l, p) {
				out = append(out, strings.TrimPrefix(l, p+": "))
			}
		}
	}
	return out
}
