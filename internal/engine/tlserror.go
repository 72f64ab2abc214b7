package engine

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
)

// nameError says that a certificate is not for the service that was meant.
type nameError struct {
	byRequest bool   // not by the configuration
	expected  string // by the request
	leaf      *x509.Certificate
}

func (e nameError) Error() string {
	if e.byRequest {
		return fmt.Sprintf("the certificate is for %v, not for %q", alternativeNames(e.leaf), e.expected)
	}
	return fmt.Sprintf("no subject alternative name of the certificate is accepted: %v", alternativeNames(e.leaf))
}

// noConnectionError is why a socket makes no connections at all.
type noConnectionError struct{ error }

func (e noConnectionError) Unwrap() error { return e.error }

// errNotListed says that only other certificates are accepted.
var errNotListed = errors.New("the certificate is none of those that are accepted")

// errVersions says that no version of TLS is between the least and the highest.
var errVersions = errors.New("no version of TLS is left between tls_minimum_protocol_version and tls_maximum_protocol_version")

// errUnlistedVersion is crypto/tls's end of a handshake in which the service chose
// a version that was not offered.
const errUnlistedVersion = "server selected unsupported protocol version"

// BoringSSL's numbers of reasons (include/openssl/ssl.h), in its library for TLS.
const (
	libraryTLS         = 16 << 24
	reasonVerify       = 125
	reasonClientHello  = 154
	reasonProtocol     = 240
	reasonWrongVersion = 247
	reasonNoVersions   = 280
	reasonAlerts       = 1000 // plus the alert's number
	textVerify         = "CERTIFICATE_VERIFY_FAILED"
	textWrongVersion   = "WRONG_VERSION_NUMBER"
	textNoVersions     = "NO_SUPPORTED_VERSIONS_ENABLED"
	textUnsupportedTLS = "UNSUPPORTED_PROTOCOL"
)

// handshakeText is why a handshake failed, in the words in which Envoy logs it. Names
// of the service's certificate stand in it, with whatever is in them.
func handshakeText(err error) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r == 0x7f {
			return '_'
		}
		return r
	}, handshakeReason(err))
}

func handshakeReason(err error) string {
	var record tls.RecordHeaderError
	var secret noConnectionError
	if errors.As(err, &secret) {
		return "TLS_error:_Secret_is_not_supplied_by_SDS"
	}
	if text := verificationText(err); text != "" {
		return tlsError(reasonVerify, textVerify+":verify_cert_failed:_"+text)
	}
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return ""
	case errors.As(err, &record):
		return tlsError(reasonWrongVersion, textWrongVersion)
	case errors.Is(err, errVersions):
		return tlsError(reasonNoVersions, textNoVersions)
	case strings.Contains(err.Error(), errUnlistedVersion):
		return tlsError(reasonProtocol, textUnsupportedTLS)
	}
	if n, ok := remoteAlert(err); ok {
		text := alertText(n)
		var early firstFlightError
		if n == alertHandshakeFailure && errors.As(err, &early) {
			text += fmt.Sprintf("|%d:SSL_routines:OPENSSL_internal:HANDSHAKE_FAILURE_ON_CLIENT_HELLO", libraryTLS+reasonClientHello)
		}
		return tlsError(reasonAlerts+int(n), text)
	}
	return "TLS_error: " + err.Error()
}

func tlsError(reason int, text string) string {
	return fmt.Sprintf("TLS_error:|%d:SSL_routines:OPENSSL_internal:%s:TLS_error_end", libraryTLS+reason, text)
}

// verificationText is what is wrong with a certificate; empty for other errors.
func verificationText(err error) string {
	var name nameError
	if errors.As(err, &name) {
		names := strings.Join(alternativeNames(name.leaf), ",_")
		if name.byRequest {
			return "verify_SAN_list,_expected_SANs:_[" + name.expected + "],_certificate_SANs:_[" + names + "]"
		}
		return "SAN_matcher,_certificate_SANs_are_[" + names + "]"
	}
	if errors.Is(err, errNotListed) {
		return "cert_hash_and_spki"
	}
	if text := issuerText(err); text != "" {
		return "X509_verify_cert:_certificate_verification_error_at_depth_0:_" + text
	}
	return ""
}

// issuerText is OpenSSL's word for an error of crypto/x509.
func issuerText(err error) string {
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &unknown):
		if c := unknown.Cert; c != nil && slices.Equal(c.RawIssuer, c.RawSubject) {
			return "self_signed_certificate"
		}
		return "unable_to_get_local_issuer_certificate"
	case errors.As(err, &invalid):
		switch invalid.Reason {
		case x509.Expired:
			if strings.Contains(invalid.Detail, "is before") {
				return "certificate_is_not_yet_valid"
			}
			return "certificate_has_expired"
		case x509.IncompatibleUsage:
			return "unsupported_certificate_purpose"
		}
		return "invalid_CA_certificate"
	}
	return ""
}

// remoteAlert is the alert by which the other side ended the handshake.
func remoteAlert(err error) (uint8, bool) {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "remote error" || op.Err == nil {
		return 0, false
	}
	for n := range 256 {
		if tls.AlertError(n).Error() == op.Err.Error() {
			return uint8(n), true
		}
	}
	return 0, false
}

const alertHandshakeFailure = 40

// alertText is BoringSSL's name of an alert.
func alertText(n uint8) string {
	switch n {
	case 10:
		return "SSLV3_ALERT_UNEXPECTED_MESSAGE"
	case 20:
		return "SSLV3_ALERT_BAD_RECORD_MAC"
	case alertHandshakeFailure:
		return "SSLV3_ALERT_HANDSHAKE_FAILURE"
	case 42:
		return "SSLV3_ALERT_BAD_CERTIFICATE"
	case 43:
		return "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE"
	case 44:
		return "SSLV3_ALERT_CERTIFICATE_REVOKED"
	case 45:
		return "SSLV3_ALERT_CERTIFICATE_EXPIRED"
	case 46:
		return "SSLV3_ALERT_CERTIFICATE_UNKNOWN"
	case 47:
		return "SSLV3_ALERT_ILLEGAL_PARAMETER"
	case 48:
		return "TLSV1_ALERT_UNKNOWN_CA"
	case 49:
		return "TLSV1_ALERT_ACCESS_DENIED"
	case 50:
		return "TLSV1_ALERT_DECODE_ERROR"
	case 51:
		return "TLSV1_ALERT_DECRYPT_ERROR"
	case 70:
		return "TLSV1_ALERT_PROTOCOL_VERSION"
	case 71:
		return "TLSV1_ALERT_INSUFFICIENT_SECURITY"
	case 80:
		return "TLSV1_ALERT_INTERNAL_ERROR"
	case 110:
		return "TLSV1_ALERT_UNSUPPORTED_EXTENSION"
	case 112:
		return "TLSV1_ALERT_UNRECOGNIZED_NAME"
	case 116:
		return "TLSV1_ALERT_CERTIFICATE_REQUIRED"
	case 120:
		return "TLSV1_ALERT_NO_APPLICATION_PROTOCOL"
	}
	return fmt.Sprintf("TLSV1_ALERT_%d", n)
}

var subjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}

// alternativeNames are the names in a certificate in its own order, as far as they
// are texts or addresses.
func alternativeNames(c *x509.Certificate) []string {
	var out []string
	for _, n := range generalNames(c) {
		switch n.Tag {
		case 1, 2, 6: // rfc822Name, dNSName, uniformResourceIdentifier (RFC 5280 section 4.2.1.6)
			out = append(out, string(n.Bytes))
		case 7:
			out = append(out, net.IP(n.Bytes).String())
		}
	}
	return out
}

// generalNames are all alternative names in a certificate, in its order.
func generalNames(c *x509.Certificate) (out []asn1.RawValue) {
	for _, ext := range c.Extensions {
		if !ext.Id.Equal(subjectAltName) {
			continue
		}
		var names []asn1.RawValue
		if _, err := asn1.Unmarshal(ext.Value, &names); err != nil {
			return nil
		}
		out = append(out, names...)
	}
	return out
}
