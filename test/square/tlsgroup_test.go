package square

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/crossgate/crossgate/test/authority"
	"github.com/crossgate/crossgate/test/rawhttp"
)

// tlsLog has what logs tell of handshakes, in numbers and names.
func tlsLog() string {
	fields := map[string]string{"target": "%REQ(:path)%"}
	for _, o := range strings.Fields(`DOWNSTREAM_TLS_GROUP UPSTREAM_TLS_GROUP DOWNSTREAM_HANDSHAKE_DURATION DOWNSTREAM_PEER_ISSUER_SERIAL DOWNSTREAM_PEER_ISSUER_FINGERPRINT_256
		DOWNSTREAM_TLS_VERSION UPSTREAM_TLS_VERSION UPSTREAM_LOCAL_IP_SAN
		COMMON_DURATION(US_CX_BEG:US_CX_END:ns) COMMON_DURATION(US_CX_BEG:US_HS_END:ns) COMMON_DURATION(US_HS_END:US_CX_BEG:ns)
		XFCC_VALUE(by) XFCC_VALUE(hash) XFCC_VALUE(cert) XFCC_VALUE(chain) XFCC_VALUE(subject) XFCC_VALUE(uri) XFCC_VALUE(dns)`) {
		fields[o] = "%" + o + "%"
	}
	text, _ := json.Marshal(fields) // texts always are JSON
	return string(text)
}

// TestOperatorsOfHandshakes compares what logs tell of the handshakes with clients and
// services: the group of the key exchange where both sides leave one, the issuer of a
// session that is new and of one that is resumed, and how long ago the handshake was.
func TestOperatorsOfHandshakes(t *testing.T) {
	ca := authority.New(t, "ca")
	client := ca.Issue(&x509.Certificate{DNSNames: []string{"c1.test", "c2.test"}, IPAddresses: []net.IP{net.IPv4(10, 0, 0, 1)}})
	server := ca.Issue(&x509.Certificate{DNSNames: []string{"a.test"}})
	trusted := "validation_context: {trusted_ca: {inline_string: " + inline(ca.PEM()) + "}},"
	var routes, clusters strings.Builder
	for _, e := range exchanges {
		port := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{server}, CurvePreferences: []tls.CurveID{e.group}, MinVersion: e.version, MaxVersion: e.version})
		fmt.Fprintf(&routes, "              - {match: {prefix: /%s}, route: {cluster: %s}}\n", e, e)
		fmt.Fprintf(&clusters, "  - {name: %[1]s, type: STATIC, connect_timeout: 5s, transport_socket: %[2]s, load_assignment: {cluster_name: %[1]s, endpoints: [{lb_endpoints: "+
			"[{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: %[3]d}}}}]}]}}\n", e, upstreamTLS("", "tls_params: {tls_maximum_protocol_version: TLSv1_3}, "+inlinePair(t, client)+","), port)
	}
	text := mainListener + `          forward_client_cert_details: SANITIZE_SET
          set_current_client_cert_details: {subject: true, cert: true, chain: true, dns: true, uri: true}
          access_log:
          - {name: j, typed_config: {"@type": type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog, log_format: {json_format: ` + tlsLog() + `}}}
          route_config:
            name: r
            virtual_hosts:
            - name: v
              domains: ["*"]
              routes:
` + routes.String() + "              - {match: {prefix: /}, direct_response: {status: 200}}\n  clusters:\n" + clusters.String()
	text = strings.Replace(text, "    - filters:\n", "    - transport_socket: "+certificateSocket(t, server, "", trusted)+"\n      filters:\n", 1)
	var logs [][]map[string]any
	for _, p := range planesOf(t) {
		logs = append(logs, handshakeLog(t, p, text, client))
	}
	seen := map[any]int{}
	for i := range logs[0] {
		want := handshakeShape(logs[0][i])
		for _, k := range []string{"DOWNSTREAM_HANDSHAKE_DURATION", "DOWNSTREAM_TLS_GROUP", "UPSTREAM_TLS_GROUP", "DOWNSTREAM_PEER_ISSUER_SERIAL"} {
			seen[want[k]]++
		}
		for _, other := range logs[1:] {
			if diff := cmp.Diff(want, handshakeShape(other[i])); diff != "" {
				t.Errorf("%v: (-envoy +engine)\n%s", logs[0][i]["target"], diff)
			}
		}
	}
	if serial := fmt.Sprintf("%02x", ca.Cert.SerialNumber); seen["now"] != 10 || seen["a moment ago"] != 10 ||
		seen["X25519"] < 8 || seen["P-256"] < 8 || seen["X25519MLKEM768"] < 4 || seen[serial] != 10 {
		t.Errorf("in the log of Envoy: %v", seen)
	}
}

// keyExchange is what both sides of a handshake can agree on.
type keyExchange struct {
	group   tls.CurveID
	version uint16
}

// exchanges are the groups that Envoy offers and takes when nothing is configured.
var exchanges = []keyExchange{
	{tls.X25519, tls.VersionTLS12},
	{tls.X25519, tls.VersionTLS13},
	{tls.CurveP256, tls.VersionTLS12},
	{tls.CurveP256, tls.VersionTLS13},
	{tls.X25519MLKEM768, tls.VersionTLS13},
}

func (e keyExchange) String() string { return fmt.Sprintf("%d-%d", e.group, e.version) }

// offered are the groups of a client that gets this one. TLS 1.2 wants that of the
// certificate's key among them (RFC 8422 section 5.1).
func (e keyExchange) offered() []tls.CurveID {
	if e.group == tls.CurveP256 {
		return []tls.CurveID{e.group}
	}
	return []tls.CurveID{e.group, tls.CurveP256}
}

// between is the time between two requests on one connection.
const between = 300 * time.Millisecond

// handshakeLog sends requests to a plane, over new connections, resumed sessions and one
// connection twice, and returns its log in their order.
func handshakeLog(t *testing.T, p plane, text string, client tls.Certificate) []map[string]any {
	t.Helper()
	corners, err := start([]plane{p}, t.TempDir(), []byte(text), rawhttp.NewDesk())
	if err != nil {
		t.Fatal(err)
	}
	c := corners[0]
	want := 0
	for _, e := range exchanges {
		cfg := &tls.Config{
			InsecureSkipVerify: true, ServerName: "a.test", MinVersion: e.version, MaxVersion: e.version, CurvePreferences: e.offered(),
			Certificates: []tls.Certificate{client}, ClientSessionCache: tls.NewLRUClientSessionCache(1),
		}
		for _, name := range []string{"new", "resumed"} {
			nc, err := tls.Dial("tcp", c.addrs[c.first], cfg)
			if err != nil {
				t.Fatal(err)
			}
			conn := rawhttp.NewConn(nc, answerLimit)
			for i, path := range []string{fmt.Sprintf("/?%s-%s", name, e), fmt.Sprintf("/%s?%s", e, name)} {
				if i > 0 {
					time.Sleep(between)
				}
				want++
				if a := c.send(conn, &Case{Request: Request{Method: "GET", Target: path, Fields: rawhttp.Fields{{Name: "Host", Value: "a.test"}}}}); a.Response.Status != 200 {
					t.Fatalf("%s: %s: %v", c.Name, path, a.Lines())
				}
			}
			if resumed := nc.ConnectionState().DidResume; resumed != (name == "resumed") {
				t.Fatalf("%s: %s: resumed: %v", c.Name, name, resumed)
			}
			_ = conn.Close()
		}
	}
	if err := stop(corners); err != nil {
		t.Fatal(err)
	}
	var out []map[string]any
	for line := range strings.Lines(c.proc.Output()) {
		var object map[string]any
		if strings.HasPrefix(line, "{") && json.Unmarshal([]byte(line), &object) == nil {
			out = append(out, object)
		}
	}
	if len(out) != want {
		t.Fatalf("%s: %d lines for %d requests", c.Name, len(out), want)
	}
	return out
}

// handshakeShape is a line without its times: of how long ago the handshake was only
// whether it was at once or a moment ago.
func handshakeShape(line map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range line {
		ms, number := v.(float64)
		switch {
		case k == "DOWNSTREAM_HANDSHAKE_DURATION" && number && ms <= -float64(between.Milliseconds()) && ms > -10*float64(between.Milliseconds()):
			v = "a moment ago"
		case k == "DOWNSTREAM_HANDSHAKE_DURATION" && number && ms <= 0 && ms > -float64(between.Milliseconds()):
			v = "now"
		case strings.HasPrefix(k, "COMMON_DURATION") && number && ms > 0:
			v = "some time"
		}
		out[k] = v
	}
	return out
}
