package engine

import (
	"crypto/sha1" // a fingerprint that logs ask for, no signature
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"strings"

	"github.com/crossgate/crossgate/internal/format"
)

// text returns what there is to say of the handshake with a service; of a
// connection in the clear, nothing.
func (c *securedConn) text(v format.Value) []byte {
	if c == nil {
		return nil
	}
	switch v {
	case format.UpstreamLocalURIs:
		return urisOf(c.own)
	case format.UpstreamLocalDNSNames:
		return dnsNamesOf(c.own)
	case format.UpstreamLocalIPs:
		return ipsOf(c.own)
	}
	state := c.ConnectionState()
	switch v {
	case format.UpstreamTLSVersion:
		return versionText(state.Version)
	case format.UpstreamTLSCipher:
		return []byte(cipherText(state.CipherSuite))
	case format.UpstreamTLSGroup:
		return groupText(state.CurveID)
	case format.UpstreamServerName:
		return []byte(state.ServerName)
	}
	leaf := state.PeerCertificates[0] // a server always has one
	switch v {
	case format.UpstreamPeerSubject:
		return []byte(subjectText(leaf.RawSubject))
	case format.UpstreamPeerIssuer:
		return []byte(subjectText(leaf.RawIssuer))
	case format.UpstreamPeerCert:
		return []byte(escapedPEM([]*x509.Certificate{leaf}))
	case format.UpstreamPeerURIs:
		return urisOf(leaf)
	case format.UpstreamPeerDNSNames:
		return dnsNamesOf(leaf)
	case format.UpstreamPeerIPs:
		return ipsOf(leaf)
	}
	return nil
}

// clientCertText is what there is to say of the certificates that a client has
// shown; of none, nothing.
func clientCertText(chain []*x509.Certificate, v format.Value) []byte {
	if len(chain) == 0 {
		return nil
	}
	leaf := chain[0]
	switch v {
	case format.DownstreamPeerSubject:
		return []byte(subjectText(leaf.RawSubject))
	case format.DownstreamPeerIssuer:
		return []byte(subjectText(leaf.RawIssuer))
	case format.DownstreamPeerURIs:
		return urisOf(leaf)
	case format.DownstreamPeerDNSNames:
		return dnsNamesOf(leaf)
	case format.DownstreamPeerIPs:
		return ipsOf(leaf)
	case format.DownstreamPeerEmails:
		return visible(strings.Join(leaf.EmailAddresses, ","))
	case format.DownstreamPeerOtherNames:
		return otherNamesOf(leaf)
	case format.DownstreamPeerSerial:
		return each(chain[:1], serialText)
	case format.DownstreamPeerSHA1:
		return each(chain[:1], sha1Text)
	case format.DownstreamPeerSHA256:
		return each(chain[:1], sha256Text)
	case format.DownstreamPeerCert:
		return []byte(escapedPEM(chain[:1]))
	case format.DownstreamPeerChainSerials:
		return each(chain, serialText)
	case format.DownstreamPeerChainSHA1:
		return each(chain, sha1Text)
	case format.DownstreamPeerChainSHA256:
		return each(chain, sha256Text)
	}
	return nil
}

// localCertText is what there is to say of the proxy's own certificate.
func localCertText(own *x509.Certificate, v format.Value) []byte {
	if own == nil {
		return nil
	}
	switch v {
	case format.DownstreamLocalSubject:
		return []byte(subjectText(own.RawSubject))
	case format.DownstreamLocalURIs:
		return urisOf(own)
	case format.DownstreamLocalDNSNames:
		return dnsNamesOf(own)
	case format.DownstreamLocalIPs:
		return ipsOf(own)
	case format.DownstreamLocalEmails:
		return visible(strings.Join(own.EmailAddresses, ","))
	case format.DownstreamLocalOtherNames:
		return otherNamesOf(own)
	}
	return nil
}

func each(chain []*x509.Certificate, text func(*x509.Certificate) string) []byte {
	var out []string
	for _, c := range chain {
		out = append(out, text(c))
	}
	return []byte(strings.Join(out, ","))
}

func serialText(c *x509.Certificate) string { return hex.EncodeToString(c.SerialNumber.Bytes()) }

func sha1Text(c *x509.Certificate) string {
	sum := sha1.Sum(c.Raw)
	return hex.EncodeToString(sum[:])
}

func sha256Text(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}

func ipsOf(c *x509.Certificate) []byte {
	if c == nil {
		return nil
	}
	var out []string
	for _, ip := range c.IPAddresses {
		out = append(out, ip.String())
	}
	return []byte(strings.Join(out, ","))
}

func urisOf(c *x509.Certificate) []byte {
	if c == nil {
		return nil
	}
	var out []string
	for _, u := range c.URIs {
		out = append(out, u.String())
	}
	return visible(strings.Join(out, ","))
}

func dnsNamesOf(c *x509.Certificate) []byte {
	if c == nil {
		return nil
	}
	return visible(strings.Join(c.DNSNames, ","))
}

// visible is a name of a certificate without control characters: a line break would
// write a header of its own, or a line of the log.
func visible(name string) []byte {
	return []byte(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '_'
		}
		return r
	}, name))
}

func versionText(version uint16) []byte {
	switch version {
	case tls.VersionTLS12:
		return []byte("TLSv1.2")
	case tls.VersionTLS13:
		return []byte("TLSv1.3")
	}
	return nil
}

// groupText is the name of the group of a key exchange, as BoringSSL has it.
func groupText(id tls.CurveID) []byte {
	switch id {
	case 0:
		return nil
	case tls.CurveP256:
		return []byte("P-256")
	case tls.CurveP384:
		return []byte("P-384")
	case tls.CurveP521:
		return []byte("P-521")
	}
	return []byte(id.String())
}

// cipherText is OpenSSL's name of a cipher suite: its own for TLS 1.2, that of the
// registry for 1.3.
func cipherText(id uint16) string {
	name := tls.CipherSuiteName(id)
	exchange, cipher, old := strings.Cut(strings.TrimPrefix(name, "TLS_"), "_WITH_")
	if !old {
		return name
	}
	cipher = strings.ReplaceAll(strings.NewReplacer("AES_128", "AES128", "AES_256", "AES256").Replace(cipher), "_", "-")
	cipher = strings.Replace(strings.Replace(cipher, "-CBC", "", 1), "CHACHA20-POLY1305-SHA256", "CHACHA20-POLY1305", 1)
	if exchange == "RSA" {
		return cipher
	}
	return strings.ReplaceAll(exchange, "_", "-") + "-" + cipher
}
