package engine

import (
	"crypto/tls"
	"crypto/x509"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/crossgate/crossgate/test/authority"
	"github.com/crossgate/crossgate/test/rawhttp"
)

// selfSigned makes a certificate and its key, in PEM, indented for YAML.
func selfSigned(t *testing.T, name string, uris ...*url.URL) (cert, key string) {
	t.Helper()
	c, k := authority.PEM(t, authority.None(t).Issue(&x509.Certificate{DNSNames: []string{name}, URIs: uris}))
	quote := func(pem []byte) string { return `"` + strings.ReplaceAll(string(pem), "\n", `\n`) + `"` }
	return quote(c), quote(k)
}

// secure is a listener with a filter chain for each server name; the answer's
// header x-chain tells which one it was.
func secure(t *testing.T, names ...string) string {
	chains := ""
	for _, name := range names {
		cert, key := selfSigned(t, name)
		match := ""
		if name != "" {
			match = `filter_chain_match: {server_names: ["` + name + `"]}, `
		}
		chains += `
    - {` + match + `transport_socket: {name: envoy.transport_sockets.tls, typed_config: {"@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext,
        common_tls_context: {alpn_protocols: [h2, http/1.1], tls_certificates: [{certificate_chain: {inline_string: ` + cert + `}, private_key: {inline_string: ` + key + `}}]}}},
       filters: [{name: hcm, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager, stat_prefix: s,
        http_filters: [{name: envoy.filters.http.router, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}],
        route_config: {name: r, virtual_hosts: [{name: v, domains: ["*"], routes: [{match: {prefix: /}, direct_response: {status: 200},
          response_headers_to_add: [{header: {key: x-chain, value: "` + name + `."}}]}]}]}}}]}`
	}
	return `
static_resources:
  listeners:
  - name: main
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    filter_chains:` + chains
}

func (b *bench) handshake(name string) (*rawhttp.Conn, *tls.Conn, error) {
	c, err := tls.Dial("tcp", b.addr(), &tls.Config{ServerName: name, InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	if err != nil {
		return nil, nil, err
	}
	b.t.Cleanup(func() { _ = c.Close() })
	return rawhttp.NewConn(c, 5*time.Second), c, nil
}

func TestServerNamesChooseTheChain(t *testing.T) {
	b := start(t, secure(t, "a.test", "*.wild.test", "*.deep.wild.test"))
	for name, want := range map[string]string{"a.test": "a.test.", "A.TEST": "a.test.", "x.wild.test": "*.wild.test.", "x.deep.wild.test": "*.deep.wild.test."} {
		c, raw, err := b.handshake(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := raw.ConnectionState().NegotiatedProtocol; got != "http/1.1" {
			t.Errorf("%s: protocol %q", name, got)
		}
		r := c.Do(get("/", ""), "GET")
		if got, _ := r.Fields.Get("x-chain"); got != want {
			t.Errorf("%s: chain %q, want %q", name, got, want)
		}
	}
	for _, name := range []string{"other.test", "wild.test"} {
		if _, _, err := b.handshake(name); err == nil {
			t.Errorf("%s: a handshake without a chain", name)
		}
	}
}

func TestNewCertificatesAreForNewConnections(t *testing.T) {
	b := start(t, secure(t, ""))
	old, raw, err := b.handshake("a.test")
	if err != nil {
		t.Fatal(err)
	}
	first := raw.ConnectionState().PeerCertificates[0].SerialNumber
	b.publish(secure(t, ""))
	if r := old.Do(get("/", ""), "GET"); r.Status != 200 {
		t.Errorf("the old connection: %+v", r)
	}
	_, raw, err = b.handshake("a.test")
	if err != nil {
		t.Fatal(err)
	}
	if raw.ConnectionState().PeerCertificates[0].SerialNumber.Cmp(first) == 0 {
		t.Error("a new connection got the old certificate")
	}
}

// oneSession has every server name share a session, which crypto/tls would not do.
type oneSession struct{ tls.ClientSessionCache }

func (c oneSession) Get(string) (*tls.ClientSessionState, bool) { return c.ClientSessionCache.Get("") }

func (c oneSession) Put(_ string, state *tls.ClientSessionState) { c.ClientSessionCache.Put("", state) }

// TestSessionsAreResumed: by a new connection to the same filter chain, as long as the
// configuration allows it and has not changed.
func TestSessionsAreResumed(t *testing.T) {
	text := secure(t, "a.test", "b.test")
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		b := start(t, text)
		cache := oneSession{tls.NewLRUClientSessionCache(1)}
		resumed := func(name string) bool {
			t.Helper()
			c, err := tls.Dial("tcp", b.addr(), &tls.Config{ServerName: name, InsecureSkipVerify: true, ClientSessionCache: cache, MinVersion: version, MaxVersion: version})
			if err != nil {
				t.Fatal(err)
			}
			// The answer comes behind the ticket.
			if r := rawhttp.NewConn(c, 5*time.Second).Do(get("/", ""), "GET"); r.Status != 200 {
				t.Errorf("%+v", r)
			}
			_ = c.Close()
			return c.ConnectionState().DidResume
		}
		for i, step := range []struct {
			name string
			want bool
		}{{"a.test", false}, {"a.test", true}, {"a.test", true}, {"b.test", false}, {"b.test", true}, {"a.test", false}} {
			if got := resumed(step.name); got != step.want {
				t.Errorf("%s, connection %d to %s: resumed is %v", tls.VersionName(version), i, step.name, got)
			}
		}
		b.publish(secure(t, "a.test"))
		if resumed("a.test") {
			t.Error("a session of another certificate is resumed")
		}
		b.publish(strings.ReplaceAll(text, "common_tls_context", "disable_stateless_session_resumption: true, common_tls_context"))
		for range 2 {
			if resumed("a.test") {
				t.Error("a session is resumed although it may not be")
			}
		}
	}
}
