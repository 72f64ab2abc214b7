package square

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crossgate/crossgate/test/authority"
)

// clientOperators are what a log can tell of the certificates of both sides of a
// client's connection.
var clientOperators = strings.Fields(`
%DOWNSTREAM_PEER_SUBJECT% %DOWNSTREAM_PEER_ISSUER% %DOWNSTREAM_PEER_URI_SAN% %DOWNSTREAM_PEER_DNS_SAN% %DOWNSTREAM_PEER_IP_SAN% %DOWNSTREAM_PEER_EMAIL_SAN%
%DOWNSTREAM_PEER_SERIAL% %DOWNSTREAM_PEER_FINGERPRINT_1% %DOWNSTREAM_PEER_FINGERPRINT_256% %DOWNSTREAM_PEER_CERT%
%DOWNSTREAM_PEER_CERT_V_START% %DOWNSTREAM_PEER_CERT_V_END% %DOWNSTREAM_PEER_CERT_V_START(%b_%d_%H:%M:%S_%Y_%Z)% %DOWNSTREAM_PEER_CERT_V_END(%s)%
%DOWNSTREAM_PEER_CHAIN_SERIALS% %DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_1% %DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_256%
%DOWNSTREAM_LOCAL_SUBJECT% %DOWNSTREAM_LOCAL_URI_SAN% %DOWNSTREAM_LOCAL_DNS_SAN% %DOWNSTREAM_LOCAL_IP_SAN% %DOWNSTREAM_LOCAL_EMAIL_SAN%
`)

// TestOperatorsOfClientCertificates compares what is told of a client's certificate
// and the listener's own.
func TestOperatorsOfClientCertificates(t *testing.T) {
	ca := authority.New(t, "ca")
	below := ca.Intermediate("below")
	spiffe, err := url.Parse("spiffe://cluster.local/ns/x/sa/y")
	if err != nil {
		t.Fatal(err)
	}
	addresses := []net.IP{net.IPv4(10, 0, 0, 1), net.ParseIP("2001:db8::1")}
	full := func(name string) *x509.Certificate {
		return &x509.Certificate{
			Subject: pkix.Name{Country: []string{"DE"}, Organization: []string{`Acme, Inc. "q"`}, CommonName: name}, IPAddresses: addresses,
			DNSNames: []string{name + "1.test", name + "2.test"}, URIs: []*url.URL{spiffe}, EmailAddresses: []string{"e@f.g", "h@f.g"},
		}
	}
	plain, rich, chained := ca.Issue(&x509.Certificate{Subject: pkix.Name{CommonName: "plain"}}), ca.Issue(full("client")), below.Issue(full("below"))
	chained.Certificate = append(chained.Certificate, below.Cert.Raw)
	clients := map[string]*tls.Certificate{"none": nil, "plain": &plain, "rich": &rich, "chained": &chained}
	trusted := "validation_context: {trusted_ca: {inline_string: " + inline(ca.PEM()) + "}},"
	for name, server := range map[string]tls.Certificate{
		"plain": ca.Issue(&x509.Certificate{DNSNames: []string{"a.test"}}),
		"rich":  ca.Issue(full("server")),
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, planesOf(t))
			text := fmt.Sprintf(upstreamBootstrap, "lb_policy: ROUND_ROBIN", b.up.Port(), freePort())
			text = strings.Replace(text, "    - filters:\n", "    - transport_socket: "+certificateSocket(t, server, "", trusted)+"\n      filters:\n", 1)
			text = strings.Replace(text, "%RESPONSE_FLAGS%", strings.Join(clientOperators, " | "), 1)
			corners := b.corners(text)
			for name, client := range clients {
				var answers [][]string
				for _, c := range corners {
					answers = append(answers, askTLS(c, client).Lines())
				}
				if all := strings.Join(answers[0], "\n"); !strings.Contains(all, "200") || strings.Contains(all, "BEGIN%20CERTIFICATE") != (client != nil) {
					t.Fatalf("%s: %s", name, all)
				}
				for i, got := range answers[1:] {
					if diff := cmp.Diff(answers[0], got); diff != "" {
						t.Errorf("%s: (-%s +%s)\n%s", name, corners[0].Name, corners[i+1].Name, diff)
					}
				}
			}
		})
	}
}
