package engine

import (
	"crypto/x509"
	"encoding/asn1"
	"encoding/binary"
	"encoding/hex"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/crossgate/crossgate/internal/format"
)

// otherNamesOf are the names of a certificate that are of no kind which crypto/x509
// knows: the values of its otherName entries (RFC 5280 section 4.2.1.6).
func otherNamesOf(c *x509.Certificate) []byte {
	if c == nil {
		return nil
	}
	var out []string
	for _, n := range generalNames(c) {
		if n.Tag != 0 {
			continue
		}
		var id asn1.ObjectIdentifier
		var explicit, value asn1.RawValue
		rest, err := asn1.Unmarshal(n.Bytes, &id)
		if err == nil {
			_, err = asn1.Unmarshal(rest, &explicit)
		}
		if err == nil {
			_, err = asn1.Unmarshal(explicit.Bytes, &value)
		}
		if err == nil {
			out = append(out, otherNameText(value))
		}
	}
	return visible(strings.Join(out, ","))
}

// otherNameText is the value of an otherName as Envoy writes it (generalNameAsString):
// texts in UTF-8, and what it has no form for in DER.
func otherNameText(v asn1.RawValue) string {
	switch v.Tag {
	case asn1.TagNull:
		return ""
	case asn1.TagBoolean:
		return strconv.FormatBool(len(v.Bytes) == 1 && v.Bytes[0] != 0)
	case asn1.TagInteger, asn1.TagEnum:
		n := new(big.Int).SetBytes(v.Bytes)
		if len(v.Bytes) > 0 && v.Bytes[0] >= 0x80 {
			n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(v.Bytes))))
		}
		return n.String()
	case asn1.TagOID:
		var id asn1.ObjectIdentifier
		if _, err := asn1.Unmarshal(v.FullBytes, &id); err == nil {
			return id.String()
		}
	case asn1.TagBMPString:
		units := make([]uint16, len(v.Bytes)/2)
		for i := range units {
			units[i] = binary.BigEndian.Uint16(v.Bytes[2*i:])
		}
		return string(utf16.Decode(units))
	case asn1.TagBitString:
		if len(v.Bytes) > 0 {
			return string(v.Bytes[1:]) // without the number of unused bits
		}
	case asn1.TagSequence, asn1.TagSet:
		return string(v.FullBytes)
	}
	return string(v.Bytes)
}

// issuerText is what there is to say of the certificate that the client's was checked
// with. Of a session that is resumed nothing is known of it.
func (p *peer) issuerText(v format.Value) []byte {
	chain := p.tls.PeerCertificates
	if len(chain) == 0 || p.roots == nil || p.tls.DidResume {
		return nil
	}
	verified, err := chain[0].Verify(verifyOptions(chain, p.roots, x509.ExtKeyUsageClientAuth))
	if err != nil || len(verified[0]) < 2 {
		return nil
	}
	issuer := verified[0][1]
	if v == format.DownstreamPeerIssuerSerial {
		return []byte(hex.EncodeToString(issuer.SerialNumber.Bytes()))
	}
	return []byte(sha256Text(issuer))
}
