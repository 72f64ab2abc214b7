package engine

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
)

// validation is a compiled CertificateValidationContext: what is asked of the
// other side's certificate.
type validation struct {
	roots  *x509.CertPool // nil: the certificate's issuer does not matter
	names  []nameMatch    // one of them has to match, if there are any
	hashes []string       // the same for SHA-256 of the certificate, in hex
	spkis  []string       // and of its key, in base64
}

// nameMatch matches a subject alternative name of one kind; kind 0 is any.
type nameMatch struct {
	kind  tlsv3.SubjectAltNameMatcher_SanType
	value stringMatch
}

// validationContext finds what a TLS context asks of the other side: its own
// validation context, a secret's, or both merged (the secret's fields win, as
// with proto merging in Envoy). Nil: nothing.
func (c *compiler) validationContext(t *tlsv3.CommonTlsContext) (*tlsv3.CertificateValidationContext, error) {
	secret := func(name string) (*tlsv3.CertificateValidationContext, error) {
		v := c.secrets[name].GetValidationContext()
		if v == nil {
			return nil, errNoSecret{"validation context", name}
		}
		return v, nil
	}
	switch v := t.GetValidationContextType().(type) {
	case *tlsv3.CommonTlsContext_ValidationContext:
		return v.ValidationContext, nil
	case *tlsv3.CommonTlsContext_ValidationContextSdsSecretConfig:
		return secret(v.ValidationContextSdsSecretConfig.GetName())
	case *tlsv3.CommonTlsContext_CombinedValidationContext:
		own := v.CombinedValidationContext.GetDefaultValidationContext()
		found, err := secret(v.CombinedValidationContext.GetValidationContextSdsSecretConfig().GetName())
		if err != nil {
			return nil, err
		}
		return mergeValidation(own, found), nil
	case nil:
		return nil, nil
	}
	return nil, errors.New("this way of validating certificates is not supported")
}

func mergeValidation(own, found *tlsv3.CertificateValidationContext) *tlsv3.CertificateValidationContext {
	out := &tlsv3.CertificateValidationContext{
		TrustedCa:                         found.GetTrustedCa(),
		MatchTypedSubjectAltNames:         slices.Concat(own.GetMatchTypedSubjectAltNames(), found.GetMatchTypedSubjectAltNames()),
		MatchSubjectAltNames:              slices.Concat(own.GetMatchSubjectAltNames(), found.GetMatchSubjectAltNames()),
		VerifyCertificateHash:             slices.Concat(own.GetVerifyCertificateHash(), found.GetVerifyCertificateHash()),
		VerifyCertificateSpki:             slices.Concat(own.GetVerifyCertificateSpki(), found.GetVerifyCertificateSpki()),
		Crl:                               found.GetCrl(),
		AllowExpiredCertificate:           own.GetAllowExpiredCertificate() || found.GetAllowExpiredCertificate(),
		TrustChainVerification:            max(own.GetTrustChainVerification(), found.GetTrustChainVerification()),
		CustomValidatorConfig:             found.GetCustomValidatorConfig(),
		SystemRootCerts:                   found.GetSystemRootCerts(),
		MaxVerifyDepth:                    found.GetMaxVerifyDepth(),
		RequireSignedCertificateTimestamp: found.GetRequireSignedCertificateTimestamp(),
	}
	if out.TrustedCa == nil {
		out.TrustedCa = own.GetTrustedCa()
	}
	if out.SystemRootCerts == nil {
		out.SystemRootCerts = own.GetSystemRootCerts()
	}
	if out.Crl == nil {
		out.Crl = own.GetCrl()
	}
	return out
}

// compileValidation compiles a validation context; nil for nil. What it asks for
// and is not carried out is an error.
func compileValidation(v *tlsv3.CertificateValidationContext) (*validation, error) {
	if v == nil {
		return nil, nil
	}
	if err := unsupported(v); err != nil {
		return nil, err
	}
	out := &validation{}
	if v.GetTrustedCa() != nil {
		pem, err := dataSource(v.GetTrustedCa())
		if err != nil {
			return nil, fmt.Errorf("trusted_ca: %w", err)
		}
		out.roots = x509.NewCertPool()
		if !out.roots.AppendCertsFromPEM(pem) {
			return nil, errors.New("trusted_ca: no certificate in PEM")
		}
	}
	if out.roots == nil && v.GetSystemRootCerts() != nil {
		pool, err := x509.SystemCertPool()
		if err != nil {
			return nil, fmt.Errorf("system_root_certs: %w", err)
		}
		out.roots = pool
	}
	for i, m := range v.GetMatchTypedSubjectAltNames() {
		s, err := compileString(m.GetMatcher())
		if err != nil {
			return nil, fmt.Errorf("match_typed_subject_alt_names[%d]: %w", i, err)
		}
		out.names = append(out.names, nameMatch{m.GetSanType(), s})
	}
	for i, m := range v.GetMatchSubjectAltNames() {
		s, err := compileString(m)
		if err != nil {
			return nil, fmt.Errorf("match_subject_alt_names[%d]: %w", i, err)
		}
		out.names = append(out.names, nameMatch{value: s})
	}
	for _, h := range v.GetVerifyCertificateHash() {
		out.hashes = append(out.hashes, strings.ToLower(strings.ReplaceAll(h, ":", "")))
	}
	out.spkis = v.GetVerifyCertificateSpki()
	if len(out.names) > 0 && out.roots == nil {
		return nil, errors.New("subject alternative names are worth nothing without trusted_ca")
	}
	return out, nil
}

// listed reports whether only certain certificates of the authority are accepted.
func (v *validation) listed() bool { return len(v.names)+len(v.hashes)+len(v.spkis) > 0 }

// check verifies what the chain of issuers does not say: names and hashes.
func (v *validation) check(leaf *x509.Certificate) error {
	if len(v.names) > 0 && !slices.ContainsFunc(v.names, func(n nameMatch) bool { return n.matches(leaf) }) {
		return nameError{leaf: leaf}
	}
	return v.checkListed(leaf)
}

// checkListed verifies the hashes alone.
func (v *validation) checkListed(leaf *x509.Certificate) error {
	if len(v.hashes) == 0 && len(v.spkis) == 0 {
		return nil
	}
	hash := sha256.Sum256(leaf.Raw)
	spki := sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
	if slices.Contains(v.hashes, hex.EncodeToString(hash[:])) || slices.Contains(v.spkis, base64.StdEncoding.EncodeToString(spki[:])) {
		return nil
	}
	return errNotListed
}

func (n nameMatch) matches(c *x509.Certificate) bool {
	wants := func(kind tlsv3.SubjectAltNameMatcher_SanType) bool { return n.kind == 0 || n.kind == kind }
	match := func(s string) bool { return n.value.match([]byte(s)) }
	matchDNS := match
	if n.value.kind == matchExact {
		matchDNS = func(s string) bool { return dnsNameMatch(string(n.value.pattern), s) }
	}
	switch {
	case wants(tlsv3.SubjectAltNameMatcher_DNS) && slices.ContainsFunc(c.DNSNames, matchDNS),
		wants(tlsv3.SubjectAltNameMatcher_EMAIL) && slices.ContainsFunc(c.EmailAddresses, match),
		wants(tlsv3.SubjectAltNameMatcher_IP_ADDRESS) && slices.ContainsFunc(c.IPAddresses, func(ip net.IP) bool { return match(ip.String()) }):
		return true
	}
	if wants(tlsv3.SubjectAltNameMatcher_URI) {
		for _, u := range c.URIs {
			if match(u.String()) {
				return true
			}
		}
	}
	return false
}

// verify checks a chain that crypto/tls has not looked at; none is fine, for
// whether one is required is asked elsewhere.
func (v *validation) verify(chain []*x509.Certificate, usage x509.ExtKeyUsage) error {
	if len(chain) == 0 {
		return nil
	}
	if err := v.verifyIssuer(chain, usage); err != nil {
		return err
	}
	return v.check(chain[0])
}

// verifyIssuer checks who has signed a chain, and what for.
func (v *validation) verifyIssuer(chain []*x509.Certificate, usage x509.ExtKeyUsage) error {
	if v.roots != nil {
		if _, err := chain[0].Verify(verifyOptions(chain, v.roots, usage)); err != nil {
			return err
		}
	}
	return nil
}

// verifyOptions are those for the first certificate of a chain.
func verifyOptions(chain []*x509.Certificate, roots *x509.CertPool, usage x509.ExtKeyUsage) x509.VerifyOptions {
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	return x509.VerifyOptions{Roots: roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{usage}}
}
