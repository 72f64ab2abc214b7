package engine

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crossgate/crossgate/test/rawhttp"
)

// service is a service behind TLS that tells what it has seen.
type service struct {
	port        int
	connections atomic.Int64
	requests    atomic.Int64
	cert        atomic.Pointer[tls.Certificate]
}

// serveTLS serves in both protocols; x-got tells the connection's number, the
// server name and the protocol.
func serveTLS(t *testing.T, cert, key string) *service {
	t.Helper()
	s := &service{}
	s.shows(t, cert, key)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.port = ln.Addr().(*net.TCPAddr).Port
	type number struct{}
	srv := &http.Server{
		ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0),
		TLSConfig: &tls.Config{
			NextProtos:     []string{"h2", "http/1.1"},
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.cert.Load(), nil },
		},
		ConnContext: func(ctx context.Context, _ net.Conn) context.Context {
			return context.WithValue(ctx, number{}, s.connections.Add(1))
		},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.requests.Add(1)
			w.Header().Set("x-got", fmt.Sprintf("%d %s %s", r.Context().Value(number{}), r.TLS.ServerName, r.TLS.NegotiatedProtocol))
		}),
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.ServeTLS(ln, "", "") }()
	t.Cleanup(func() { _ = srv.Close(); <-done })
	return s
}

func (s *service) shows(t *testing.T, cert, key string) {
	t.Helper()
	unquote := func(s string) []byte { return []byte(strings.ReplaceAll(strings.Trim(s, `"`), `\n`, "\n")) }
	pair, err := tls.X509KeyPair(unquote(cert), unquote(key))
	if err != nil {
		t.Fatal(err)
	}
	s.cert.Store(&pair)
}

const (
	http1Cluster = `http_protocol_options: {}`
	http2Cluster = `http2_protocol_options: {}`
)

// secured is a configuration whose cluster has a socket, options and secrets.
func (s *service) secured(socket, options, protocol, secrets string) string {
	cluster := `    type: STATIC
    connect_timeout: 2s
    transport_socket: {name: envoy.transport_sockets.tls, typed_config: {"@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext, ` + socket + `}}
    typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {"@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, ` + options + `explicit_http_config: {` + protocol + `}}}
`
	if secrets != "" {
		secrets = "  secrets: [" + secrets + "]\n"
	}
	text := strings.Replace(bootstrap("", plainRoute, secrets), "    type: STATIC\n", cluster, 1)
	return strings.ReplaceAll(text, "UP}", fmt.Sprint(s.port, "}"))
}

const byAuthority = `common_tls_context: {validation_context_sds_secret_config: {name: ca}}`

func authoritySecret(cert string) string {
	return `{name: ca, validation_context: {trusted_ca: {inline_string: ` + cert + `}}}`
}

func (b *bench) ask(host string) rawhttp.Response {
	return b.dial().Do([]byte("GET / HTTP/1.1\r\nHost: "+host+"\r\nconnection: close\r\n\r\n"), "GET")
}

func eachProtocol(t *testing.T, test func(t *testing.T, protocol string)) {
	for name, protocol := range map[string]string{"HTTP/1.1": http1Cluster, "HTTP/2": http2Cluster} {
		t.Run(name, func(t *testing.T) { test(t, protocol) })
	}
}

// TestConnectionsAreForOneName: what one request calls the service does not hold
// for another, so connections are only shared under one name.
func TestConnectionsAreForOneName(t *testing.T) {
	eachProtocol(t, func(t *testing.T, protocol string) {
		cert, key := selfSigned(t, "a.test")
		svc := serveTLS(t, cert, key)
		b := start(t, svc.secured("", "upstream_http_protocol_options: {auto_sni: true}, ", protocol, ""))
		seen := map[string]string{}
		c := b.dial() // one client: its connections are back before it asks again
		for range 3 {
			for _, host := range []string{"a.test", "b.test:80", "127.0.0.1"} {
				if protocol == http2Cluster {
					host = strings.ToUpper(host) // a name is the same in capitals
				}
				r := c.Do([]byte("GET / HTTP/1.1\r\nHost: "+host+"\r\n\r\n"), "GET")
				got, _ := r.Fields.Get("x-got")
				host = strings.ToLower(host)
				if r.Status != 200 || seen[host] != "" && seen[host] != got {
					t.Errorf("%s: %d, %q; before: %q", host, r.Status, got, seen[host])
				}
				seen[host] = got
			}
		}
		for host, name := range map[string]string{"a.test": " a.test ", "b.test:80": " b.test ", "127.0.0.1": "  "} {
			if !strings.Contains(strings.ToLower(seen[host]), name) {
				t.Errorf("%s: %q", host, seen[host])
			}
		}
		if n := svc.connections.Load(); n != 3 {
			t.Errorf("%d connections for three names", n)
		}
	})
}

// TestANameThatIsRefusedIsNotServedByAnothersConnection: verification by the
// request's name holds although there is a connection.
func TestANameThatIsRefusedIsNotServedByAnothersConnection(t *testing.T) {
	eachProtocol(t, func(t *testing.T, protocol string) {
		cert, key := selfSigned(t, "a.test")
		svc := serveTLS(t, cert, key)
		b := start(t, svc.secured(byAuthority, "upstream_http_protocol_options: {auto_san_validation: true}, ", protocol, authoritySecret(cert)))
		for host, want := range map[string]int{"a.test": 200, "A.test:81": 200, "b.test": 503} {
			if r := b.ask(host); r.Status != want {
				t.Errorf("%s: %d, want %d", host, r.Status, want)
			}
		}
	})
}

// TestOneConnectionForManyNames: with the limit of connections reached, one of
// another name makes room.
func TestOneConnectionForManyNames(t *testing.T) {
	eachProtocol(t, func(t *testing.T, protocol string) {
		cert, key := selfSigned(t, "a.test")
		svc := serveTLS(t, cert, key)
		config := svc.secured("", "upstream_http_protocol_options: {auto_sni: true}, ", protocol, "")
		b := start(t, strings.Replace(config, "    type: STATIC\n", "    type: STATIC\n    circuit_breakers: {thresholds: [{max_connections: 1}]}\n", 1))
		for i := range 6 {
			if r := b.ask(fmt.Sprintf("%c.test", 'a'+i%2)); r.Status != 200 {
				t.Fatalf("request %d: %d %s", i, r.Status, r.Body)
			}
		}
	})
}

// TestSecretsRotate: a new authority and a new certificate of the service are used
// by new connections, those that there are stay, and no request is lost.
func TestSecretsRotate(t *testing.T) {
	eachProtocol(t, func(t *testing.T, protocol string) {
		cert, key := selfSigned(t, "a.test")
		svc := serveTLS(t, cert, key)
		b := start(t, svc.secured(byAuthority, "", protocol, authoritySecret(cert)))
		if r := b.ask("a.test"); r.Status != 200 {
			t.Fatalf("%d %s", r.Status, r.Body)
		}
		var stop atomic.Bool
		var tasks sync.WaitGroup
		var served atomic.Int64
		for range 2 {
			tasks.Go(func() {
				for !stop.Load() {
					if r := b.ask("a.test"); r.Status != 200 {
						t.Errorf("while secrets change: %d %s", r.Status, r.Body)
						return
					}
					served.Add(1)
				}
			})
		}
		for range 5 {
			cert2, key2 := selfSigned(t, "a.test")
			both := strings.TrimSuffix(cert, `"`) + strings.TrimPrefix(cert2, `"`)
			b.publish(svc.secured(byAuthority, "", protocol, authoritySecret(both)))
			svc.shows(t, cert2, key2)
			for n := served.Load(); served.Load() < n+3 && !t.Failed(); {
				time.Sleep(time.Millisecond)
			}
			cert, key = cert2, key2
		}
		stop.Store(true)
		tasks.Wait()
		b.publish(svc.secured(byAuthority, "", protocol, authoritySecret(cert)))
		before := svc.connections.Load()
		if r := b.ask("a.test"); r.Status != 200 || svc.connections.Load() != before {
			t.Errorf("%d, %d new connections: the one that there is was to stay", r.Status, svc.connections.Load()-before)
		}
		other, _ := selfSigned(t, "a.test")
		b.publish(strings.Replace(svc.secured(byAuthority, "", protocol, authoritySecret(other)), "connect_timeout: 2s", "connect_timeout: 3s", 1))
		if r := b.ask("a.test"); r.Status != 503 {
			t.Errorf("a new connection with an authority that has not signed: %d", r.Status)
		}
	})
}

// TestSecretsThatAreNotThere: nothing is sent until there is one; one that was good
// stays in use when it is taken away or spoilt.
func TestSecretsThatAreNotThere(t *testing.T) {
	cert, key := selfSigned(t, "a.test")
	svc := serveTLS(t, cert, key)
	config := func(secrets string) string { return svc.secured(byAuthority, "", http1Cluster, secrets) }
	b := start(t, bootstrap("", plainRoute, ""))
	publish := func(secrets, want string, status int) {
		t.Helper()
		diags := b.engine.Publish(b.snapshot(config(secrets)))
		if want == "" && diags.HasErrors() || want != "" && !mentions(diags, want) {
			t.Errorf("%q: %v, want %q", secrets, diags, want)
		}
		if r := b.ask("a.test"); r.Status != status {
			t.Errorf("%q: %d, want %d", secrets, r.Status, status)
		}
	}
	publish("", `there is no validation context with the name "ca": connections fail`, 503)
	publish(authoritySecret(`"nonsense"`), "no certificate in PEM: connections fail", 503)
	if n := svc.requests.Load(); n != 0 {
		t.Errorf("%d requests without the secret", n)
	}
	publish(authoritySecret(cert), "", 200)
	publish("", "the last good one stays in use", 200)
	publish(authoritySecret(`"nonsense"`), "the last good one stays in use", 200)
}

// TestSocketsByMetadata: the first match of an endpoint's metadata, and what stands
// beside the matches for all others.
func TestSocketsByMetadata(t *testing.T) {
	cert, key := selfSigned(t, "a.test")
	svc := serveTLS(t, cert, key)
	const tlsSocket = `{name: envoy.transport_sockets.tls, typed_config: {"@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext, sni: %s}}`
	const raw = `{name: envoy.transport_sockets.raw_buffer, typed_config: {"@type": type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer}}`
	first, second := fmt.Sprintf(tlsSocket, "first"), fmt.Sprintf(tlsSocket, "second")
	missing := `{name: envoy.transport_sockets.tls, typed_config: {"@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext, ` + byAuthority + `}}`
	for _, tt := range []struct{ name, sockets, metadata, want string }{
		{"the first", `{name: a, match: {mode: x}, transport_socket: ` + first + `}, {name: b, match: {}, transport_socket: ` + second + `}`, `{mode: x, more: y}`, "first"},
		{"all", `{name: a, match: {mode: x}, transport_socket: ` + first + `}, {name: b, match: {}, transport_socket: ` + second + `}`, `{mode: y}`, "second"},
		{"one of a list", `{name: a, match: {mode: x}, transport_socket: ` + first + `}`, `{mode: [y, x]}`, "400"},
		{"all values", `{name: a, match: {mode: x, more: z}, transport_socket: ` + first + `}`, `{mode: x, more: y}`, "400"},
		{"in the clear", `{name: a, match: {mode: x}, transport_socket: ` + raw + `}`, `{mode: x}`, "400"},
		{"a secret that nobody needs", `{name: a, match: {mode: z}, transport_socket: ` + missing + `}, {name: b, match: {}, transport_socket: ` + second + `}`, `{mode: x}`, "second"},
		{"a secret that is not there", `{name: a, match: {mode: x}, transport_socket: ` + missing + `}, {name: b, match: {}, transport_socket: ` + second + `}`, `{mode: x}`, "503"},
		{"what is not known", `{name: a, match: {mode: x}, transport_socket: {name: x}}, {name: b, match: {}, transport_socket: ` + second + `}`, `{mode: x}`, "503"},
	} {
		config := strings.ReplaceAll(bootstrap("", plainRoute, ""), "port_value: UP}}}", fmt.Sprintf("port_value: %d}}}, metadata: {filter_metadata: {envoy.transport_socket_match: %s}}", svc.port, tt.metadata))
		config = strings.Replace(config, "    type: STATIC\n", "    type: STATIC\n    transport_socket_matches: ["+tt.sockets+"]\n", 1)
		b := start(t, bootstrap("", plainRoute, ""))
		if diags := b.engine.Publish(b.snapshot(config)); diags.HasErrors() != (tt.want == "503") {
			t.Errorf("%s: %v", tt.name, diags)
		}
		r := b.ask("a.test")
		got, _ := r.Fields.Get("x-got")
		if r.Status != 200 {
			got = fmt.Sprint(r.Status)
		}
		if !strings.Contains(got, tt.want) {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// TestHandshakesHaveTheConnectTimeout: a service that takes the connection and says
// nothing.
func TestHandshakesHaveTheConnectTimeout(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	svc := &service{port: ln.Addr().(*net.TCPAddr).Port}
	b := start(t, strings.Replace(svc.secured("", "", http1Cluster, ""), "connect_timeout: 2s", "connect_timeout: 0.05s", 1))
	if r := b.ask("a.test"); r.Status != 503 || !strings.HasSuffix(string(r.Body), "connection timeout") {
		t.Errorf("%d %s", r.Status, r.Body)
	}
}

// TestGoodbyesAreShort: closing a connection to a service that does not read takes
// no seconds.
func TestGoodbyesAreShort(t *testing.T) {
	cert, key := selfSigned(t, "a.test")
	svc := &service{}
	svc.shows(t, cert, key)
	near, far := net.Pipe()
	defer func() { _ = far.Close() }()
	go func() {
		_ = tls.Server(far, &tls.Config{Certificates: []tls.Certificate{*svc.cert.Load()}}).Handshake()
	}()
	sock := &clientSocket{config: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12}}
	c, err := sock.Secure(t.Context(), near, "", "", false)
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	_ = c.Close()
	if d := time.Since(begin); d > time.Second {
		t.Errorf("%v", d)
	}
}

// TestARequestWithoutANameIsForNoService: where a certificate has to be for what the
// request calls the service, none is for a request that does not call it anything.
func TestARequestWithoutANameIsForNoService(t *testing.T) {
	eachProtocol(t, func(t *testing.T, protocol string) {
		cert, key := selfSigned(t, "a.test")
		svc := serveTLS(t, cert, key)
		b := start(t, svc.secured(byAuthority, "upstream_http_protocol_options: {auto_sni: true, auto_san_validation: true}, ", protocol, authoritySecret(cert)))
		if r := b.ask("a.test"); r.Status != 200 {
			t.Fatalf("the service's own name: %d", r.Status)
		}
		for _, host := range []string{":80", ""} {
			if r := b.ask(host); r.Status == 200 {
				t.Errorf("a request to %q is served", host)
			}
		}
		if n := svc.requests.Load(); n != 1 {
			t.Errorf("the service has got %d requests, want 1", n)
		}
	})
}

// TestTheProtocolOfTheClientOverTLS: a service in the protocol of each client is
// offered that protocol in the handshake, as by Envoy's pool for it.
func TestTheProtocolOfTheClientOverTLS(t *testing.T) {
	cert, key := selfSigned(t, "a.test")
	svc := serveTLS(t, cert, key)
	config := svc.secured("", "", http1Cluster, "")
	b := start(t, strings.Replace(config, "explicit_http_config: {http_protocol_options: {}}",
		"use_downstream_protocol_config: {http_protocol_options: {}, http2_protocol_options: {}}", 1))
	var plain http.Protocols
	plain.SetUnencryptedHTTP2(true)
	two := &http.Transport{Protocols: &plain}
	defer two.CloseIdleConnections()
	for _, tt := range []struct {
		client *http.Transport
		want   string
	}{{two, "h2"}, {&http.Transport{DisableKeepAlives: true}, "http/1.1"}, {two, "h2"}} {
		r, err := (&http.Client{Transport: tt.client, Timeout: 5 * time.Second}).Get("http://" + b.addr() + "/")
		if err != nil {
			t.Fatal(err)
		}
		_ = r.Body.Close()
		if got := r.Header.Get("x-got"); r.StatusCode != 200 || !strings.HasSuffix(got, " "+tt.want) {
			t.Errorf("%d over %q, want %s", r.StatusCode, got, tt.want)
		}
	}
}
