package engine

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"

	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"

	"github.com/crossgate/crossgate/internal/header"
)

var hClientCert = []byte("x-forwarded-client-cert")

// certDetails says what x-forwarded-client-cert tells of a client's certificate
// (set_current_client_cert_details); nil: nothing, the header is only removed.
type certDetails struct {
	subject, cert, chain, dns, uri bool
	by                             []string // the URIs in the listener's own certificate
}

func compileCertDetails(h *hcmv3.HttpConnectionManager) *certDetails {
	if h.GetForwardClientCertDetails() != hcmv3.HttpConnectionManager_SANITIZE_SET {
		return nil
	}
	d := h.GetSetCurrentClientCertDetails()
	return &certDetails{subject: d.GetSubject().GetValue(), cert: d.GetCert(), chain: d.GetChain(), dns: d.GetDns(), uri: d.GetUri()}
}

// forwardClientCert replaces what the client says of its certificate by what the
// handshake has shown.
func (s *stream) forwardClientCert(h *header.List) {
	h.Remove(string(hClientCert))
	d, state := s.manager.certDetails, s.peer.tls
	if d == nil || state == nil || len(state.PeerCertificates) == 0 {
		return
	}
	text := d.text(state.PeerCertificates)
	if hasControl(text) {
		// A name with a line break would write a header of its own.
		s.badHeader = hClientCert
		return
	}
	h.Add(hClientCert, []byte(text))
}

// refuseHeader answers a request that cannot be sent because the value of a
// header is none.
func (s *stream) refuseHeader() {
	s.flags |= flagDownstreamProtocolError
	reason := "invalid header value for: " + string(s.badHeader)
	details := "filter_removed_required_request_headers{" + strings.ReplaceAll(reason, " ", "_") + "}"
	s.localReply(503, details, []byte(reason))
}

// ownNames are the URIs in the certificate that a listener shows.
func ownNames(cfg *tls.Config) []string {
	if cfg == nil || len(cfg.Certificates) == 0 || cfg.Certificates[0].Leaf == nil {
		return nil
	}
	var out []string
	for _, u := range cfg.Certificates[0].Leaf.URIs {
		out = append(out, u.String())
	}
	return out
}

// text is the header's value in Envoy's order and spelling.
func (d *certDetails) text(chain []*x509.Certificate) string {
	leaf := chain[0]
	hash := sha256.Sum256(leaf.Raw)
	var parts []string
	for _, u := range d.by {
		parts = append(parts, "By="+u)
	}
	parts = append(parts, "Hash="+hex.EncodeToString(hash[:]))
	if d.cert {
		parts = append(parts, `Cert="`+escapedPEM(chain[:1])+`"`)
	}
	if d.chain {
		parts = append(parts, `Chain="`+escapedPEM(chain)+`"`)
	}
	if d.subject {
		parts = append(parts, `Subject="`+subjectText(leaf.RawSubject)+`"`)
	}
	if d.uri {
		if len(leaf.URIs) == 0 {
			parts = append(parts, "URI=")
		}
		for _, u := range leaf.URIs {
			parts = append(parts, "URI="+u.String())
		}
	}
	if d.dns {
		for _, name := range leaf.DNSNames {
			parts = append(parts, "DNS="+name)
		}
	}
	return strings.Join(parts, ";")
}

// escapedPEM is the chain in PEM with what a header cannot carry escaped as in a
// query (RFC 3986).
func escapedPEM(chain []*x509.Certificate) string {
	var b strings.Builder
	for _, c := range chain {
		b.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
	}
	return strings.NewReplacer("\n", "%0A", " ", "%20", "+", "%2B", "/", "%2F", "=", "%3D").Replace(b.String())
}

// attributes are the names that OpenSSL gives those of a subject beside Go's own.
var attributes = map[string]string{"1.2.840.113549.1.9.1": "emailAddress", "0.9.2342.19200300.100.1.25": "DC", "0.9.2342.19200300.100.1.1": "UID"}

// subjectText is the name as RFC 2253 writes it: the last attribute first, also
// within a set, as OpenSSL has it.
func subjectText(raw []byte) string {
	var names pkix.RDNSequence
	if _, err := asn1.Unmarshal(raw, &names); err != nil {
		return ""
	}
	var out []string
	for _, set := range slices.Backward(names) {
		var one []string
		for _, a := range slices.Backward(set) {
			text := (pkix.RDNSequence{{a}}).String()
			if name, ok := attributes[a.Type.String()]; ok {
				// The printer knows how to escape; it only does not know the name.
				text = (pkix.RDNSequence{{{Type: commonName, Value: a.Value}}}).String()
				text = name + strings.TrimPrefix(text, "CN")
			}
			one = append(one, text)
		}
		out = append(out, strings.Join(one, "+"))
	}
	return escapedName(strings.Join(out, ","))
}

// escapedName writes bytes that are no printable ASCII as OpenSSL does.
func escapedName(name string) string {
	var b strings.Builder
	for i := range len(name) {
		if c := name[i]; c < ' ' || c >= 0x7f {
			fmt.Fprintf(&b, `\%02X`, c)
			continue
		}
		b.WriteByte(name[i])
	}
	return b.String()
}

var commonName = asn1.ObjectIdentifier{2, 5, 4, 3}
