package square

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crossgate/crossgate/test/authority"
	"github.com/crossgate/crossgate/test/rawhttp"
)

// inline writes PEM as a JSON string.
func inline(pem []byte) string {
	return `"` + strings.ReplaceAll(string(pem), "\n", `\n`) + `"`
}

// inlinePair is the field tls_certificates with one certificate and its key.
func inlinePair(t *testing.T, c tls.Certificate) string {
	t.Helper()
	cert, key := authority.PEM(t, c)
	return "tls_certificates: [{certificate_chain: {inline_string: " + inline(cert) + "}, private_key: {inline_string: " + inline(key) + "}}]"
}

func certificateSocket(t *testing.T, server tls.Certificate, more, common string) string {
	t.Helper()
	return `{name: envoy.transport_sockets.tls, typed_config: {"@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext, ` + more +
		` common_tls_context: {` + common + ` alpn_protocols: [h2, http/1.1], ` + inlinePair(t, server) + `}}}`
}

// TestClientCertificates compares which client certificates are taken, and what
// the service is told of them.
func TestClientCertificates(t *testing.T) {
	ca, other := authority.New(t, "ca"), authority.New(t, "other")
	server := ca.Issue(&x509.Certificate{Subject: pkix.Name{CommonName: "server"}, DNSNames: []string{"a.test"}})
	spiffe, _ := url.Parse("spiffe://cluster.local/ns/x/sa/y")
	second, _ := url.Parse("https://u2.test/a;b")
	clients := map[string]*tls.Certificate{"none": nil}
	add := func(name string, a *authority.Authority, template *x509.Certificate) {
		c := a.Issue(template)
		clients[name] = &c
	}
	add("plain", ca, &x509.Certificate{Subject: pkix.Name{CommonName: "plain"}})
	add("names", ca, &x509.Certificate{
		Subject: pkix.Name{
			Country: []string{"DE"}, Organization: []string{`Acme, Inc. "q"`}, OrganizationalUnit: []string{"x;y", "z+1"}, CommonName: "client one",
			ExtraNames: []pkix.AttributeTypeAndValue{{Type: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}, Value: "a@b.c"}},
		},
		DNSNames: []string{"c1.test", "c2.test"}, URIs: []*url.URL{spiffe, second}, EmailAddresses: []string{"e@f.g"},
	})
	add("line break in a DNS name", ca, &x509.Certificate{Subject: pkix.Name{CommonName: "c"}, DNSNames: []string{"c1.test", "x\r\nx-admin: 1"}})
	add("line break in the subject", ca, &x509.Certificate{Subject: pkix.Name{CommonName: "x\r\nx-admin: 1"}, DNSNames: []string{"c1.test"}})
	add("no ASCII", ca, &x509.Certificate{Subject: pkix.Name{CommonName: "Müller", Organization: []string{"\x7f"}}, DNSNames: []string{"c1.test"}})
	add("client usage", ca, &x509.Certificate{Subject: pkix.Name{CommonName: "c"}, DNSNames: []string{"c1.test"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	add("server usage", ca, &x509.Certificate{Subject: pkix.Name{CommonName: "c"}, DNSNames: []string{"c1.test"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	add("another authority", other, &x509.Certificate{Subject: pkix.Name{CommonName: "c"}, DNSNames: []string{"c1.test"}})

	own := ca.Issue(&x509.Certificate{Subject: pkix.Name{CommonName: "server"}, DNSNames: []string{"a.test"}, URIs: []*url.URL{spiffe, second}})
	hash := sha256.Sum256(clients["plain"].Certificate[0])
	spki := sha256.Sum256(clients["plain"].Leaf.RawSubjectPublicKeyInfo)
	trusted := "trusted_ca: {inline_string: " + inline(ca.PEM()) + "}"
	for name, socket := range map[string]string{
		"required":         certificateSocket(t, server, "require_client_certificate: true,", "validation_context: {"+trusted+"},"),
		"optional":         certificateSocket(t, server, "", "validation_context: {"+trusted+"},"),
		"optional by name": certificateSocket(t, server, "", "validation_context: {"+trusted+", match_typed_subject_alt_names: [{san_type: DNS, matcher: {exact: c1.test}}]},"),
		"optional by hash": certificateSocket(t, server, "", "validation_context: {"+trusted+", verify_certificate_hash: ["+hex.EncodeToString(hash[:])+"]},"),
		"optional by key":  certificateSocket(t, server, "", "validation_context: {"+trusted+", verify_certificate_spki: ["+base64.StdEncoding.EncodeToString(spki[:])+"]},"),
		"hash alone":       certificateSocket(t, server, "", "validation_context: {verify_certificate_hash: ["+hex.EncodeToString(hash[:])+"]},"),
		"an own name":      certificateSocket(t, own, "require_client_certificate: true,", "validation_context: {"+trusted+"},"),
		"by name":          certificateSocket(t, server, "require_client_certificate: true,", "validation_context: {"+trusted+", match_typed_subject_alt_names: [{san_type: DNS, matcher: {exact: c1.test}}]},"),
	} {
		t.Run(name, func(t *testing.T) { compareClients(t, socket, clients) })
	}
}

// TestCiphersOfClients compares what a log tells of the handshake with a client.
func TestCiphersOfClients(t *testing.T) {
	ca := authority.New(t, "ca")
	server := ca.Issue(&x509.Certificate{DNSNames: []string{"a.test"}})
	b := newBench(t, planesOf(t))
	text := fmt.Sprintf(upstreamBootstrap, "lb_policy: ROUND_ROBIN", b.up.Port(), freePort())
	text = strings.Replace(text, "    - filters:\n", "    - transport_socket: "+certificateSocket(t, server, "", "")+"\n      filters:\n", 1)
	text = strings.Replace(text, "%RESPONSE_FLAGS%", "%DOWNSTREAM_TLS_VERSION% %DOWNSTREAM_TLS_CIPHER%", 1)
	corners := b.corners(text)
	for _, cfg := range []*tls.Config{
		{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}},
		{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384}},
		{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256}},
		{MinVersion: tls.VersionTLS13},
	} {
		cfg.InsecureSkipVerify, cfg.ServerName = true, "a.test"
		var seen []string
		for _, c := range corners {
			nc, err := tls.Dial("tcp", c.addrs[c.first], cfg)
			if err != nil {
				t.Fatal(err)
			}
			conn := rawhttp.NewConn(nc, answerLimit)
			a := c.send(conn, &Case{Request: Request{Method: "GET", Target: "/", Fields: rawhttp.Fields{{Name: "Host", Value: "a.test"}}}})
			_ = conn.Close()
			details, _ := a.Response.Fields.Get("x-details")
			seen = append(seen, details)
		}
		t.Log(seen[0])
		for i, got := range seen[1:] {
			if got != seen[0] || !strings.Contains(got, "TLSv1") {
				t.Errorf("%s: %s\n%s: %s", corners[0].Name, seen[0], corners[i+1].Name, got)
			}
		}
	}
}

func compareClients(t *testing.T, socket string, clients map[string]*tls.Certificate) {
	b := newBench(t, planesOf(t))
	text := fmt.Sprintf(upstreamBootstrap, "lb_policy: ROUND_ROBIN", b.up.Port(), freePort())
	text = strings.Replace(text, "    - filters:\n", "    - transport_socket: "+socket+"\n      filters:\n", 1)
	text = strings.Replace(text, "          stat_prefix: s\n",
		"          stat_prefix: s\n          forward_client_cert_details: SANITIZE_SET\n          set_current_client_cert_details: {subject: true, cert: true, chain: true, dns: true, uri: true}\n", 1)
	corners := b.corners(text)
	taken := 0
	for name, client := range clients {
		var answers [][]string
		for _, c := range corners {
			answers = append(answers, askTLS(c, client).Lines())
		}
		if strings.Contains(answers[0][0], "200") {
			taken++
		}
		for i, got := range answers[1:] {
			if diff := cmp.Diff(answers[0], got); diff != "" {
				t.Errorf("%s: (-%s +%s)\n%s", name, corners[0].Name, corners[i+1].Name, diff)
			}
		}
	}
	t.Logf("%d of %d clients are served", taken, len(clients))
}

// askTLS sends a request that lies about its certificate, with a certificate or
// without. A connection that is refused looks alike whenever it is noticed.
func askTLS(c *Corner, client *tls.Certificate) Answer {
	cfg := &tls.Config{InsecureSkipVerify: true, ServerName: "a.test", NextProtos: []string{"http/1.1"}}
	cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		if client == nil {
			return &tls.Certificate{}, nil
		}
		return client, nil
	}
	refused := Answer{Response: rawhttp.Response{End: "refused"}}
	nc, err := tls.Dial("tcp", c.addrs[c.first], cfg)
	if err != nil {
		return refused
	}
	conn := rawhttp.NewConn(nc, answerLimit)
	defer func() { _ = conn.Close() }()
	a := c.send(conn, &Case{Request: Request{Method: "GET", Target: "/", Fields: rawhttp.Fields{{Name: "Host", Value: "a.test"}, {Name: "X-Forwarded-Client-Cert", Value: "Hash=1"}}}})
	if a.Response.Status == 0 {
		return refused
	}
	return a
}
