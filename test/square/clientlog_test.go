package square

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"net"
	"slices"
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
%DOWNSTREAM_PEER_OTHERNAME_SAN% %DOWNSTREAM_LOCAL_OTHERNAME_SAN% %DOWNSTREAM_PEER_ISSUER_FINGERPRINT_256% %DOWNSTREAM_PEER_ISSUER_SERIAL%
`)

// otherNames is an extension with alternative names of every kind, among them some
// that only their type tells apart (RFC 5280 section 4.2.1.6).
func otherNames(t *testing.T, name string) pkix.Extension {
	t.Helper()
	raw := func(class, tag int, compound bool, content []byte) []byte {
		out, err := asn1.Marshal(asn1.RawValue{Class: class, Tag: tag, IsCompound: compound, Bytes: content})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	general := func(tag int, content []byte) []byte { return raw(asn1.ClassContextSpecific, tag, tag == 0, content) }
	id, err := asn1.Marshal(asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 3})
	if err != nil {
		t.Fatal(err)
	}
	other := func(tag int, content []byte) []byte {
		value := raw(asn1.ClassUniversal, tag, false, content)
		return general(0, slices.Concat(id, raw(asn1.ClassContextSpecific, 0, true, value)))
	}
	names := slices.Concat(
		general(2, []byte(name+"1.test")), other(asn1.TagUTF8String, []byte("upn@"+name+".test")), general(2, []byte(name+"2.test")),
		other(asn1.TagIA5String, []byte("ia5")), other(asn1.TagPrintableString, []byte("printable")), other(asn1.TagInteger, []byte{42}),
		other(asn1.TagInteger, []byte{1, 0, 0, 0, 0, 0, 0, 0, 0}), other(asn1.TagInteger, []byte{0xff}), other(asn1.TagBoolean, []byte{0xff}), other(asn1.TagBoolean, []byte{0}),
		other(asn1.TagOctetString, []byte("octets")), other(asn1.TagEnum, []byte{7}), other(asn1.TagNull, nil), other(asn1.TagOID, []byte{42, 3, 4}),
		other(asn1.TagUTCTime, []byte("260101000000Z")), other(asn1.TagBMPString, []byte{0, 'b', 0, 'm'}),
		other(asn1.TagBitString, []byte{0, 'x'}), other(asn1.TagGeneralString, []byte("general")), other(asn1.TagGeneralizedTime, []byte("20260101000000Z")),
		general(6, []byte("spiffe://cluster.local/ns/x/sa/y")), general(1, []byte("e@f.g")), general(1, []byte("h@f.g")),
		general(7, []byte{10, 0, 0, 1}), general(7, net.ParseIP("2001:db8::1")),
	)
	return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: raw(asn1.ClassUniversal, asn1.TagSequence, true, names)}
}

// TestOperatorsOfClientCertificates compares what is told of a client's certificate
// and the listener's own.
func TestOperatorsOfClientCertificates(t *testing.T) {
	ca := authority.New(t, "ca")
	below := ca.Intermediate("below")
	full := func(name string) *x509.Certificate {
		return &x509.Certificate{
			Subject:         pkix.Name{Country: []string{"DE"}, Organization: []string{`Acme, Inc. "q"`}, CommonName: name},
			ExtraExtensions: []pkix.Extension{otherNames(t, name)},
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
