package square

import (
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crossgate/crossgate/test/authority"
	"github.com/crossgate/crossgate/test/rawhttp"
)

// upstreamTLS writes a transport socket of a cluster.
func upstreamTLS(own, common string) string {
	return `{name: envoy.transport_sockets.tls, typed_config: {"@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext, ` + own +
		` common_tls_context: {` + common + `}}}`
}

// httpOption writes the protocol options of a cluster.
func httpOption(version, names string) string {
	return `typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {"@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, ` +
		names + `explicit_http_config: {` + version + `: {}}}}`
}

// tlsSetting is one way of asking for TLS.
type tlsSetting struct {
	name, socket, options string
}

func tlsSettings(t *testing.T, ca *authority.Authority) []tlsSetting {
	trusted := "trusted_ca: {inline_string: " + inline(ca.PEM()) + "}"
	validated := func(more string) string { return "validation_context: {" + trusted + more + "}, " }
	names := func(kind, matcher string) string {
		return validated(", match_typed_subject_alt_names: [{san_type: " + kind + ", matcher: {" + matcher + "}}]")
	}
	spiffe, _ := url.Parse("spiffe://cluster.local/ns/x/sa/y")
	client := ca.Issue(&x509.Certificate{Subject: pkix.Name{CommonName: "client one"}, DNSNames: []string{"c1.test", "c2.test"}, URIs: []*url.URL{spiffe}})
	hash := sha256.Sum256(client.Certificate[0])
	shown := inlinePair(t, client) + ", "
	versions := func(lo, hi string) string {
		return "tls_params: {tls_minimum_protocol_version: " + lo + ", tls_maximum_protocol_version: " + hi + "}, "
	}
	const h2, h1 = "http2_protocol_options", "http_protocol_options"
	auto := func(s string) string { return "upstream_http_protocol_options: {" + s + "}, " }
	return []tlsSetting{
		{"unverified", upstreamTLS("", ""), ""},
		{"verified", upstreamTLS("sni: server.test,", validated("")), ""},
		{"the name in the certificate", upstreamTLS("sni: server.test,", names("DNS", "exact: server.test")), ""},
		{"another name", upstreamTLS("sni: x.test,", names("DNS", "exact: x.test")), ""},
		{"under the wildcard", upstreamTLS("sni: a.wild.test,", names("DNS", "exact: A.wild.test")), ""},
		{"two below the wildcard", upstreamTLS("sni: a.b.wild.test,", names("DNS", "exact: a.b.wild.test")), ""},
		{"a part of a label", upstreamTLS("sni: wild.part.test,", names("DNS", "exact: wild.part.test")), ""},
		{"a prefix", upstreamTLS("", names("DNS", "prefix: serv")), ""},
		{"an address", upstreamTLS("", names("IP_ADDRESS", "exact: 127.0.0.1")), ""},
		{"of any kind", upstreamTLS("", validated(", match_subject_alt_names: [{exact: 127.0.0.1}]")), ""},
		{"of any kind, wildcard", upstreamTLS("", validated(", match_subject_alt_names: [{exact: b.wild.test}]")), ""},
		{"a hash", upstreamTLS("", validated(", verify_certificate_hash: ["+hex.EncodeToString(hash[:])+"]")), ""},
		{"auto SNI and SAN", upstreamTLS("", validated("")), httpOption(h1, auto("auto_sni: true, auto_san_validation: true"))},
		{"auto SNI beside a name", upstreamTLS("sni: server.test,", validated("")), httpOption(h1, auto("auto_sni: true"))},
		{"auto SAN", upstreamTLS("sni: server.test,", validated("")), httpOption(h1, auto("auto_san_validation: true"))},
		{"auto SNI and SAN over HTTP/2", upstreamTLS("", validated("")+"alpn_protocols: [h2],"), httpOption(h2, auto("auto_sni: true, auto_san_validation: true"))},
		{"SNI is the name", upstreamTLS("sni: server.test, auto_sni_san_validation: true,", validated("")), ""},
		{"SNI is the name, another", upstreamTLS("sni: x.test, auto_sni_san_validation: true,", validated(", match_typed_subject_alt_names: [{san_type: DNS, matcher: {exact: server.test}}]")), ""},
		{"the endpoint's name", upstreamTLS("auto_host_sni: true, sni: x.test,", validated("")), ""},
		{"client certificate", upstreamTLS("", validated("")+shown), ""},
		{"client certificate over HTTP/2", upstreamTLS("", validated("")+shown), httpOption(h2, "")},
		{"at least 1.3", upstreamTLS("", versions("TLSv1_3", "TLS_AUTO")), ""},
		{"up to 1.3", upstreamTLS("", versions("TLSv1_2", "TLSv1_3")), ""},
		{"1.3", upstreamTLS("", versions("TLSv1_3", "TLSv1_3")), ""},
		{"HTTP/2", upstreamTLS("", validated("")), httpOption(h2, "")},
		{"HTTP/2 by ALPN", upstreamTLS("", validated("")+"alpn_protocols: [h2],"), httpOption(h2, "")},
		{"a protocol of the mesh", upstreamTLS("", validated("")+"alpn_protocols: [istio],"), ""},
		{"HTTP/1.1 by ALPN", upstreamTLS("", validated("")+"alpn_protocols: [http/1.1],"), ""},
		{"a name in capitals", upstreamTLS("sni: SERVER.test, auto_sni_san_validation: true,", validated("")), ""},
	}
}

// tlsOperators are what a log can tell of a connection to a service.
const tlsOperators = "version %UPSTREAM_TLS_VERSION%, cipher %UPSTREAM_TLS_CIPHER%, server name %UPSTREAM_SERVER_NAME%, subject %UPSTREAM_PEER_SUBJECT%, issuer %UPSTREAM_PEER_ISSUER%," +
	" names %UPSTREAM_PEER_DNS_SAN% %UPSTREAM_PEER_URI_SAN% %UPSTREAM_PEER_IP_SAN%, own %UPSTREAM_LOCAL_DNS_SAN% %UPSTREAM_LOCAL_URI_SAN% %UPSTREAM_LOCAL_IP_SAN%, %UPSTREAM_PEER_CERT%, valid %UPSTREAM_PEER_CERT_V_START% %UPSTREAM_PEER_CERT_V_END(%s)%, host %UPSTREAM_HOST_NAME% %UPSTREAM_HOST_NAME_WITHOUT_PORT%"

// TestTLSToServices compares which services are reached by which settings, what
// they see of the handshake, and what is said when they are not.
func TestTLSToServices(t *testing.T) {
	ca, other := authority.New(t, "ca"), authority.New(t, "other")
	services, settings := tlsServices(t, ca, other), tlsSettings(t, ca)
	var routes, clusters strings.Builder
	for i, set := range settings {
		for j, svc := range services {
			name := fmt.Sprintf("c%d-%d", i, j)
			fmt.Fprintf(&routes, "              - {match: {prefix: /%s/}, route: {cluster: %s}}\n", name, name)
			options := set.options
			if options != "" {
				options += ", "
			}
			fmt.Fprintf(&clusters, "  - {name: %[1]s, type: STATIC, connect_timeout: 5s, transport_socket: %[2]s, %[3]sload_assignment: {cluster_name: %[1]s, endpoints: [{lb_endpoints: "+
				"[{endpoint: {hostname: server.test, address: {socket_address: {address: 127.0.0.1, port_value: %[4]d}}}}]}]}}\n", name, set.socket, options, svc.port)
		}
	}
	b := newBench(t, planesOf(t))
	corners := b.corners(mainListener + `          route_config:
            name: r
            virtual_hosts:
            - name: v
              domains: ["*"]
              response_headers_to_add: [{header: {key: x-details, value: "%RESPONSE_CODE_DETAILS% %RESPONSE_FLAGS% %UPSTREAM_TRANSPORT_FAILURE_REASON%"}}, {header: {key: x-tls, value: "` + tlsOperators + `"}}]
              routes:
` + routes.String() + "  clusters:\n" + clusters.String())
	reached := 0
	for i, set := range settings {
		hosts := []string{"server.test"}
		if strings.Contains(set.options, "auto") {
			hosts = []string{"server.test", "W.wild.TEST:81", "other.test:8080", "a.wild.test", "wild.part.test", "127.0.0.1:80", "127.0.0.2", "[::1]:80", ":80"}
		}
		for j, svc := range services {
			for _, host := range hosts {
				c := &Case{Request: Request{Method: "GET", Target: fmt.Sprintf("/c%d-%d/", i, j), Fields: rawhttp.Fields{{Name: "Host", Value: host}}}}
				var answers [][]string
				for _, corner := range corners {
					a, err := corner.do(c)
					if err != nil {
						t.Fatal(err)
					}
					answers = append(answers, a.Lines())
				}
				if strings.Contains(answers[0][0], "200") {
					reached++
				}
				if svc.name == lineBreak {
					// Envoy writes the name as it is.
					got := answers[len(answers)-1]
					if text := strings.Join(got, "\n"); got[0] != answers[0][0] || strings.Contains(text, "\nx-admin") {
						t.Errorf("%s: the service's certificate writes a header:\n%s", set.name, text)
					}
					continue
				}
				for k, got := range answers[1:] {
					if diff := cmp.Diff(answers[0], got); diff != "" {
						t.Errorf("%s, service %q, host %s: (-%s +%s)\n%s", set.name, svc.name, host, corners[0].Name, corners[k+1].Name, diff)
					}
				}
			}
		}
	}
	t.Logf("%d settings, %d services; %d requests were served", len(settings), len(services), reached)
}
